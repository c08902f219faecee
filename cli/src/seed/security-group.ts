import { Refused, request, type Session } from '../cloud/session.ts'

const openings = [
  { ethertype: 'IPv4', protocol: 'tcp', port_range_min: 22, port_range_max: 22 },
  { ethertype: 'IPv6', protocol: 'tcp', port_range_min: 22, port_range_max: 22 },
  { ethertype: 'IPv4', protocol: 'icmp' },
  { ethertype: 'IPv6', protocol: 'ipv6-icmp' },
]

/** Lets ssh and ping into the machines of the admin's own project, so that its first machine can be reached. */
export async function openDefaultGroup(session: Session): Promise<void> {
  const network = session.endpoint('network')
  // The first request that concerns a project's security groups makes its default one.
  const query = `name=default&project_id=${session.projectId}`
  const { security_groups: groups } = await request<{ security_groups: { id: string }[] }>(
    session,
    'GET',
    `${network}/security-groups?${query}`,
  )
  const group = groups[0]
  if (group === undefined) throw new Error('the project has no default security group')
  for (const opening of openings) {
    const rule = { ...opening, security_group_id: group.id, direction: 'ingress' }
    try {
      await request(session, 'POST', `${network}/security-group-rules`, { security_group_rule: rule })
    } catch (error) {
      const exists = error instanceof Refused && error.status === 409
      if (!exists) throw error
    }
  }
}
