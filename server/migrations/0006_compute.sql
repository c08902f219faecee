-- Compute: flavors, keypairs, servers, the hosts they run on.
create table flavor (
  n bigint generated always as identity,
  region text not null,
  flavor_id text not null,                    -- what the API calls its id: any short text
  name text not null,
  vcpus integer not null check (vcpus > 0),
  ram_mb integer not null check (ram_mb > 0),
  disk_gb integer not null check (disk_gb >= 0),
  ephemeral_gb integer not null default 0,
  swap_mb integer not null default 0,
  rxtx_factor double precision not null default 1,
  is_public boolean not null default true,
  description text,
  extra_specs jsonb not null default '{}',
  created_at timestamptz not null default now(),
  primary key (region, flavor_id)
);
create unique index flavor_name on flavor (region, name);
create table flavor_access (
  region text not null,
  flavor_id text not null,
  project_id text not null,
  primary key (region, flavor_id, project_id),
  foreign key (region, flavor_id) references flavor on delete cascade
);

create table keypair (
  id integer generated always as identity primary key,
  region text not null,
  user_id text not null,
  name text not null,
  type text not null check (type in ('ssh', 'x509')),
  public_key text not null,
  fingerprint text not null,
  created_at timestamptz not null default now()
);
create unique index keypair_name on keypair (region, user_id, name);

create table server_group (
  id uuid primary key,
  region text not null,
  project_id text not null,
  user_id text not null,
  name text not null,
  policy text not null check (policy in ('affinity', 'anti-affinity', 'soft-affinity', 'soft-anti-affinity')),
  max_server_per_host integer not null default 1,
  created_at timestamptz not null default now()
);
create index server_group_of_project on server_group (region, project_id, created_at);

-- A server says what should be; what is, the hosts report. Rows of deleted servers stay for usage reports and history.
create table server (
  id uuid primary key,
  n bigint generated always as identity,       -- what EC2-style names count by: i-0000002a
  region text not null,
  project_id text not null,
  user_id text not null,
  name text not null,
  description text,
  hostname text not null,
  state text not null,
  fault jsonb,
  flavor jsonb not null,                       -- the flavor as it was: later changes do not reach the server
  flavor_id text not null,
  vcpus integer not null,                      -- of the flavor, for sums
  ram_mb integer not null,
  image jsonb not null,                        -- the image as it was, enough to start from without asking again
  image_id uuid not null,
  key_name text,
  key jsonb,
  user_data text,
  config_drive boolean not null default false,
  metadata jsonb not null default '{}',
  tags text[] not null default '{}',
  files jsonb not null default '[]',
  admin_password text,                         -- only until the guest has been built
  host text,
  availability_zone text,
  requested_zone text,
  requested_host text,
  scheduler_hints jsonb not null default '{}',
  group_id uuid,
  power text not null default 'running',       -- running, paused, suspended or shutdown: what it should be
  restart_serial integer not null default 0,
  restart_hard boolean not null default false,
  disk_serial integer not null default 0,
  reservation_id text not null,
  launch_index integer not null default 0,
  locked_by text,
  locked_reason text,
  disk_config text not null default 'MANUAL',
  access_ip_v4 text,
  access_ip_v6 text,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  launched_at timestamptz,
  deleted_at timestamptz
);
create index server_of_project on server (region, project_id, created_at desc, id desc) where deleted_at is null;
create index server_quota on server (region, project_id) include (vcpus, ram_mb) where deleted_at is null;
create index server_of_region on server (region, created_at desc, id desc) where deleted_at is null;
create index server_on_host on server (region, host) where deleted_at is null;
create index server_in_group on server (group_id) where deleted_at is null and group_id is not null;
create index server_used on server (region, project_id, deleted_at) where deleted_at is not null;

create table compute_host (
  n integer generated always as identity,      -- hypervisor and service id before version 2.53
  id uuid primary key,                         -- hypervisor id since version 2.53
  service_id uuid not null,
  region text not null,
  name text not null,
  vcpus integer not null,
  memory_mb integer not null,
  disk_gb integer not null,
  facts jsonb not null,                        -- all that the host last said of itself
  disabled boolean not null default false,
  disabled_reason text,
  forced_down boolean not null default false,
  marked_down boolean not null default false,  -- placement was told that it is down
  created_at timestamptz not null default now(),
  changed_at timestamptz not null default now(),
  last_seen_at timestamptz not null default now()
);
create unique index compute_host_name on compute_host (region, name);

create table aggregate (
  id integer generated always as identity primary key,
  uuid uuid not null,
  region text not null,
  name text not null,
  metadata jsonb not null default '{}',        -- availability_zone among it
  hosts text[] not null default '{}',
  created_at timestamptz not null default now(),
  updated_at timestamptz
);
create unique index aggregate_name on aggregate (region, name);
