// Reads a qcow2 header without QEMU, to refuse what reaches beyond the file itself (QEMU's docs/interop/qcow2.txt).

/** The image is not what it claims, or may not be used; the message is a sentence for its owner. */
export class BadImage extends Error {
  override name = 'BadImage'
}

const knownFeatures = {
  dirty: 1n << 0n,
  compressionType: 1n << 3n,
  extendedL2: 1n << 4n,
}
const externalData = 1n << 2n

/** The virtual size in bytes; throws a `BadImage` for a backing file, a data file, encryption or an unknown feature. */
export function readQcow2Header(header: Buffer): { virtualBytes: number } {
  if (header.length < 72 || header.readUInt32BE(0) !== 0x514649fb)
    throw new BadImage('The image is declared as qcow2, but it is not.')
  const version = header.readUInt32BE(4)
  if (version !== 2 && version !== 3)
    throw new BadImage(`The image is qcow2 of version ${version}, which is not supported.`)
  if (header.readBigUInt64BE(8) !== 0n)
    throw new BadImage('The image needs a backing file; make it stand alone with "qemu-img convert".')
  const virtualBytes = header.readBigUInt64BE(24)
  if (virtualBytes === 0n || virtualBytes > 1n << 56n)
    throw new BadImage(`The image claims a size of ${virtualBytes} bytes.`)
  if (header.readUInt32BE(32) !== 0) throw new BadImage('The image is encrypted.')
  if (version === 3) {
    if (header.length < 104) throw new BadImage('The image ends within its header.')
    const features = header.readBigUInt64BE(72)
    if ((features & externalData) !== 0n) throw new BadImage('The image keeps its data in another file.')
    const unknown = features & ~Object.values(knownFeatures).reduce((all, bit) => all | bit, 0n)
    if (unknown !== 0n) throw new BadImage('The image is corrupt or uses features that are not supported.')
  }
  return { virtualBytes: Number(virtualBytes) }
}
