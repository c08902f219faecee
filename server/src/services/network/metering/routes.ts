import { type Static, Type } from 'typebox'
import { and, eq, inArray, or, type SQL, sql } from '#lib/db.ts'
import { conflict, invalid, notFound } from '#lib/fault.ts'
import { reply, type Request, route } from '#lib/http/route.ts'
import { nullable, strict } from '#lib/http/schema.ts'
import { newId } from '#lib/id.ts'
import { view } from '#lib/view.ts'
import { cidrOf, formatCidr, overlaps, parseCidr } from '../addresses.ts'
import { meteringLabel, type MeteringLabel, meteringLabelRule, type MeteringLabelRule } from '../model.ts'
import { aboutProject } from '../policy.ts'
import { asked, askerOf, ownerOf } from '../rest/body.ts'
import { Bool, Description, Id, maybeTruth, Name, owner, ownerShown } from '../rest/fields.ts'
import { type Filters, pick } from '../rest/filters.ts'
import { listRows } from '../rest/list.ts'
import { oneOrMany } from '../rest/schema.ts'

const LabelCreate = strict({
  ...owner,
  name: Type.Optional(Name),
  description: Type.Optional(Description),
  shared: Type.Optional(Bool),
})
type LabelCreate = Static<typeof LabelCreate>
const Prefix = Type.Optional(nullable(Type.String({ maxLength: 64 })))
const RuleCreate = strict({
  ...owner,
  metering_label_id: Id,
  direction: Type.Optional(Type.Enum(['ingress', 'egress'])),
  excluded: Type.Optional(Bool),
  remote_ip_prefix: Prefix,
  source_ip_prefix: Prefix,
  destination_ip_prefix: Prefix,
})
type RuleCreate = Static<typeof RuleCreate>

const labelView = view<MeteringLabel>(['metering_label', 'metering_labels'], {
  id: (l) => l.id,
  name: (l) => l.name,
  description: (l) => l.description,
  shared: (l) => l.shared,
  ...ownerShown,
})
const ruleView = view<MeteringLabelRule>(['metering_label_rule', 'metering_label_rules'], {
  id: (r) => r.id,
  metering_label_id: (r) => r.labelId,
  direction: (r) => r.direction,
  excluded: (r) => r.excluded,
  remote_ip_prefix: (r) => r.remoteCidr,
  source_ip_prefix: (r) => r.sourceCidr,
  destination_ip_prefix: (r) => r.destinationCidr,
})
const labelFilters: Filters = {
  id: meteringLabel.id,
  name: meteringLabel.name,
  description: meteringLabel.description,
  shared: meteringLabel.shared,
  project_id: meteringLabel.projectId,
  tenant_id: meteringLabel.projectId,
}
const ruleFilters: Filters = {
  id: meteringLabelRule.id,
  metering_label_id: meteringLabelRule.labelId,
  direction: meteringLabelRule.direction,
  excluded: meteringLabelRule.excluded,
  remote_ip_prefix: meteringLabelRule.remoteCidr,
  source_ip_prefix: meteringLabelRule.sourceCidr,
  destination_ip_prefix: meteringLabelRule.destinationCidr,
}

/** The project's own labels and those shared with all; an administrator's are all of them. */
function labelsFor(req: Request): SQL | undefined {
  const { isAdmin, projectId } = askerOf(req)
  return and(
    eq(meteringLabel.region, req.region),
    isAdmin ? undefined : or(eq(meteringLabel.projectId, projectId), meteringLabel.shared),
  )
}
const ofSuchLabels = (req: Request): SQL =>
  inArray(meteringLabelRule.labelId, req.db.select({ id: meteringLabel.id }).from(meteringLabel).where(labelsFor(req)))

async function getLabel(req: Request, id: string): Promise<MeteringLabel> {
  const [found] = await req.db
    .select()
    .from(meteringLabel)
    .where(and(labelsFor(req), eq(meteringLabel.id, id)))
  return found ?? notFound('Metering Label', id)
}

/** A rule is its label's owner's. */
interface Owned {
  rule: MeteringLabelRule
  projectId: string
}
async function getRule(req: Request): Promise<Owned> {
  const [found] = await req.db
    .select({ rule: meteringLabelRule, projectId: meteringLabel.projectId })
    .from(meteringLabelRule)
    .innerJoin(meteringLabel, eq(meteringLabel.id, meteringLabelRule.labelId))
    .where(and(labelsFor(req), eq(meteringLabelRule.id, req.params['id']!)))
  return found ?? notFound('Metering Label Rule', req.params['id']!)
}

function prefixOf(text: string | null | undefined): string | null {
  if (text == null) return null
  const cidr = parseCidr(text)
  return cidr ? formatCidr(cidr) : invalid(`'${text}' is not a valid CIDR.`, { code: 'InvalidInput' })
}

async function newRule(req: Request, body: RuleCreate) {
  const label = await getLabel(req, body.metering_label_id)
  req.require('create_metering_label_rule', aboutProject(label.projectId))
  const remoteCidr = prefixOf(body.remote_ip_prefix)
  const sourceCidr = prefixOf(body.source_ip_prefix)
  const destinationCidr = prefixOf(body.destination_ip_prefix)
  if (remoteCidr === null && sourceCidr === null && destinationCidr === null)
    invalid('Invalid metering rule: at least one of the prefixes is needed.', { code: 'BadRequest' })
  if (remoteCidr !== null && (sourceCidr !== null || destinationCidr !== null))
    invalid('Invalid metering rule: remote_ip_prefix cannot stand beside the other prefixes.', { code: 'BadRequest' })
  return {
    id: newId(),
    region: req.region,
    labelId: label.id,
    direction: body.direction ?? ('ingress' as const),
    excluded: maybeTruth(body.excluded) ?? false,
    remoteCidr,
    sourceCidr,
    destinationCidr,
  }
}

export const meteringRoutes = [
  route({
    method: 'GET',
    path: '/metering/metering-labels',
    policy: 'get_metering_label',
    async handle(req) {
      const { rows, links } = await listRows(req, meteringLabel, labelFilters, labelsFor(req))
      return {
        metering_labels: rows.map((row) => pick(req.query, labelView.item(row, req.view))),
        ...(links && { metering_labels_links: links }),
      }
    },
  }),
  route({
    method: 'POST',
    path: '/metering/metering-labels',
    policy: 'create_metering_label',
    body: oneOrMany('metering_label', 'metering_labels', LabelCreate),
    status: 201,
    async handle(req) {
      const { items, bulk } = asked<LabelCreate>(req.body, 'metering_label', 'metering_labels')
      const specs = items.map((item) => ({
        id: newId(),
        region: req.region,
        projectId: ownerOf(req, item),
        name: item.name ?? '',
        description: item.description ?? '',
        shared: maybeTruth(item.shared) ?? false,
      }))
      const rows = await req.db.transaction((tx) => tx.insert(meteringLabel).values(specs).returning())
      return bulk ? labelView.list(rows, req.view) : labelView.show(rows[0]!, req.view)
    },
  }),
  route({
    method: 'GET',
    path: '/metering/metering-labels/:id',
    policy: 'get_metering_label',
    target: (req) => getLabel(req, req.params['id']!),
    handle: async (req, found) => ({ metering_label: pick(req.query, labelView.item(found, req.view)) }),
  }),
  route({
    method: 'DELETE',
    path: '/metering/metering-labels/:id',
    policy: 'delete_metering_label',
    target: (req) => getLabel(req, req.params['id']!),
    async handle(req, found) {
      await req.db.transaction((tx) => tx.delete(meteringLabel).where(eq(meteringLabel.id, found.id)))
      return reply({ status: 204 })
    },
  }),
  route({
    method: 'GET',
    path: '/metering/metering-label-rules',
    policy: 'get_metering_label_rule',
    async handle(req) {
      const { rows, links } = await listRows(req, meteringLabelRule, ruleFilters, ofSuchLabels(req))
      return {
        metering_label_rules: rows.map((row) => pick(req.query, ruleView.item(row, req.view))),
        ...(links && { metering_label_rules_links: links }),
      }
    },
  }),
  route({
    method: 'POST',
    path: '/metering/metering-label-rules',
    policy: 'create_metering_label_rule',
    body: oneOrMany('metering_label_rule', 'metering_label_rules', RuleCreate),
    status: 201,
    async handle(req) {
      const { items, bulk } = asked<RuleCreate>(req.body, 'metering_label_rule', 'metering_label_rules')
      const specs: Awaited<ReturnType<typeof newRule>>[] = []
      for (const item of items) specs.push(await newRule(req, item))
      const rows = await req.db.transaction(async (tx) => {
        const made: MeteringLabelRule[] = []
        for (const spec of specs) {
          await tx.rows(sql`select 1 from metering_label where id = ${spec.labelId} for no key update`)
          const others = await tx
            .select()
            .from(meteringLabelRule)
            .where(and(eq(meteringLabelRule.labelId, spec.labelId), eq(meteringLabelRule.direction, spec.direction)))
          const { remoteCidr } = spec
          if (remoteCidr !== null)
            for (const other of others)
              if (other.remoteCidr !== null && overlaps(cidrOf(other.remoteCidr), cidrOf(remoteCidr)))
                conflict(`Label Rule with remote_ip_prefix ${remoteCidr} overlaps another.`, {
                  code: 'MeteringLabelRuleOverlaps',
                })
          made.push(...(await tx.insert(meteringLabelRule).values(spec).returning()))
        }
        return made
      })
      return bulk ? ruleView.list(rows, req.view) : ruleView.show(rows[0]!, req.view)
    },
  }),
  route({
    method: 'GET',
    path: '/metering/metering-label-rules/:id',
    policy: 'get_metering_label_rule',
    target: getRule,
    handle: async (req, { rule: found }) => ({ metering_label_rule: pick(req.query, ruleView.item(found, req.view)) }),
  }),
  route({
    method: 'DELETE',
    path: '/metering/metering-label-rules/:id',
    policy: 'delete_metering_label_rule',
    target: getRule,
    async handle(req, { rule: found }) {
      await req.db.transaction((tx) => tx.delete(meteringLabelRule).where(eq(meteringLabelRule.id, found.id)))
      return reply({ status: 204 })
    },
  }),
]
