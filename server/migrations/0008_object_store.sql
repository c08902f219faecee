-- Accounts, containers and objects. Names are compared as bytes (collation C): that is the order in which both APIs list.
create table object_account (
  region text not null,
  project_id text not null,
  metadata jsonb not null default '{}',
  created_at timestamptz not null default now(),
  primary key (region, project_id)
);

create table object_container (
  id bigint generated always as identity primary key,
  region text not null,
  project_id text not null,
  name text collate "C" not null,
  -- X-Container-Meta-*: lower-case name without the prefix → value
  metadata jsonb not null default '{}',
  read_acl text,
  write_acl text,
  -- enabled, suspended: older versions are kept beside the object; stack, history: in the container `versions_location`
  versions text check (versions in ('enabled', 'suspended', 'stack', 'history')),
  versions_location text,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  unique (region, project_id, name)
);

-- How much a container holds: the sum of its rows. Several rows, so that writers of one container do not wait for each other.
create table object_usage (
  container_id bigint not null references object_container on delete cascade,
  shard smallint not null,
  objects bigint not null,
  bytes bigint not null,
  primary key (container_id, shard)
);

-- The objects that are there now. No foreign key to the container: writers hold a lock that its deletion waits for.
create table object (
  container_id bigint not null,
  name text collate "C" not null,
  -- microseconds since 1970, later for each later version of a name
  version bigint not null,
  size bigint not null,
  etag text not null,
  content_type text not null,
  metadata jsonb not null default '{}',
  -- content-encoding, content-disposition, x-object-manifest and others that are given back as they came
  headers jsonb not null default '{}',
  -- plain: data or extents; slo: the segments in manifest; symlink: the target in manifest
  kind text not null default 'plain' check (kind in ('plain', 'slo', 'symlink')),
  manifest jsonb,
  checksums jsonb not null default '{}',
  delete_at timestamptz,
  modified_at timestamptz not null,
  -- a small object's bytes; else null, and they lie in the blobs of `extents`: [{blob, size}]
  data bytea,
  extents jsonb,
  primary key (container_id, name)
);
alter table object alter column data set storage external;
create index object_expiry on object (delete_at) where delete_at is not null;

-- Older versions, and marks of deletion, of containers that keep them.
create table object_version (
  container_id bigint not null,
  name text collate "C" not null,
  version bigint not null,
  size bigint not null,
  etag text not null,
  content_type text not null,
  metadata jsonb not null default '{}',
  headers jsonb not null default '{}',
  kind text not null default 'plain',
  manifest jsonb,
  checksums jsonb not null default '{}',
  delete_at timestamptz,
  modified_at timestamptz not null,
  data bytea,
  extents jsonb,
  delete_marker boolean not null default false,
  primary key (container_id, name, version)
);
alter table object_version alter column data set storage external;

-- Bytes at the backend that something refers to. A blob without a row is what a killed writer left.
create table object_blob (
  id uuid primary key,
  size bigint not null,
  refs integer not null
);
-- Blobs that nothing refers to any more, until the backend has removed them.
create table object_garbage (
  id uuid primary key,
  since timestamptz not null default now()
);
