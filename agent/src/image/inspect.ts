// Looks at a stranger's image before any machine may use it.
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { type Static, Type } from 'typebox'
import Value from 'typebox/value'
import { RunError } from '../run.ts'
import { type QemuUser, runLimited } from '../unprivileged.ts'
import { BadImage, readQcow2Header } from './qcow2.ts'

export type ImageFormat = 'raw' | 'qcow2'

const Info = Type.Object({
  format: Type.String(),
  'virtual-size': Type.Integer(),
  'backing-filename': Type.Optional(Type.String()),
  encrypted: Type.Optional(Type.Boolean()),
  'format-specific': Type.Optional(
    Type.Object({ data: Type.Optional(Type.Object({ 'data-file': Type.Optional(Type.String()) })) }),
  ),
})

/** The image's virtual size in bytes; throws a `BadImage` when it must not be used. */
export async function inspectImage(user: QemuUser, folder: string, name: string, format: ImageFormat): Promise<number> {
  const path = join(folder, name)
  if (format === 'raw') return await rawSize(path)
  const file = await open(path, 'r')
  let virtualBytes: number
  try {
    const header = Buffer.alloc(4096)
    const { bytesRead } = await file.read(header, 0, header.length, 0)
    virtualBytes = readQcow2Header(header.subarray(0, bytesRead)).virtualBytes
  } finally {
    await file.close()
  }
  const info = await qemuInfo(user, folder, name, format)
  if (info['backing-filename'] !== undefined || info['format-specific']?.data?.['data-file'] !== undefined)
    throw new BadImage('The image refers to other files.')
  if (info.encrypted === true) throw new BadImage('The image is encrypted.')
  if (info['virtual-size'] !== virtualBytes) throw new BadImage('The image contradicts itself about its size.')
  return virtualBytes
}

async function rawSize(path: string): Promise<number> {
  const file = await open(path, 'r')
  try {
    return (await file.stat()).size
  } finally {
    await file.close()
  }
}

async function qemuInfo(user: QemuUser, cwd: string, name: string, format: ImageFormat): Promise<Static<typeof Info>> {
  try {
    const { stdout } = await runLimited(user, 'qemu-img', ['info', '--output=json', '-f', format, `./${name}`], { cwd })
    return Value.Parse(Info, JSON.parse(stdout))
  } catch (error) {
    if (error instanceof RunError && error.exitCode === 1)
      throw new BadImage(
        `QEMU cannot read the image: ${error.stderr
          .trim()
          .split('\n')[0]
          ?.replace(/^.*?: /, '')}`,
        {
          cause: error,
        },
      )
    throw error
  }
}
