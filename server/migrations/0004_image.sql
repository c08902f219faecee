create table image (
  id uuid primary key,
  region text not null,
  project_id text,
  name text,
  status text not null check (status in ('queued', 'saving', 'uploading', 'importing', 'active', 'deactivated', 'killed')),
  visibility text not null default 'shared' check (visibility in ('public', 'private', 'shared', 'community')),
  disk_format text,
  container_format text,
  -- what the bytes were found to be, whatever was declared
  found_format text,
  size bigint,
  virtual_size bigint,
  checksum text,
  sha512 text,
  min_disk integer not null default 0,
  min_ram integer not null default 0,
  protected boolean not null default false,
  hidden boolean not null default false,
  tags text[] not null default '{}',
  properties jsonb not null default '{}',
  -- the name of the file that holds the data; another upload gets another name
  file text,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create index image_list on image (region, created_at desc, id desc);
create index image_of_project on image (project_id);

create table image_member (
  image_id uuid not null references image on delete cascade,
  member text not null,
  status text not null default 'pending' check (status in ('pending', 'accepted', 'rejected')),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (image_id, member)
);
create index image_member_project on image_member (member);

-- Metadata definitions: what properties mean, for dashboards to offer.
create table metadef_namespace (
  id uuid primary key,
  region text not null,
  namespace text not null,
  display_name text,
  description text,
  visibility text not null default 'private' check (visibility in ('public', 'private')),
  protected boolean not null default false,
  owner text not null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  unique (region, namespace)
);
-- Objects, properties and tags of a namespace; body is what is shown beside the name.
create table metadef_item (
  namespace_id uuid not null references metadef_namespace on delete cascade,
  kind text not null check (kind in ('object', 'property', 'tag')),
  name text not null,
  body jsonb not null default '{}',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (namespace_id, kind, name)
);
create table metadef_resource_type (
  name text primary key,
  protected boolean not null default false,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
insert into metadef_resource_type (name, protected) values
  ('OS::Glance::Image', true), ('OS::Cinder::Volume', true), ('OS::Nova::Flavor', true),
  ('OS::Nova::Aggregate', true), ('OS::Nova::Server', true), ('OS::Trove::Instance', true);
create table metadef_association (
  namespace_id uuid not null references metadef_namespace on delete cascade,
  resource_type text not null references metadef_resource_type on delete cascade,
  prefix text,
  properties_target text,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (namespace_id, resource_type)
);
