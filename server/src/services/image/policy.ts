import { everyone, policies } from '#lib/policy.ts'

const owner = 'role:admin or (role:member and project_id:%(project_id)s)'
const viewer = 'role:admin or role:reader'

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
  download_image: 'role:admin or role:member or role:reader',
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
})
