-- What was asked of the object store, by the hour: what bills are made of. Written every few seconds by each process.
create table object_request_use (
  region text not null,
  project_id text not null,
  container text collate "C" not null, -- '' for requests about the account
  hour timestamptz not null,
  operation text not null,
  requests bigint not null,
  bytes_in bigint not null,
  bytes_out bigint not null,
  primary key (region, project_id, container, hour, operation)
);
create index object_request_use_hour on object_request_use (hour);
