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
