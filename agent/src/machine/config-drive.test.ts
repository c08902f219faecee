import assert from 'node:assert/strict'
import { mkdtemp, readdir, rm, stat, writeFile, mkdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { run } from '../run.ts'
import { tinySpec } from '../real-guest.testing.ts'
import { makeConfigDrive } from './config-drive.ts'

const toolMissing = await run('isoinfo', ['-version']).then(
  () => false,
  () => 'isoinfo (genisoimage) is not installed',
)

test('a config drive holds the documents under the label that guests look for', { skip: toolMissing }, async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'pileus-drive-'))
  t.after(() => rm(folder, { recursive: true }))
  const path = join(folder, 'config.iso')
  await mkdir(`${path}.content`) // what a killed agent left
  await writeFile(`${path}.content/stale`, '')
  const spec = tinySpec('m1', { imageId: 'i', format: 'raw', sizeBytes: 1, sha512: '' })
  await makeConfigDrive(spec, path)
  assert.deepEqual(await readdir(folder), ['config.iso'])
  assert.equal((await stat(path)).mode & 0o777, 0o600)
  assert.match((await run('isoinfo', ['-d', '-i', path])).stdout, /Volume id: config-2/)
  const { stdout: names } = await run('isoinfo', ['-R', '-f', '-i', path])
  assert.match(names, /^\/openstack\/latest\/user_data$/m)
  assert.doesNotMatch(names, /stale/)
  const { stdout: document } = await run('isoinfo', ['-R', '-i', path, '-x', '/openstack/latest/meta_data.json'])
  assert.equal((JSON.parse(document) as { uuid: string }).uuid, 'm1')
})
