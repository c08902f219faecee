import { everyone, policies } from '#lib/policy.ts'

const owner = 'role:admin or (role:member and project_id:%(project_id)s)'
const viewer = 'role:admin or role:reader'

/** Metadata definitions: read by all, written by administrators, as Glance's defaults have it. */
function metadefPolicies(): Record<string, string> {
  const read = [
    'get_metadef_namespace',
    'get_metadef_namespaces',
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
    ...nouns.flatMap((noun) => ['add', 'modify', 'delete'].map((verb) => `${verb}_metadef_${noun}`)),
    'add_metadef_tags',
    'add_metadef_resource_type_association',
    'remove_metadef_resource_type_association',
  ]
  return Object.fromEntries([...read.map((rule) => [rule, viewer]), ...write.map((rule) => [rule, 'role:admin'])])
}

export const imagePolicies = policies({
  context_is_admin: 'role:admin',
  default: everyone,
  add_image: owner,
  delete_image: owner,
  get_image: viewer,
  get_images: viewer,
  modify_image: owner,
  publicize_image: 'role:admin',
  communitize_image: owner,
  // readers see what an image is, not what is in it
  download_image: 'role:admin or role:member',
  upload_image: owner,
  stage_image: owner,
  import_image: owner,
  deactivate: owner,
  reactivate: owner,
  add_member: owner,
  delete_member: owner,
  get_member: 'role:admin or role:reader',
  get_members: 'role:admin or role:reader',
  modify_member: 'role:admin or role:member',
  get_task: 'role:admin or role:reader',
  ...metadefPolicies(),
})
