-- Keystone's model. A domain is a project row of its own kind, as in Keystone: ids are shared between the two.
create table project (
  id text primary key,
  domain_id text references project,          -- null for domains
  parent_id text references project,
  is_domain boolean not null default false,
  name text not null,
  description text not null default '',
  enabled boolean not null default true,
  tags text[] not null default '{}',
  options jsonb not null default '{}',
  extra jsonb not null default '{}',
  created_at timestamptz not null default now()
);
create unique index domain_name on project (name) where is_domain;
create unique index project_name on project (domain_id, name) where not is_domain;
create index project_parent on project (parent_id);

create table identity_user (
  id text primary key,
  domain_id text not null references project,
  name text not null,
  enabled boolean not null default true,
  default_project_id text,
  description text,
  email text,
  options jsonb not null default '{}',
  extra jsonb not null default '{}',
  -- tokens issued before this moment are void
  tokens_valid_from timestamptz not null default 'epoch',
  failed_auth_count integer not null default 0,
  failed_auth_at timestamptz,
  last_active_at date,
  created_at timestamptz not null default now()
);
create unique index user_name on identity_user (domain_id, name);

-- The newest one that is not expired is the password; older ones are the history.
create table password (
  id bigint generated always as identity primary key,
  user_id text not null references identity_user on delete cascade,
  hash text not null,
  created_at timestamptz not null default now(),
  expires_at timestamptz,
  self_service boolean not null default false
);
create index password_of_user on password (user_id, id desc);

create table identity_group (
  id text primary key,
  domain_id text not null references project,
  name text not null,
  description text not null default '',
  extra jsonb not null default '{}',
  created_at timestamptz not null default now()
);
create unique index group_name on identity_group (domain_id, name);
create table group_member (
  group_id text not null references identity_group on delete cascade,
  user_id text not null references identity_user on delete cascade,
  primary key (group_id, user_id)
);
create index group_member_user on group_member (user_id);

create table role (
  id text primary key,
  domain_id text references project,
  name text not null,
  description text,
  options jsonb not null default '{}',
  extra jsonb not null default '{}',
  created_at timestamptz not null default now()
);
create unique index role_name on role (coalesce(domain_id, ''), name);
create table implied_role (
  prior_role_id text not null references role on delete cascade,
  implied_role_id text not null references role on delete cascade,
  primary key (prior_role_id, implied_role_id)
);

-- Who has which role where. target_id is '' for the system.
create table role_assignment (
  actor_kind text not null check (actor_kind in ('user', 'group')),
  actor_id text not null,
  target_kind text not null check (target_kind in ('project', 'domain', 'system')),
  target_id text not null,
  role_id text not null references role on delete cascade,
  inherited boolean not null default false,
  primary key (actor_id, target_kind, target_id, role_id, inherited, actor_kind)
);
create index role_assignment_target on role_assignment (target_kind, target_id);
create index role_assignment_role on role_assignment (role_id);

create table region (
  id text primary key,
  description text not null default '',
  parent_region_id text references region,
  extra jsonb not null default '{}',
  created_at timestamptz not null default now()
);
create table service (
  id text primary key,
  type text not null,
  name text,
  description text,
  enabled boolean not null default true,
  extra jsonb not null default '{}',
  created_at timestamptz not null default now()
);
create table endpoint (
  id text primary key,
  service_id text not null references service on delete cascade,
  region_id text references region,
  interface text not null check (interface in ('public', 'internal', 'admin')),
  url text not null,
  enabled boolean not null default true,
  name text,
  extra jsonb not null default '{}',
  created_at timestamptz not null default now()
);

-- Single tokens that were revoked, until they would have expired anyway; by audit id.
create table token_revocation (
  audit_id text primary key,
  revoked_at timestamptz not null default now(),
  expires_at timestamptz not null
);
