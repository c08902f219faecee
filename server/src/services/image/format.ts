// What an image's bytes are, from their beginning, and whether opening them could reach beyond them. Sources: QEMU's
// docs/interop/qcow2.rst (header offsets), the magic numbers of VMDK 1.1, VHD, VHDX, VDI, QED, LUKS and ISO 9660.
import { Fault } from '#lib/fault.ts'

/** How much of the beginning `inspect` wants to see. */
export const headBytes = 64 * 1024

export interface Found {
  /** 'unknown' is what raw disks, archives and noise look like. */
  format: 'qcow2' | 'vmdk' | 'vhd' | 'vhdx' | 'vdi' | 'qed' | 'luks' | 'iso' | 'mbr' | 'unknown'
  /** The size of the disk that the guest sees, where the header tells. */
  virtualSize: number | undefined
}

const starts = (head: Buffer, text: string, at = 0) =>
  head.length >= at + text.length && head.toString('latin1', at, at + text.length) === text

/**
 * Looks at an image's head. Throws invalid for one that would make its reader open other files: a qcow2 with a backing
 * file or an external data file, a VMDK descriptor.
 */
export function inspect(head: Buffer): Found {
  if (starts(head, 'QFI\xfb')) return qcow2(head)
  if (starts(head, 'KDMV') || starts(head, 'COWD'))
    return { format: 'vmdk', virtualSize: head.length >= 20 ? Number(head.readBigUInt64LE(12)) * 512 : undefined }
  if (starts(head, '# Disk DescriptorFile')) refuse('it is a VMDK descriptor that names other files')
  if (starts(head, 'conectix'))
    return { format: 'vhd', virtualSize: head.length >= 56 ? Number(head.readBigUInt64BE(48)) : undefined }
  if (starts(head, 'vhdxfile')) return { format: 'vhdx', virtualSize: undefined }
  if (head.length >= 376 && head.readUInt32LE(64) === 0xbeda107f)
    return { format: 'vdi', virtualSize: Number(head.readBigUInt64LE(368)) }
  if (starts(head, 'QED\0')) {
    if (head.length >= 24 && head.readBigUInt64LE(16) & 1n) refuse('it has a backing file')
    return { format: 'qed', virtualSize: undefined }
  }
  if (starts(head, 'LUKS\xba\xbe')) return { format: 'luks', virtualSize: undefined }
  if (starts(head, 'CD001', 32_769)) return { format: 'iso', virtualSize: undefined }
  if (head.length >= 512 && head.readUInt16LE(510) === 0xaa55) return { format: 'mbr', virtualSize: undefined }
  return { format: 'unknown', virtualSize: undefined }
}

function qcow2(head: Buffer): Found {
  if (head.length < 72) refuse('its qcow2 header is cut short')
  const version = head.readUInt32BE(4)
  if (version !== 2 && version !== 3) refuse(`it is of qcow2 version ${version}`)
  if (head.readBigUInt64BE(8) !== 0n) refuse('it has a backing file')
  if (version === 3 && head.length >= 80) {
    const incompatible = head.readBigUInt64BE(72)
    if (incompatible & 4n) refuse('it has an external data file')
    if (incompatible & ~0x1fn) refuse('it needs qcow2 features that are not known')
  }
  return { format: 'qcow2', virtualSize: Number(head.readBigUInt64BE(24)) }
}

function refuse(why: string): never {
  throw new Fault('invalid', `The image is refused: ${why}.`)
}

// What bytes of a declared format may be found to be. A declared raw disk may well begin with a boot sector; it may not be
// a format that some reader would recognise and follow.
const acceptable: Record<string, readonly Found['format'][]> = {
  raw: ['unknown', 'mbr', 'iso', 'luks'],
  iso: ['iso', 'mbr', 'unknown'],
  qcow2: ['qcow2', 'unknown'],
  vhd: ['vhd', 'unknown'],
  vhdx: ['vhdx', 'unknown'],
  vdi: ['vdi', 'unknown'],
  vmdk: ['vmdk', 'unknown'],
}

/** Throws invalid when the bytes are recognised as something else than what was declared. */
export function requireDeclared(declared: string | null, found: Found): void {
  const allowed = declared === null ? undefined : acceptable[declared]
  if (allowed && !allowed.includes(found.format)) {
    throw new Fault(
      'invalid',
      `The image is refused: it was declared as ${declared}, but its contents are ${found.format}.`,
    )
  }
}
