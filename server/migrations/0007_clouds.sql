-- What the clouds of our own hosts remember. Nothing outside server/src/clouds reads these tables.

-- The simulated cloud: the machines that a real one would have as processes.
create table sim_machine (
  region text not null,
  id text not null,
  host text not null,
  spec_hash text not null,
  power text not null,
  restart_serial integer not null,
  -- what console and diagnostics tell: hostname, sizes, NICs
  about jsonb not null,
  started_at timestamptz not null default now(),
  -- the wish holds from then on
  settled_at timestamptz not null,
  primary key (region, id)
);
create index sim_machine_of_host on sim_machine (region, host);

-- One row for each region: which process announced how many hosts, and when one last said that they live.
create table sim_announcement (
  region text primary key,
  hosts integer not null,
  announced_at timestamptz not null default now(),
  alive_at timestamptz not null default now()
);

-- Our own hosts. A host is known by its key; what joined under a name keeps it until an operator removes the host.
create table kvm_host (
  id uuid primary key,
  region text not null,
  name text not null,
  public_key text not null,
  joined_at timestamptz not null default now(),
  -- the token it joined with: the same request again, whose reply was lost, gets the same answer
  joined_by text not null,
  -- the connection that speaks for the host; nothing is taken from any other one
  session uuid,
  last_seen timestamptz,
  facts jsonb,
  -- the last heartbeat: load, free memory and disk
  pulse jsonb,
  -- machines found there that nobody wishes for
  leftovers jsonb not null default '[]',
  unique (region, name)
);

-- The secret of a token is not kept: it is computed from the token's id with a key of the cloud (table secret).
create table kvm_join_token (
  id text primary key,
  region text not null,
  uses_left integer not null,
  expires_at timestamptz not null,
  created_at timestamptz not null default now()
);

-- What each host should make true (generation, spec; a null spec: must not exist), and what it said of that.
create table kvm_object (
  host_id uuid not null references kvm_host on delete cascade,
  region text not null,
  kind text not null check (kind in ('machine', 'network')),
  id text not null,
  -- grows with each change of the wish; milliseconds since 1970 where that is more, so that it grows even when a row was
  -- lost and made anew: an agent refuses what is older than what it has
  generation bigint not null,
  spec jsonb,
  spec_hash text not null,
  reported_generation bigint not null default 0,
  -- the last generation that was reported ready
  ready_generation bigint not null default 0,
  status jsonb,
  -- the error in the status was told to whoever asked; the next one who asks wants another try
  error_told boolean not null default false,
  primary key (host_id, kind, id)
);
create index kvm_object_of_id on kvm_object (region, kind, id);
create index kvm_object_changed on kvm_object (host_id, generation);

-- Questions to an agent that another process is connected to. Lost in a crash of the database, as are those who wait.
create unlogged table kvm_call (
  id uuid primary key,
  host_id uuid not null,
  method text not null,
  params jsonb not null,
  value jsonb,
  error text,
  answered boolean not null default false,
  created_at timestamptz not null default now()
);
