-- Where bytes lie, of which class they are, how they are enciphered.
alter table object add column storage_class text not null default 'STANDARD', add column sealed jsonb;
alter table object_version add column storage_class text not null default 'STANDARD', add column sealed jsonb;
-- the class of what is put into it; null: STANDARD
alter table object_container add column storage_class text;
alter table object_blob add column backend text not null default 'disk';
alter table object_garbage add column backend text not null default 'disk';
-- an extent is {blob, size, backend} and, where it is enciphered, {sealed}
update object set extents = (select jsonb_agg(e || '{"backend": "disk"}' order by at)
  from jsonb_array_elements(extents) with ordinality as each (e, at)) where extents is not null;
update object_version set extents = (select jsonb_agg(e || '{"backend": "disk"}' order by at)
  from jsonb_array_elements(extents) with ordinality as each (e, at)) where extents is not null;
