-- A port is a server's because compute made it so, not because its owner wrote a server's id on it.
alter table port add column attached boolean not null default false;
update port set attached = true
where device_owner like 'compute:%'
  and exists (select 1 from server s where s.id::text = port.device_id and s.project_id = port.project_id);
