import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { DataDirectory } from '../data-directory.ts'
import { guestImageScript, runOnce } from '../programs.ts'
import { stop } from '../trouble.ts'
import { type GuestImage, imageFile } from '../seed/image.ts'

/** The small guest: PILEUS_GUEST_IMAGE (a qcow2 file), or the cached one, or built from Debian's packages. */
export async function buildGuestImage(
  data: DataDirectory,
  env: NodeJS.ProcessEnv,
  say: (line: string) => void,
  signal: AbortSignal,
): Promise<GuestImage> {
  const given = env['PILEUS_GUEST_IMAGE']
  if (given)
    return existsSync(given) ? imageFile(given) : stop(`PILEUS_GUEST_IMAGE names ${given}, and there is no such file.`)
  const path = join(data.cache, 'tiny.qcow2')
  if (!existsSync(path)) {
    say("Building the guest image 'tiny' from Debian's packages (some seconds, in the background) …")
    await runOnce({
      command: 'bash',
      args: [guestImageScript, path],
      env,
      log: join(data.log, 'guest-image.log'),
      signal,
      failure: '',
    })
  }
  return imageFile(path)
}
