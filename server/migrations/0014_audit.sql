-- The audit trail: one chain of records, each holding the hash of the one before it. Written by the owner of the head row's
-- lock, so that seq is the order of the commits, without gaps.
create table audit_record (
  seq bigint primary key,
  id uuid not null,
  at timestamptz not null,
  service text not null,
  action text not null,
  outcome text not null,
  status integer not null,
  reason text,
  attempts integer not null,
  user_id text,
  initiator_project_id text,
  address text,
  project_id text,
  target_type text not null,
  target_id text,
  region text,
  request_id text,
  details text,
  hash text not null
);
create unique index audit_record_id on audit_record (id);
create index audit_record_project on audit_record (project_id, seq);
create index audit_record_user on audit_record (user_id, seq);
create index audit_record_target on audit_record (target_id, seq) where target_id is not null;
create index audit_record_at on audit_record using brin (at);

-- Where the chain begins (base: the last record that retention took away) and where it ends.
create table audit_head (
  single boolean primary key default true check (single),
  base_seq bigint not null,
  base_hash text not null,
  seq bigint not null,
  hash text not null,
  check (base_seq <= seq)
);
insert into audit_head (base_seq, base_hash, seq, hash) values (0, '', 0, '');

-- Heads as they were from time to time: a second witness of the chain, and what an operator notes elsewhere.
create table audit_anchor (
  seq bigint primary key,
  hash text not null,
  at timestamptz not null default now()
);

-- The only way in which records go: those older than the time, from the beginning of the chain, without a gap. Returns
-- the new base and how many went. The anchors of what is gone go with it.
create function audit_prune(older_than timestamptz) returns table (base_seq bigint, base_hash text, removed bigint)
language plpgsql as $$
declare
  head audit_head;
  through bigint;
  through_hash text;
  gone bigint;
begin
  select * into head from audit_head for update;
  select min(r.seq) - 1 into through from audit_record r where r.at >= older_than;
  through := coalesce(through, head.seq);
  if through <= head.base_seq then return; end if;
  select r.hash into through_hash from audit_record r where r.seq = through;
  if through_hash is null then raise exception 'the audit chain has no record %', through; end if;
  update audit_head h set base_seq = through, base_hash = through_hash;
  delete from audit_record r where r.seq <= through;
  get diagnostics gone = row_count;
  delete from audit_anchor a where a.seq <= through;
  return query select through, through_hash, gone;
end $$;

-- Records and anchors are never changed, and removed by audit_prune alone, which the trigger sees among its callers.
create function audit_refuse() returns trigger language plpgsql as $$
declare
  callers text;
begin
  get diagnostics callers = pg_context;
  if tg_op = 'DELETE' and callers like '%PL/pgSQL function audit_prune(timestamp with time zone) line%' then
    return old;
  end if;
  raise exception 'the audit trail is append-only: % of % is refused', lower(tg_op), tg_table_name
    using errcode = 'insufficient_privilege';
end $$;

create trigger audit_record_append_only before update or delete on audit_record
  for each row execute function audit_refuse();
create trigger audit_record_no_truncate before truncate on audit_record
  for each statement execute function audit_refuse();
create trigger audit_anchor_append_only before update or delete on audit_anchor
  for each row execute function audit_refuse();
create trigger audit_anchor_no_truncate before truncate on audit_anchor
  for each statement execute function audit_refuse();

-- The head goes forward only, its base by audit_prune alone.
create function audit_head_forward() returns trigger language plpgsql as $$
declare
  callers text;
begin
  get diagnostics callers = pg_context;
  if tg_op = 'UPDATE' and new.seq >= old.seq and (new.seq > old.seq or new.hash = old.hash)
     and ((new.base_seq = old.base_seq and new.base_hash = old.base_hash)
          or callers like '%PL/pgSQL function audit_prune(timestamp with time zone) line%') then
    return new;
  end if;
  raise exception 'the head of the audit trail goes forward only'
    using errcode = 'insufficient_privilege';
end $$;
create trigger audit_head_forward before update or delete on audit_head
  for each row execute function audit_head_forward();
create trigger audit_head_no_truncate before truncate on audit_head
  for each statement execute function audit_head_forward();
