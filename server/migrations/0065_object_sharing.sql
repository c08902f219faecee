-- Who else may use a bucket, and what it says about itself.
alter table object_container
  -- policy, access list, public access block, ownership: asked at every request
  add column sharing jsonb,
  -- object lock: {enabled, mode, days}
  add column object_lock jsonb;
-- tags, access list, lock {mode, until, hold} of an object
alter table object add column tags jsonb, add column acl jsonb, add column lock jsonb;
alter table object_version add column tags jsonb, add column acl jsonb, add column lock jsonb;

-- What is seldom asked: lifecycle, cors, website, tags, notification
create table object_bucket_setting (
  container_id bigint not null references object_container on delete cascade,
  kind text not null,
  value jsonb not null,
  updated_at timestamptz not null default now(),
  primary key (container_id, kind)
);
create index object_bucket_setting_kind on object_bucket_setting (kind);

-- Names by which buckets are found from outside their project: whoever came first has it.
create table object_bucket_name (
  region text not null,
  name text collate "C" not null,
  container_id bigint not null references object_container on delete cascade,
  primary key (region, name)
);
create index object_bucket_name_container on object_bucket_name (container_id);
