-- Users and groups that a directory (LDAP) keeps have a row here as well, as they were last seen there, so that roles,
-- tokens, trusts and credentials refer to them as to any other. local_id is the directory's own id of them; the public id
-- is computed from it (Keystone's id mapping). One that the directory no longer has is `gone`, and keeps what it was given.
alter table identity_user
  add column local_id text,
  add column seen_at timestamptz,
  add column gone boolean not null default false;
alter table identity_group
  add column local_id text,
  add column seen_at timestamptz,
  add column gone boolean not null default false;

-- A directory may give a name again, while the one who had it before is not forgotten.
drop index user_name;
create unique index user_name on identity_user (domain_id, name, coalesce(local_id, ''));
drop index group_name;
create unique index group_name on identity_group (domain_id, name, coalesce(local_id, ''));
