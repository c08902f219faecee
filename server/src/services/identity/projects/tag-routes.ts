import { invalid, notFound } from '#lib/fault.ts'
import { reply, type Request } from '#lib/http/route.ts'
import { Compile } from 'typebox/compile'
import { change } from '../change.ts'
import type { Project } from '../model.ts'
import { routeOn } from '../route-on.ts'
import { getProject, maxTags, updateProject } from './model.ts'
import { aboutProject } from './policy.ts'
import { find } from './routes.ts'
import { ReplaceTags, Tag } from './schema.ts'

const tagChecker = Compile(Tag)
const on = { noun: 'Project', find, about: aboutProject } as const

async function setTags(req: Pick<Request, 'db'>, id: string, next: (row: Project) => string[]): Promise<Project> {
  return change(req.db, async (tx) => {
    const row = await getProject(tx, id)
    const tags = next(row)
    if (tags.length > maxTags) invalid(`A project can have ${maxTags} tags and no more.`)
    return updateProject(tx, row, { tags }, {})
  })
}

export const projectTagRoutes = [
  routeOn({
    method: 'GET',
    path: '/projects/:id/tags',
    policy: 'identity:list_project_tags',
    ...on,
    handle: async ({ url }, { tags }) => ({ tags, links: { self: url } }),
  }),
  routeOn({
    method: 'PUT',
    path: '/projects/:id/tags',
    policy: 'identity:update_project_tags',
    body: ReplaceTags,
    ...on,
    async handle(req, { id }) {
      const { tags } = await setTags(req, id, () => req.body.tags)
      return { tags, links: { self: req.url } }
    },
  }),
  routeOn({
    method: 'DELETE',
    path: '/projects/:id/tags',
    policy: 'identity:delete_project_tags',
    ...on,
    async handle(req, { id }) {
      await setTags(req, id, () => [])
    },
  }),
  routeOn({
    method: 'GET',
    path: '/projects/:id/tags/:tag',
    policy: 'identity:get_project_tag',
    ...on,
    async handle({ params }, { tags }) {
      if (!tags.includes(params['tag']!)) notFound('Project tag', params['tag']!)
    },
  }),
  routeOn({
    method: 'PUT',
    path: '/projects/:id/tags/:tag',
    policy: 'identity:create_project_tag',
    ...on,
    async handle(req, { id }) {
      const tag = req.params['tag']!
      const shown = tag.slice(0, 60)
      if (!tagChecker.Check(tag)) invalid(`'${shown}' is not a tag: up to 255 characters, without commas and slashes.`)
      await setTags(req, id, ({ tags }) => [...tags.filter((each) => each !== tag), tag])
      return reply({ status: 201, headers: { location: req.url } })
    },
  }),
  routeOn({
    method: 'DELETE',
    path: '/projects/:id/tags/:tag',
    policy: 'identity:delete_project_tag',
    ...on,
    async handle(req, { id, tags }) {
      const tag = req.params['tag']!
      if (!tags.includes(tag)) notFound('Project tag', tag)
      await setTags(req, id, (row) => row.tags.filter((each) => each !== tag))
    },
  }),
]
