-- Keys under which the data keys of objects are kept, each in versions; the versions are sealed with the key ring 'object'
-- (table secret). storage: the deployment's, one for each project; default: what SSE-KMS takes where no key is named;
-- named: made by the project.
create table object_key (
  id uuid primary key,
  region text not null,
  project_id text not null,
  purpose text not null check (purpose in ('storage', 'default', 'named')),
  name text not null,
  description text not null default '',
  enabled boolean not null default true,
  -- not usable any more, and destroyed then
  delete_at timestamptz,
  created_at timestamptz not null default now(),
  unique (region, project_id, name)
);
create index object_key_deletion on object_key (delete_at) where delete_at is not null;

create table object_key_version (
  key_id uuid not null references object_key on delete cascade,
  version integer not null,
  ring_serial integer not null,
  sealed bytea not null,
  created_at timestamptz not null default now(),
  -- nothing refers to it since then; removed by the change of keys after the next hour
  retired_at timestamptz,
  primary key (key_id, version)
);

-- How far the data keys have been wrapped anew after a change of keys; a row for each that is under way.
create table object_key_renewal (
  ring_serial integer primary key,
  source text not null,
  container_id bigint not null,
  name text collate "C" not null,
  version bigint not null
);

-- What a bucket encrypts with where a request says nothing: {mode, keyId?}; null: what the deployment does.
alter table object_container add column encryption jsonb;
