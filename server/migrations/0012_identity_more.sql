-- What of Keystone's model came after its core: delegation, credentials, filters of the catalogue, limits.

create index user_default_project on identity_user (default_project_id) where default_project_id is not null;

-- Credentials of any kind (EC2 keys, TOTP seeds, certificates); the blob is sealed with the credential key.
create table credential (
  id text primary key,
  user_id text not null references identity_user on delete cascade,
  project_id text,
  type text not null,
  key_serial integer not null,
  blob bytea not null,
  extra jsonb not null default '{}',
  created_at timestamptz not null default now()
);
create index credential_of_user on credential (user_id);

create table application_credential (
  id text primary key,
  user_id text not null references identity_user on delete cascade,
  project_id text not null references project on delete cascade,
  name text not null,
  description text,
  secret_hash text not null,
  role_ids text[] not null,
  unrestricted boolean not null default false,
  -- ids of access rules; null: every request is allowed
  access_rule_ids text[],
  expires_at timestamptz,
  created_at timestamptz not null default now()
);
create unique index application_credential_name on application_credential (user_id, name);

-- Belong to the user and outlive the application credentials that name them.
create table access_rule (
  id text primary key,
  user_id text not null references identity_user on delete cascade,
  service text not null,
  method text not null,
  path text not null,
  created_at timestamptz not null default now()
);
create unique index access_rule_same on access_rule (user_id, service, method, path);

create table trust (
  id text primary key,
  trustor_user_id text not null references identity_user on delete cascade,
  trustee_user_id text not null references identity_user on delete cascade,
  project_id text references project on delete cascade,
  impersonation boolean not null,
  role_ids text[] not null,
  expires_at timestamptz,
  remaining_uses integer,
  redelegated_trust_id text references trust on delete cascade,
  redelegation_count integer not null default 0,
  extra jsonb not null default '{}',
  created_at timestamptz not null default now()
);
create index trust_of_trustor on trust (trustor_user_id);
create index trust_of_trustee on trust (trustee_user_id);

create table policy_blob (
  id text primary key,
  type text not null,
  blob text not null,
  extra jsonb not null default '{}',
  created_at timestamptz not null default now()
);

-- Which endpoints a project sees: groups of endpoints by filter, and single ones. A project that has none sees all.
create table endpoint_group (
  id text primary key,
  name text not null,
  description text,
  filters jsonb not null,
  created_at timestamptz not null default now()
);
create table project_endpoint_group (
  project_id text not null references project on delete cascade,
  endpoint_group_id text not null references endpoint_group on delete cascade,
  primary key (project_id, endpoint_group_id)
);
create table project_endpoint (
  project_id text not null references project on delete cascade,
  endpoint_id text not null references endpoint on delete cascade,
  primary key (project_id, endpoint_id)
);

-- Options of a domain, group by group, as Keystone's domain configuration has them.
create table domain_config (
  domain_id text not null references project on delete cascade,
  option_group text not null,
  option text not null,
  value jsonb not null,
  primary key (domain_id, option_group, option)
);

create table registered_limit (
  id text primary key,
  service_id text not null references service,
  region_id text references region,
  resource_name text not null,
  default_limit integer not null,
  description text,
  created_at timestamptz not null default now()
);
create unique index registered_limit_same on registered_limit (service_id, coalesce(region_id, ''), resource_name);
create table project_limit (
  id text primary key,
  project_id text not null references project on delete cascade,
  service_id text not null,
  region_id text,
  resource_name text not null,
  resource_limit integer not null,
  description text,
  created_at timestamptz not null default now()
);
create unique index project_limit_same on project_limit (project_id, service_id, coalesce(region_id, ''), resource_name);
