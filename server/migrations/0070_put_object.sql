-- Keeps other writers of this name, and the deletion of its container, away until the transaction ends.
create function lock_object(container bigint, name text) returns void language plpgsql as $$
begin
  perform pg_advisory_xact_lock_shared(7004, container::int), pg_advisory_xact_lock(7005, hashtext(container || '/' || name));
end $$;

-- An object becomes visible: its row, and what its container holds by it. One call is one transaction or part of one; each
-- statement in here sees what was committed before the lock was there. Answers the object's version and the extents that
-- nothing refers to any more; no version where nothing was done: the container is gone or, unless `over_anything` says that the
-- caller has seen to these, what was there holds blobs, or the container keeps versions or tells others.
create function put_object(
  container bigint, name text, size bigint, etag text, content_type text, metadata jsonb, headers jsonb, kind text,
  manifest jsonb, checksums jsonb, delete_at timestamptz, data bytea, extents jsonb, storage_class text, sealed jsonb,
  tags jsonb, acl jsonb, lock jsonb, unversioned boolean, over_anything boolean, usage_shard smallint,
  out made_version bigint, out old_extents jsonb
) language plpgsql as $$
#variable_conflict use_column
declare
  old record;
  -- the bytes of a static large object count where its segments lie
  billed bigint := case when kind = 'slo' then 0 else size end;
begin
  perform lock_object(container, name);
  if not exists (select from object_container c where c.id = container
      and (over_anything or (c.versions is null and c.notification is null))) then
    return;
  end if;
  select o.version, o.extents, case when o.kind = 'slo' then 0 else o.size end as billed into old
    from object o where o.container_id = container and o.name = put_object.name;
  if old.extents is not null and not over_anything then
    return;
  end if;
  made_version := greatest((extract(epoch from clock_timestamp()) * 1000000)::bigint, old.version + 1);
  old_extents := old.extents;
  insert into object (container_id, name, version, size, etag, content_type, metadata, headers, kind, manifest, checksums,
    delete_at, modified_at, data, extents, storage_class, sealed, tags, acl, lock, unversioned)
  values (container, name, made_version, size, etag, content_type, metadata, headers, kind, manifest, checksums,
    delete_at, to_timestamp(made_version / 1000000.0), data, extents, storage_class, sealed, tags, acl, lock, unversioned)
  on conflict (container_id, name) do update set version = excluded.version, size = excluded.size,
    etag = excluded.etag, content_type = excluded.content_type, metadata = excluded.metadata,
    headers = excluded.headers, kind = excluded.kind, manifest = excluded.manifest,
    checksums = excluded.checksums, delete_at = excluded.delete_at, modified_at = excluded.modified_at,
    data = excluded.data, extents = excluded.extents, storage_class = excluded.storage_class,
    sealed = excluded.sealed, tags = excluded.tags, acl = excluded.acl, lock = excluded.lock,
    unversioned = excluded.unversioned;
  insert into object_usage (container_id, shard, objects, bytes)
  values (container, usage_shard, case when old.version is null then 1 else 0 end, billed - coalesce(old.billed, 0))
  on conflict (container_id, shard) do update set objects = object_usage.objects + excluded.objects,
    bytes = object_usage.bytes + excluded.bytes;
end $$;
