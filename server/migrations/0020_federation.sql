-- Federation: who may vouch for users (identity providers), by which protocol, and what becomes of what they say (mappings);
-- and the clouds to which users of this one may go (service providers).

create table identity_provider (
  id text primary key,
  -- where its users are
  domain_id text not null references project,
  enabled boolean not null,
  description text,
  -- how long a group of a mapping lasts, in minutes; null: as long as the token
  authorization_ttl integer,
  created_at timestamptz not null default now()
);
create index identity_provider_domain on identity_provider (domain_id);
-- The names by which providers call themselves; one name means one provider.
create table identity_provider_remote_id (
  remote_id text primary key,
  provider_id text not null references identity_provider on delete cascade
);
create index identity_provider_remote_id_provider on identity_provider_remote_id (provider_id);

create table federation_mapping (
  id text primary key,
  rules jsonb not null,
  schema_version text not null,
  created_at timestamptz not null default now()
);

create table federation_protocol (
  provider_id text not null references identity_provider on delete cascade,
  id text not null,
  -- a mapping may be deleted while it is in use: then nobody signs in by it
  mapping_id text not null,
  remote_id_attribute text,
  created_at timestamptz not null default now(),
  primary key (provider_id, id)
);

create table service_provider (
  id text primary key,
  auth_url text not null,
  sp_url text not null,
  enabled boolean not null,
  description text,
  relay_state_prefix text not null,
  created_at timestamptz not null default now()
);
