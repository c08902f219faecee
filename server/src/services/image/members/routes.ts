import { Type } from 'typebox'
import { isoSeconds } from '#lib/db.ts'
import { forbidden, notFound } from '#lib/fault.ts'
import { type Request, route } from '#lib/http/route.ts'
import { view } from '#lib/view.ts'
import type { Image, ImageMember } from '../images/model.ts'
import { imageOf } from '../images/routes.ts'
import { aboutImage } from '../policy.ts'
import { addMember, getMember, listMembers, removeMember, setMemberStatus } from './model.ts'

const memberView = view<ImageMember>(['member', 'members'], {
  image_id: (m) => m.imageId,
  member_id: (m) => m.member,
  status: (m) => m.status,
  created_at: (m) => isoSeconds(m.createdAt),
  updated_at: (m) => isoSeconds(m.updatedAt),
  schema: () => '/v2/schemas/member',
})

const isOwner = (req: Request, image: Image) => req.actor.isAdmin || image.projectId === req.actor.projectId
const requireShared = (image: Image) => {
  if (image.visibility !== 'shared') forbidden('Only shared images have members.')
}

export const memberRoutes = [
  route({
    method: 'POST',
    path: '/images/:id/members',
    policy: 'add_member',
    body: Type.Object({ member: Type.String({ minLength: 1, maxLength: 255 }) }),
    target: imageOf,
    policyTarget: aboutImage,
    async handle(req, image) {
      requireShared(image)
      return memberView.item(await req.db.transaction((tx) => addMember(tx, image.id, req.body.member)), req.view)
    },
  }),
  route({
    method: 'GET',
    path: '/images/:id/members',
    policy: 'get_members',
    target: imageOf,
    policyTarget: aboutImage,
    async handle(req, image) {
      if (image.visibility !== 'shared') notFound('Members of image', image.id)
      const all = await listMembers(req.db, image.id)
      // a member sees only itself
      const shown = isOwner(req, image) ? all : all.filter(({ member }) => member === req.actor.projectId)
      return memberView.list(shown, req.view, { schema: '/v2/schemas/members' })
    },
  }),
  route({
    method: 'GET',
    path: '/images/:id/members/:member',
    policy: 'get_member',
    target: imageOf,
    policyTarget: aboutImage,
    async handle(req, image) {
      const member = req.params['member'] ?? ''
      if (!isOwner(req, image) && member !== req.actor.projectId) notFound('Member', member)
      return memberView.item(await getMember(req.db, image.id, member), req.view)
    },
  }),
  route({
    method: 'PUT',
    path: '/images/:id/members/:member',
    policy: 'modify_member',
    body: Type.Object({ status: Type.Enum(['pending', 'accepted', 'rejected']) }),
    target: imageOf,
    // whether to take an image is for the one it is offered to, not for its owner
    policyTarget: (image, req) => ({ ...aboutImage(image, req), member_id: req.params['member'] }),
    async handle(req, image) {
      const member = req.params['member'] ?? ''
      requireShared(image)
      return memberView.item(
        await req.db.transaction((tx) => setMemberStatus(tx, image.id, member, req.body.status)),
        req.view,
      )
    },
  }),
  route({
    method: 'DELETE',
    path: '/images/:id/members/:member',
    policy: 'delete_member',
    target: imageOf,
    policyTarget: aboutImage,
    async handle(req, image) {
      requireShared(image)
      await req.db.transaction((tx) => removeMember(tx, image.id, req.params['member'] ?? ''))
    },
  }),
]
