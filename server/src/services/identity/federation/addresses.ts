import type { Config } from '#lib/config.ts'

/** https, or http on this machine, or wherever the operator says that it may be. */
export function mayBePlain(config: Config, url: URL): boolean {
  return url.protocol === 'https:' || config.plainProviders || /^(localhost|127(\.\d+){3}|\[::1\])$/.test(url.hostname)
}
