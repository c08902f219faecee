import type { Actor } from '#lib/actor.ts'
import { admin as adminRole, everyone, policies } from '#lib/policy.ts'
import type { Image } from './images/model.ts'

const admin = 'rule:context_is_admin'
const ofProject = 'project_id:%(project_id)s'
const owner = `${admin} or (role:member and ${ofProject})`
const projectReader = `${admin} or (role:reader and ${ofProject})`
const isPublic = "'public':%(visibility)s"
const offered = "'community':%(visibility)s or 'public':%(visibility)s or 'shared':%(visibility)s"
const seenBy = (role: string) =>
  `${admin} or (role:${role} and (${ofProject} or project_id:%(member_id)s or ${offered}))`
const ownerOrMember = `${admin} or (role:reader and (${ofProject} or project_id:%(member_id)s))`

/** Metadata definitions: read by who may know of their namespace, written by administrators. */
function metadefPolicies(): Record<string, string> {
  const read = [
    'get_metadef_namespace',
    'get_metadef_object',
    'get_metadef_objects',
    'list_metadef_resource_types',
    'get_metadef_resource_type',
    'get_metadef_property',
    'get_metadef_properties',
    'get_metadef_tag',
    'get_metadef_tags',
  ]
  const nouns = ['namespace', 'object', 'property', 'tag']
  const write = [
    ...nouns.flatMap((noun) => ['add', 'modify'].map((verb) => `${verb}_metadef_${noun}`)),
    'delete_metadef_namespace',
    'delete_metadef_object',
    'remove_metadef_property',
    'delete_metadef_tag',
    'delete_metadef_tags',
    'add_metadef_tags',
    'add_metadef_resource_type_association',
    'remove_metadef_resource_type_association',
  ]
  const reader = `${admin} or (role:reader and (${ofProject} or ${isPublic}))`
  return {
    metadef_default: everyone,
    metadef_admin: admin,
    get_metadef_namespaces: projectReader,
    ...Object.fromEntries([
      ...read.map((rule) => [rule, reader]),
      ...write.map((rule) => [rule, 'rule:metadef_admin']),
    ]),
  }
}

// Glance's names and defaults; which images a project may know of is decided by the queries as well.
export const imagePolicies = policies({
  context_is_admin: adminRole,
  service_api: 'role:service or role:admin',
  default: everyone,
  add_image: `${admin} or (role:member and ${ofProject} and project_id:%(owner)s)`,
  delete_image: owner,
  get_image: seenBy('reader'),
  get_images: projectReader,
  modify_image: owner,
  publicize_image: admin,
  communitize_image: owner,
  // readers see what an image is, not what is in it
  download_image: seenBy('member'),
  upload_image: owner,
  deactivate: owner,
  reactivate: owner,
  add_member: owner,
  delete_member: owner,
  get_member: ownerOrMember,
  get_members: ownerOrMember,
  modify_member: `${admin} or (role:member and project_id:%(member_id)s)`,
  ...metadefPolicies(),
})

/** What rules are asked about an image that the actor may know of. */
export function aboutImage(
  { projectId, visibility, protected: isProtected }: Pick<Image, 'projectId' | 'visibility' | 'protected'>,
  { actor }: { actor: Pick<Actor, 'projectId' | 'isAdmin'> },
): Record<string, unknown> {
  // what is shared is seen by those it is shared with
  const isMember = visibility === 'shared' && projectId !== actor.projectId && !actor.isAdmin
  return {
    project_id: projectId,
    tenant_id: projectId,
    owner: projectId,
    visibility,
    protected: isProtected,
    ...(isMember && { member_id: actor.projectId }),
  }
}
