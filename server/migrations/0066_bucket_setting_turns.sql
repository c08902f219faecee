-- When the work that a setting asks for (a lifecycle) was last begun: processes take turns by it.
alter table object_bucket_setting add column ran_at timestamptz;
