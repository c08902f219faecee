import { setTimeout as delay } from 'node:timers/promises'
import { stop } from '../trouble.ts'
import { Refused, request, type Session } from './session.ts'

export interface Guest {
  id: string
  name: string
  status: string
}

interface Page {
  servers: Guest[]
  servers_links?: { rel: string; href: string }[]
}

/** Every server of every project. */
export async function listGuests(session: Session): Promise<Guest[]> {
  const all: Guest[] = []
  let url: string | undefined = `${session.endpoint('compute')}/servers/detail?all_tenants=1`
  while (url !== undefined) {
    const page: Page = await request<Page>(session, 'GET', url)
    all.push(...page.servers)
    url = page.servers_links?.find(({ rel }) => rel === 'next')?.href
  }
  return all
}

const withinMs = 180_000
// A paused or suspended guest cannot be shut down as it is; its status is left as it was.
const running = new Set(['ACTIVE', 'REBOOT', 'HARD_REBOOT', 'RESCUE'])

/** Shuts all running guests down and waits for them; answers how many that were. */
export async function stopAllGuests(session: Session, say: (line: string) => void): Promise<number> {
  const guests = (await listGuests(session)).filter(({ status }) => running.has(status))
  if (guests.length > 0) say(`Stopping ${guests.length} guest${guests.length === 1 ? '' : 's'} …`)
  for (const { id } of guests) await stopGuest(session, id)
  const until = performance.now() + withinMs
  const waiting = new Set(guests.map(({ id }) => id))
  while (waiting.size > 0) {
    const now = await listGuests(session)
    const stillRunning = now.filter(({ id, status }) => waiting.has(id) && running.has(status))
    waiting.clear()
    for (const { id } of stillRunning) waiting.add(id)
    if (waiting.size > 0 && performance.now() > until)
      stop(
        `These guests have not stopped within ${withinMs / 1000} s: ${stillRunning.map(({ name }) => name).join(', ')}.`,
      )
    if (waiting.size > 0) await delay(250)
  }
  return guests.length
}

async function stopGuest(session: Session, id: string): Promise<void> {
  try {
    await request(session, 'POST', `${session.endpoint('compute')}/servers/${id}/action`, { 'os-stop': null })
  } catch (error) {
    // It was deleted or is being stopped already.
    if (!(error instanceof Refused && (error.status === 404 || error.status === 409))) throw error
  }
}
