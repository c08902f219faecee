// Requests to a provider: bounded in time and size, and following nobody anywhere.
import type { Config } from '#lib/config.ts'
import { mayBePlain } from '../addresses.ts'
import { refuse } from '../auth/refusal.ts'

const patienceMs = 5000
const mostBytes = 512 * 1024

export interface ProviderRequest {
  url: string
  /** A form is posted; without one it is a GET. */
  form?: Record<string, string>
  headers?: Record<string, string>
}

/** The status and the body as JSON (undefined when it is none). Refuses when there is no answer. */
export async function askProvider(
  config: Config,
  { url, form, headers = {} }: ProviderRequest,
): Promise<{ status: number; json: unknown; text: string }> {
  const parsed = URL.parse(url)
  if (!parsed || !/^https?:$/.test(parsed.protocol) || !mayBePlain(config, parsed))
    return refuse(`The provider names '${url.slice(0, 200)}', which is not an address that may be asked.`)
  try {
    const answer = await fetch(parsed, {
      method: form ? 'POST' : 'GET',
      headers: { accept: 'application/json', ...headers },
      ...(form && { body: new URLSearchParams(form) }),
      redirect: 'error',
      signal: AbortSignal.timeout(patienceMs),
    })
    const text = await textOf(answer)
    return { status: answer.status, json: jsonOf(text), text }
  } catch (error) {
    return refuse(`${parsed.origin} gave no answer`, error)
  }
}

async function textOf(answer: Response): Promise<string> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of answer.body ?? []) {
    size += chunk.length
    if (size > mostBytes) throw new Error(`it is longer than ${mostBytes} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}
function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return undefined
  }
}
