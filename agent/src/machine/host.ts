// What the machines of a host share.
import type { Logger } from 'pino'
import type { ImageCache } from '../image/cache.ts'
import type { QemuUser } from '../unprivileged.ts'

/** The part of the data plane that a machine needs: the interface of a port and the namespace that QEMU must run in. */
export interface Taps {
  tapFor(portId: string): { name: string; namespace: string } | undefined
}

export interface Host {
  dataDir: string
  user: QemuUser
  images: ImageCache
  taps: Taps
  accelerator: 'kvm' | 'tcg'
  /** The newest versioned board that the installed QEMU offers; new machines get it. */
  machineType: string
  /** OVMF's code and the template of its variables; null where it is not installed. */
  uefi: { code: string; variables: string } | null
  program: string
  /** The data plane's namespace, once it is there: guests run in it even before they have a port. */
  namespace(): Promise<string | null>
  /** Changes when the host boots. */
  bootId: string
  log: Logger
}
