-- S3's null versions: written while the container kept no versions (or did so no longer). There is one of a name at most.
alter table object add column unversioned boolean not null default false;
alter table object_version add column unversioned boolean not null default false;
update object set unversioned = true
  from object_container c where c.id = object.container_id and c.versions is distinct from 'enabled';

-- Uploads in parts that are not completed. No foreign key to the container: what removes it gives back the bytes too.
create table object_upload (
  id uuid primary key,
  container_id bigint not null,
  name text collate "C" not null,
  -- who began it: a user's id
  initiator text not null,
  -- what the object is to be besides its bytes: content type, metadata, headers
  facts jsonb not null,
  storage_class text not null,
  -- algorithm and type, where the client wants a checksum kept
  checksum jsonb,
  sealed jsonb,
  created_at timestamptz not null default now()
);
create index object_upload_by_name on object_upload (container_id, name, id);

-- Parts that are there. Their blobs are held in object_blob, as those of objects are.
create table object_part (
  upload_id uuid not null references object_upload,
  number integer not null,
  size bigint not null,
  etag text not null,
  checksums jsonb not null default '{}',
  extents jsonb not null,
  modified_at timestamptz not null default now(),
  primary key (upload_id, number)
);
