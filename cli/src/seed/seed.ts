import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import type { Session } from '../cloud/session.ts'
import { seedFlavors } from './flavors.ts'
import { type GuestImage, seedImage } from './image.ts'
import { seedNetworks } from './networks.ts'
import { openDefaultGroup } from './security-group.ts'

const parts = ['flavors', 'networks', 'securityGroup', 'image'] as const
type Part = (typeof parts)[number]

/**
 * Gives a new cloud what a first user needs, through the public API. Each part looks whether its things exist, so that
 * one cut off in the middle is completed by the next run; a part once complete is never touched again, for then its
 * things are the users' to change or delete. `image` null: none for now.
 */
export async function seed(session: Session, image: Promise<GuestImage | null>, marker: string): Promise<void> {
  const done = readDone(marker)
  // Each answers whether its part is complete.
  const work: Record<Part, () => Promise<boolean>> = {
    flavors: () => seedFlavors(session).then(() => true),
    networks: () => seedNetworks(session).then(() => true),
    securityGroup: () => openDefaultGroup(session).then(() => true),
    image: async () => {
      const content = await image
      if (content !== null) await seedImage(session, content)
      return content !== null
    },
  }
  const results = await Promise.allSettled(
    parts.map(async (part) => {
      if (done.has(part) || !(await work[part]())) return
      done.add(part)
      writeDone(marker, done)
    }),
  )
  for (const result of results) if (result.status === 'rejected') throw result.reason
}

export function isSeeded(marker: string, part: Part): boolean {
  return readDone(marker).has(part)
}

function readDone(marker: string): Set<Part> {
  try {
    const value: unknown = JSON.parse(readFileSync(marker, 'utf8'))
    return new Set(parts.filter((part) => Array.isArray(value) && value.includes(part)))
  } catch {
    return new Set()
  }
}

function writeDone(marker: string, done: Set<Part>): void {
  writeFileSync(`${marker}.part`, `${JSON.stringify([...done])}\n`, { flush: true })
  renameSync(`${marker}.part`, marker)
}
