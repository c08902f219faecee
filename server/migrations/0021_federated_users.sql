-- Users for whom an identity provider vouches, the groups that a mapping gives them, and how a protocol is spoken.

-- Their names are what the provider says: they belong to nobody else's order, and nobody signs in by them here.
alter table identity_user add column federated boolean not null default false;

create table federated_user (
  user_id text primary key references identity_user on delete cascade,
  provider_id text not null,
  protocol_id text not null,
  -- what the mapping gives as id, or as name
  unique_id text not null,
  foreign key (provider_id, protocol_id) references federation_protocol (provider_id, id) on delete cascade
);
create unique index federated_user_same on federated_user (provider_id, protocol_id, unique_id);

-- Until when a group of the last sign-in counts.
create table federated_membership (
  user_id text not null references identity_user on delete cascade,
  group_id text not null references identity_group on delete cascade,
  expires_at timestamptz not null,
  primary key (user_id, group_id)
);
create unique index federated_membership_group on federated_membership (group_id, user_id);

-- Everybody's groups, however they came to be in them.
create view membership as
  select group_id, user_id from group_member
  union all
  select group_id, user_id from federated_membership where expires_at > now();

-- What this program needs to know to speak the protocol itself; secrets are sealed with the credential key.
alter table federation_protocol
  add column kind text,
  add column settings jsonb,
  add column key_serial integer,
  add column secret bytea;

-- Answers of a provider that were taken: each is good once. Kept until it would be refused for its age.
create table federation_answer (
  id text primary key,
  expires_at timestamptz not null
);
create index federation_answer_age on federation_answer (expires_at);
