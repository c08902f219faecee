-- Who is told of what happens to the objects of a bucket: asked at every write, and mostly nobody.
alter table object_container add column notification jsonb;
