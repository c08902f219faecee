import { request, type Session } from '../cloud/session.ts'

const flavors = [
  { id: '1', name: 'tiny', vcpus: 1, ram: 128, disk: 1 },
  { id: '2', name: 'small', vcpus: 1, ram: 1024, disk: 10 },
  { id: '3', name: 'medium', vcpus: 2, ram: 2048, disk: 20 },
  { id: '4', name: 'large', vcpus: 4, ram: 4096, disk: 40 },
  { id: '5', name: 'xlarge', vcpus: 8, ram: 8192, disk: 80 },
] // ram in MiB, disk in GiB

export async function seedFlavors(session: Session): Promise<void> {
  const compute = session.endpoint('compute')
  const found = await request<{ flavors: { name: string }[] }>(session, 'GET', `${compute}/flavors?is_public=None`)
  const names = new Set(found.flavors.map(({ name }) => name))
  for (const flavor of flavors)
    if (!names.has(flavor.name)) await request(session, 'POST', `${compute}/flavors`, { flavor })
}
