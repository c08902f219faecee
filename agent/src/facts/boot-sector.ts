// A guest of one sector. In 16 bits it builds page tables, enters 64-bit mode, then maps a page, writes to it, maps it
// elsewhere, writes again, and looks whether both writes went where they should. If so it writes 42 to port 0xf4, at which
// QEMU's isa-debug-exit ends with (42 << 1) | 1; if not it halts for ever.
//
//   cli; ds = es = ss = 0; sp = 0x7c00; clear 0x1000-0x4fff
//   [0x1000] = 0x2003; [0x2000] = 0x3003; [0x3000] = 0x83           4 levels, the first 2 MiB mapped to themselves
//   cr4 |= PAE; cr3 = 0x1000; EFER |= LME; cr0 |= PG | PE; lgdt; far jump to 64-bit code
//   [0x3008] = 0x4003; [0x4000] = 0x8003; cr3 = cr3                  2 MiB -> 0x8000
//   [2 MiB] = 0x11; [0x4000] = 0x9003; invlpg 2 MiB                  2 MiB -> 0x9000
//   [2 MiB] = 0x22; if [0x8000] == 0x11 and [0x9000] == 0x22: out 0xf4, 42; hlt
const code =
  '+jHAjtiOwI7QvAB8/L8AEGYxwLkAEGbzq2bHBgAQAyAAAGbHBgAgAzAAAGbHBgAwgwAAAA8g4GaDyCAPIuBmuAAQAAAPIthmuYAA' +
  'AMAPMmYNAAEAAA8wDyDAZg0BAACADyLAZg8BFgB9ZupxfAAACABmuBAAjtiOwI7QSMcEJQgwAAADQAAASMcEJQBAAAADgAAADyDY' +
  'DyLYSMcEJQAAIAARAAAASMcEJQBAAAADkAAADwE8JQAAIABIxwQlAAAgACIAAABIgzwlAIAAABF1D0iDPCUAkAAAInUEsCrm9PTr' +
  '/WYPH0QAAAAAAAAAAAAA//8AAACarwD//wAAAJLPABcA6Hw='

/** QEMU's exit code when the guest got through. */
export const exitCode = 85

/** A disk of 1 MiB (SeaBIOS boots from none that is smaller than a cylinder) with that sector. */
export function bootSector(): Buffer {
  const disk = Buffer.alloc(1024 * 1024)
  Buffer.from(code, 'base64').copy(disk)
  disk.writeUInt16BE(0x55aa, 510)
  return disk
}
