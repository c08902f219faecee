-- A name is one user's of a domain, of ours or of a directory's; federated users are called what their provider says.
drop index user_name;
create unique index user_name on identity_user (domain_id, name, coalesce(local_id, '')) where not federated;
