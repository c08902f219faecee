-- What makes identity strict: sign-ins that failed, one by one for each address; policies of endpoints; OAuth 1.0a.

-- Failed sign-ins from an address; `count` sinks with time (the query that adds to it says how).
create table sign_in_failure (
  address text primary key,
  count double precision not null,
  failed_at timestamptz not null
);
create index sign_in_failure_age on sign_in_failure (failed_at);

-- '' stands for what an association does not name.
create table policy_association (
  policy_id text not null references policy_blob on delete cascade,
  endpoint_id text not null default '',
  service_id text not null default '',
  region_id text not null default '',
  primary key (endpoint_id, service_id, region_id)
);
create index policy_association_of_policy on policy_association (policy_id);

-- Secrets are sealed with the credential key, as credentials are.
create table oauth_consumer (
  id text primary key,
  description text,
  key_serial integer not null,
  secret bytea not null,
  extra jsonb not null default '{}',
  created_at timestamptz not null default now()
);
create table oauth_request_token (
  id text primary key,
  consumer_id text not null references oauth_consumer on delete cascade,
  key_serial integer not null,
  secret bytea not null,
  project_id text not null references project on delete cascade,
  -- set when a user authorizes it
  user_id text references identity_user on delete cascade,
  role_ids text[],
  verifier text,
  expires_at timestamptz,
  created_at timestamptz not null default now()
);
create table oauth_access_token (
  id text primary key,
  consumer_id text not null references oauth_consumer on delete cascade,
  key_serial integer not null,
  secret bytea not null,
  project_id text not null references project on delete cascade,
  user_id text not null references identity_user on delete cascade,
  role_ids text[] not null,
  expires_at timestamptz,
  created_at timestamptz not null default now()
);
create index oauth_access_token_of_user on oauth_access_token (user_id);
-- A nonce is good once; it is kept as long as its timestamp is accepted.
create table oauth_nonce (
  consumer_id text not null,
  token text not null,
  nonce text not null,
  used_at timestamptz not null default now(),
  primary key (consumer_id, token, nonce)
);
create index oauth_nonce_age on oauth_nonce (used_at);
