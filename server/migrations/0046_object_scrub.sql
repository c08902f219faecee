-- How far the reading of everything has come, and who does it.
create table object_scrub (
  -- a backend's name, or that and ' fill'
  pass text primary key,
  owner uuid not null,
  leased_until timestamptz not null,
  -- the last blob that was looked at
  at uuid not null default '00000000-0000-0000-0000-000000000000',
  round_ended_at timestamptz
);
-- Blobs without a good copy: gone with the blob, or when a good copy is found again.
create table object_damage (
  blob uuid primary key references object_blob on delete cascade,
  backend text not null,
  problem text not null check (problem in ('missing', 'corrupt')),
  found_at timestamptz not null default now()
);
