-- What every service builds on: tasks, events, quotas, secrets of the cloud itself.

-- Everything that takes time. One unfinished task for each key (a resource).
create table task (
  id uuid primary key,
  kind text not null,
  key text not null,
  region text not null,
  project_id text,
  user_id text,
  request_id text,
  input jsonb not null,
  step text not null,
  state text not null default 'queued' check (state in ('queued', 'running', 'done', 'failed', 'cancelled')),
  run_at timestamptz not null default now(),
  attempt integer not null default 0,
  owner bigint,
  lease_until timestamptz,
  epoch integer not null default 0,
  -- wishes that arrive while a step runs: raised by wakeTask, seen when the step goes to sleep
  wakes integer not null default 0,
  -- what takes over as soon as the running step has ended: {kind, input, step, deadline}
  successor jsonb,
  error text,
  deadline_at timestamptz not null,
  created_at timestamptz not null default now(),
  finished_at timestamptz
);
create unique index task_unfinished on task (key) where finished_at is null;
create index task_due on task (run_at) where state = 'queued';
create index task_owned on task (owner) where state = 'running';
create index task_of_project on task (project_id, created_at desc, id desc);
create index task_of_key on task (key, created_at desc);

-- The journal: one row for each attempt at a step that ended in something worth telling.
create table task_step (
  task_id uuid not null references task on delete cascade,
  n integer not null,
  name text not null,
  state text not null check (state in ('done', 'retried', 'failed', 'cancelled')),
  attempts integer not null,
  error text,
  started_at timestamptz not null,
  finished_at timestamptz not null default now(),
  primary key (task_id, n)
);

create sequence task_worker;

-- The outbox: what happened, in the transaction that made it so.
create table event (
  id bigint generated always as identity primary key,
  at timestamptz not null default now(),
  type text not null,
  region text,
  project_id text,
  user_id text,
  request_id text,
  resource_id text,
  payload jsonb not null
);
create index event_of_resource on event (resource_id, id desc);
create index event_of_project on event (project_id, id desc);

-- Limits that differ from the default. project_id '' holds the defaults that an operator changed (the "default" class).
create table quota (
  service text not null,
  region text not null,
  project_id text not null,
  resource text not null,
  hard_limit bigint not null,
  primary key (service, region, project_id, resource)
);

-- Keys and other secrets of the cloud itself (token keys, the server's signing key).
create table secret (
  name text not null,
  serial integer not null,
  value bytea not null,
  created_at timestamptz not null default now(),
  primary key (name, serial)
);
