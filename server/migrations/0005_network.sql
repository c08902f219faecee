-- Neutron's model. `tags`, `revision`, `created_at`, `updated_at` are its standard attributes.

create sequence network_vni minvalue 1 maxvalue 16777215 cycle;

create table network (
  id uuid primary key,
  region text not null,
  project_id text not null,
  name text not null default '',
  description text not null default '',
  admin_up boolean not null default true,
  -- what the wildcard policies in rbac_policy say, kept here because every list asks
  shared boolean not null default false,
  external boolean not null default false,
  is_default boolean not null default false,
  kind text not null check (kind in ('vxlan', 'flat')),
  physical text not null default '',
  segment integer not null default 0,
  mtu integer not null,
  port_security boolean not null default true,
  dns_domain text not null default '',
  zone_hints text[] not null default '{}',
  tags text[] not null default '{}',
  revision integer not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create unique index network_segment on network (region, segment) where kind = 'vxlan';
create unique index network_physical on network (region, physical) where kind = 'flat';
create unique index network_default on network (region) where is_default;
create index network_of_project on network (region, project_id);
create index network_shared on network (region) where shared or external;

create table address_scope (
  id uuid primary key,
  region text not null,
  project_id text not null,
  name text not null default '',
  ip_version integer not null,
  shared boolean not null default false,
  revision integer not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create index address_scope_of_project on address_scope (region, project_id);

create table subnet_pool (
  id uuid primary key,
  region text not null,
  project_id text not null,
  name text not null default '',
  description text not null default '',
  ip_version integer not null,
  prefixes text[] not null,
  default_prefix_length integer not null,
  min_prefix_length integer not null,
  max_prefix_length integer not null,
  default_quota integer,
  shared boolean not null default false,
  is_default boolean not null default false,
  address_scope_id uuid references address_scope,
  tags text[] not null default '{}',
  revision integer not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create unique index subnet_pool_default on subnet_pool (region, ip_version) where is_default;
create index subnet_pool_of_project on subnet_pool (region, project_id);
create index subnet_pool_of_scope on subnet_pool (address_scope_id);

create table subnet (
  id uuid primary key,
  region text not null,
  project_id text not null,
  network_id uuid not null references network,
  name text not null default '',
  description text not null default '',
  ip_version integer not null,
  cidr cidr not null,
  gateway inet,
  dhcp boolean not null default true,
  dns text[] not null default '{}',
  routes jsonb not null default '[]',
  pools jsonb not null,
  ra_mode text,
  address_mode text,
  subnet_pool_id uuid references subnet_pool,
  service_types text[] not null default '{}',
  publish_dns boolean not null default false,
  tags text[] not null default '{}',
  revision integer not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create index subnet_of_network on subnet (network_id);
create index subnet_of_project on subnet (region, project_id);
create index subnet_of_pool on subnet (subnet_pool_id);

create table security_group (
  id uuid primary key,
  region text not null,
  project_id text not null,
  name text not null default '',
  description text not null default '',
  stateful boolean not null default true,
  is_default boolean not null default false,
  tags text[] not null default '{}',
  revision integer not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
-- made when first needed, by whoever comes first
create unique index security_group_default on security_group (region, project_id) where is_default;
create index security_group_of_project on security_group (region, project_id);

create table security_group_rule (
  id uuid primary key,
  region text not null,
  project_id text not null,
  group_id uuid not null references security_group on delete cascade,
  description text not null default '',
  direction text not null check (direction in ('ingress', 'egress')),
  ether_type text not null check (ether_type in ('IPv4', 'IPv6')),
  protocol text,
  port_min integer,
  port_max integer,
  -- as it was written: host bits may be set
  remote_cidr text,
  remote_group_id uuid references security_group on delete cascade,
  revision integer not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create unique index security_group_rule_once on security_group_rule (
  group_id, direction, ether_type, coalesce(protocol, ''), coalesce(port_min, -1), coalesce(port_max, -1),
  coalesce(remote_cidr, ''), coalesce(remote_group_id::text, '')
);
create index security_group_rule_remote on security_group_rule (remote_group_id) where remote_group_id is not null;
create index security_group_rule_of_project on security_group_rule (region, project_id);

create table port (
  id uuid primary key,
  region text not null,
  project_id text not null,
  network_id uuid not null references network,
  name text not null default '',
  description text not null default '',
  admin_up boolean not null default true,
  mac text not null,
  device_id text not null default '',
  device_owner text not null default '',
  security_group_ids uuid[] not null default '{}',
  port_security boolean not null default true,
  allowed_pairs jsonb not null default '[]',
  dhcp_options jsonb not null default '[]',
  dns_name text not null default '',
  dns_domain text not null default '',
  vnic_type text not null default 'normal',
  profile jsonb not null default '{}',
  -- the host that carries it; '' for none
  host text not null default '',
  -- the host says that it is connected and filtered
  wired boolean not null default false,
  -- made by and for its server, and goes with it; a port that existed before is only let go
  made_for_server boolean not null default false,
  -- its place among the server's NICs
  device_place integer not null default 0,
  device_tag text,
  tags text[] not null default '{}',
  revision integer not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create unique index port_mac on port (network_id, mac);
create unique index port_dhcp on port (network_id) where device_owner = 'network:dhcp';
create index port_of_project on port (region, project_id);
create index port_of_device on port (device_id) where device_id <> '';
create index port_of_host on port (region, host) where host <> '';
create index port_of_group on port using gin (security_group_ids);

-- Each address in use, once. Two requests for the same address meet in the primary key.
create table ip_allocation (
  subnet_id uuid not null references subnet,
  address inet not null,
  network_id uuid not null,
  port_id uuid not null references port on delete cascade,
  -- the place among the port's fixed IPs
  n integer not null default 0,
  primary key (subnet_id, address)
);
create index ip_allocation_of_port on ip_allocation (port_id);
create index ip_allocation_address on ip_allocation (address);

create table router (
  id uuid primary key,
  region text not null,
  project_id text not null,
  name text not null default '',
  description text not null default '',
  admin_up boolean not null default true,
  gateway_network_id uuid references network,
  gateway_port_id uuid references port,
  snat boolean not null default true,
  routes jsonb not null default '[]',
  -- the host that carries it; '' while there is none that can, or nothing to route
  host text not null default '',
  zone_hints text[] not null default '{}',
  tags text[] not null default '{}',
  revision integer not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create index router_of_project on router (region, project_id);
create index router_of_host on router (region, host);
create index router_gateway_network on router (gateway_network_id);
create index router_gateway_port on router (gateway_port_id);

create table floating_ip (
  id uuid primary key,
  region text not null,
  project_id text not null,
  description text not null default '',
  network_id uuid not null references network,
  -- the port on the external network that holds the address
  floating_port_id uuid not null references port,
  address inet not null,
  port_id uuid references port,
  fixed_address inet,
  router_id uuid references router,
  status text not null default 'DOWN',
  dns_name text not null default '',
  dns_domain text not null default '',
  tags text[] not null default '{}',
  revision integer not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create unique index floating_ip_fixed on floating_ip (port_id, fixed_address) where port_id is not null;
create index floating_ip_of_project on floating_ip (region, project_id);
create index floating_ip_of_router on floating_ip (router_id);
create index floating_ip_of_network on floating_ip (network_id);
create index floating_ip_address on floating_ip (address);
create index floating_ip_port on floating_ip (floating_port_id);

-- Who besides the owner may use what: Neutron's RBAC policies. target_project '*' is everyone.
create table rbac_policy (
  id uuid primary key,
  region text not null,
  project_id text not null,
  object_type text not null check (object_type in ('network', 'subnetpool', 'address_scope', 'security_group')),
  object_id uuid not null,
  action text not null check (action in ('access_as_shared', 'access_as_external')),
  target_project text not null
);
create unique index rbac_policy_once on rbac_policy (object_id, target_project, action);
create index rbac_policy_target on rbac_policy (region, target_project, object_type);

create table metering_label (
  id uuid primary key,
  region text not null,
  project_id text not null,
  name text not null default '',
  description text not null default '',
  shared boolean not null default false
);
create table metering_label_rule (
  id uuid primary key,
  region text not null,
  label_id uuid not null references metering_label on delete cascade,
  direction text not null,
  excluded boolean not null default false,
  remote_cidr cidr,
  source_cidr cidr,
  destination_cidr cidr
);
create index metering_label_rule_of_label on metering_label_rule (label_id);

-- What the clouds told of their hosts: where tunnels end and which physical networks are at hand.
create table network_host (
  region text not null,
  host text not null,
  tunnel_address text not null default '',
  physical_networks text[] not null default '{}',
  alive boolean not null default true,
  seen_at timestamptz not null default now(),
  primary key (region, host)
);
