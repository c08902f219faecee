-- Where users for whom a provider vouches have a row of their own kind, their names are nobody else's order; 0025 may have
-- been written over that.
do $$
begin
  if exists (select from information_schema.columns where table_name = 'identity_user' and column_name = 'federated') then
    drop index user_name;
    create unique index user_name on identity_user (domain_id, name, coalesce(local_id, '')) where not federated;
  end if;
end $$;
