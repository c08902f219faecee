-- Who has room for what. A host is a root provider; what it gives away are allocations, each of a consumer (a server).

create table resource_provider (
  id uuid primary key,
  region text not null,
  name text not null,
  parent_id uuid references resource_provider,
  root_id uuid not null references resource_provider,
  -- Raised by every change of the provider, its inventories or its allocations: who writes them holds this row's lock.
  generation integer not null default 0,
  -- Hosts take machines; other providers are there for those who made them.
  is_host boolean not null default false,
  enabled boolean not null default true,
  disabled_reason text,
  traits text[] not null default '{}',
  -- The part of traits that the host itself last reported; the rest was added by operators and stays.
  reported_traits text[] not null default '{}',
  aggregates uuid[] not null default '{}',
  -- The transaction that last changed the row: readers ask for what is newer than their last snapshot.
  changed xid8 not null default pg_current_xact_id(),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  unique (region, name)
);
create index resource_provider_changed on resource_provider (region, changed);
create index resource_provider_root on resource_provider (root_id);
create index resource_provider_parent on resource_provider (parent_id);

create function note_provider_change() returns trigger language plpgsql as $$
begin
  new.changed := pg_current_xact_id();
  return new;
end $$;
create trigger resource_provider_changes before update on resource_provider
  for each row execute function note_provider_change();

-- How many providers have gone: what a reader of changes alone would not see.
create table provider_removals (
  region text primary key,
  removals bigint not null default 0
);
create function note_provider_removal() returns trigger language plpgsql as $$
begin
  insert into provider_removals (region, removals) values (old.region, 1)
    on conflict (region) do update set removals = provider_removals.removals + 1;
  return old;
end $$;
create trigger resource_provider_removal after delete on resource_provider
  for each row execute function note_provider_removal();

create table inventory (
  provider_id uuid not null references resource_provider on delete cascade,
  resource_class text not null,
  total integer not null check (total >= 0),
  reserved integer not null default 0 check (reserved >= 0),
  min_unit integer not null default 1,
  max_unit integer not null default 2147483647,
  step_size integer not null default 1 check (step_size > 0),
  allocation_ratio double precision not null default 1,
  -- The sum of the allocations below; kept here so that a claim is one conditional update.
  used bigint not null default 0 check (used >= 0),
  primary key (provider_id, resource_class)
) with (fillfactor = 80);

-- Exists exactly as long as it has allocations.
create table consumer (
  id uuid primary key,
  region text not null,
  project_id text not null,
  user_id text not null,
  type text,
  -- Raised by every change of its allocations; the first one makes it 1.
  generation integer not null default 1,
  created_at timestamptz not null default now()
);
create index consumer_of_project on consumer (region, project_id, user_id);

create table allocation (
  consumer_id uuid not null references consumer,
  provider_id uuid not null references resource_provider,
  resource_class text not null,
  used integer not null check (used > 0),
  primary key (consumer_id, provider_id, resource_class)
);
create index allocation_of_provider on allocation (provider_id);

-- Names that operators added or hosts reported; the standard ones are part of the program.
create table custom_trait (
  region text not null,
  name text not null,
  created_at timestamptz not null default now(),
  primary key (region, name)
);
create table custom_resource_class (
  region text not null,
  name text not null,
  created_at timestamptz not null default now(),
  primary key (region, name)
);
