-- Ids that the sweeper took (refs 0): few, and gone after a day.
create index object_blob_condemned on object_blob (id) where refs = 0;
