-- Role assignments in each order in which they are paged, so that a page is a range of an index wherever its marker stands.
drop index role_assignment_target;
create index role_assignment_target on role_assignment (target_id, target_kind, actor_id, role_id, inherited, actor_kind);
drop index role_assignment_role;
create index role_assignment_role on role_assignment (role_id, actor_id, target_kind, target_id, inherited, actor_kind);
create index role_assignment_inherited on role_assignment (actor_id, target_kind, target_id, role_id, inherited, actor_kind)
  where inherited;

-- The projects of a domain, page by page; users and projects by a name that may be there in any domain.
create index project_of_domain on project (domain_id, id);
create index project_named on project (name);
create index user_named on identity_user (name);
create index user_of_domain on identity_user (domain_id, id);
create index user_email on identity_user (email) where email is not null;
create index group_named on identity_group (name);
create index group_of_domain on identity_group (domain_id, id);

-- What goes with a project or a user is found without reading all there is.
create index credential_of_project on credential (project_id) where project_id is not null;
create index application_credential_of_project on application_credential (project_id);
create index trust_of_project on trust (project_id) where project_id is not null;
create index trust_redelegated on trust (redelegated_trust_id) where redelegated_trust_id is not null;
create index implied_role_implied on implied_role (implied_role_id);
