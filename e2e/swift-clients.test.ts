// Objects by the clients that people have: python-swiftclient's `swift` and rclone, against a running cloud.
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { cleanup, scratch } from './testing/cleanup.ts'
import { startCloud } from './testing/cloud.ts'
import { whyNot } from './testing/needs.ts'
import { must, run } from './testing/run.ts'

const md5 = (data: Buffer) => createHash('md5').update(data).digest('hex')

for (const encryption of ['asked', 'all'])
  test(`swift and rclone, encryption: ${encryption}`, { skip: whyNot('client', 'swift') }, (t) =>
    clients(t, encryption),
  )

async function clients(t: TestContext, encryption: string): Promise<void> {
  const undo = cleanup(t)
  const env = { PILEUS_OBJECT_ENCRYPTION: encryption }
  const cloud = await startCloud(undo, { args: ['--sim', '1', '--processes', '1'], env })
  const folder = await scratch(undo)
  const openrc = readFileSync(join(cloud.data, 'openrc'), 'utf8')
  const signIn = Object.fromEntries(
    [...openrc.matchAll(/^export (OS_\w+)=["']?(.*?)["']?$/gm)].map(([, name, value]) => [name!, value!]),
  )
  // a cloud's name would have the clients read clouds.yaml instead
  const { OS_CLOUD: _, OS_CLIENT_CONFIG_FILE: __, ...rest } = { ...cloud.env, ...signIn } as NodeJS.ProcessEnv
  const options = { env: rest, cwd: folder }
  const swift = async (...words: string[]) => must('swift', words, options)
  const lines = async (...words: string[]) => (await swift(...words)).split('\n').filter(Boolean)
  const big = randomBytes(300_000)
  writeFileSync(join(folder, 'big'), big)
  writeFileSync(join(folder, 'small'), 'small')
  const account = `/object-store/v1/AUTH_${cloud.api.projectId}`

  await t.test('upload, list, stat, download: whole, in static and in dynamic segments', async () => {
    await swift('upload', 'box', 'big', 'small')
    await swift('upload', '--use-slo', '-S', '100000', 'box', 'big', '--object-name', 'large/static')
    await swift('upload', '-S', '100000', 'box', 'big', '--object-name', 'large/dynamic')
    assert.deepEqual(await lines('list', 'box', '--delimiter', '/'), ['big', 'large/', 'small'])
    assert.deepEqual(await lines('list', 'box', '--prefix', 'large/'), ['large/dynamic', 'large/static'])
    assert.equal((await lines('list', 'box_segments')).length, 6)
    assert.match(await swift('stat', 'box', 'large/static'), /Content Length: 300000\n[^]*X-Static-Large-Object: True/)
    assert.match(await swift('stat', 'box', 'large/dynamic'), /Content Length: 300000\n[^]*Manifest: box_segments\//)
    for (const name of ['big', 'large/static', 'large/dynamic']) {
      await swift('download', 'box', name, '--output', 'got')
      assert.equal(md5(readFileSync(join(folder, 'got'))), md5(big), name)
    }
  })

  await t.test('post and copy', async () => {
    await swift('post', 'box', 'small', '--meta', 'Colour:blue')
    assert.match(await swift('stat', 'box', 'small'), /Meta Colour: blue/)
    await swift('copy', '--destination', '/other/copied', 'box', 'small')
    await swift('download', 'other', 'copied', '--output', 'got')
    assert.equal(readFileSync(join(folder, 'got'), 'utf8'), 'small')
    assert.match(await swift('stat', 'other', 'copied'), /Meta Colour: blue/)
  })

  await t.test('a signed URL lets in whoever has it', async () => {
    await swift('post', '--meta', 'Temp-URL-Key:secret')
    const signed = (await swift('tempurl', 'GET', '600', `${account}/box/small`, 'secret')).trim()
    const got = await fetch(cloud.url + signed)
    assert.deepEqual([got.status, await got.text()], [200, 'small'])
    assert.equal((await fetch(`${cloud.url}${signed}0`)).status, 401)
  })

  await t.test('versions', async () => {
    await swift('post', 'kept', '--header', 'X-Versions-Enabled: true')
    await swift('upload', 'kept', 'small', '--object-name', 'file')
    await swift('upload', 'kept', 'big', '--object-name', 'file')
    const versions = (await lines('list', 'kept', '--versions')).filter((line) => line.includes('file'))
    assert.equal(versions.length, 2)
    const older = /(\d+\.\d+)/.exec(versions[1]!.replace(/\d{4}-\d\d-\d\d [\d:]+/, ''))?.[1] ?? ''
    await swift('download', 'kept', 'file', '--version-id', older, '--output', 'got')
    assert.equal(readFileSync(join(folder, 'got'), 'utf8'), 'small')
    await swift('delete', 'kept', '--versions')
    assert.deepEqual((await lines('list')).includes('kept'), false)
  })

  await t.test('what the store can do is told, and bulk delete is used', async () => {
    const told = await swift('info')
    for (const part of ['bulk_delete', 'bulk_upload', 'slo', 'symlink', 'tempurl', 'object_versioning'])
      assert.ok(told.includes(part), part)
    await swift('delete', 'box', '--prefix', 'large/')
    assert.deepEqual(await lines('list', 'box'), ['big', 'small'])
    assert.deepEqual(await lines('list', 'box_segments'), [])
    await swift('delete', '--all')
    assert.deepEqual(await lines('list'), [])
    const missing = await run('swift', ['stat', 'box'], options)
    assert.deepEqual([missing.code, /not found/i.test(missing.stderr)], [1, true])
  })

  await t.test('rclone: sync there and back, large files in segments', async () => {
    const remote = {
      ...rest,
      ...{ RCLONE_CONFIG: join(folder, 'none.conf'), RCLONE_CONFIG_PILEUS_TYPE: 'swift' },
      ...{ RCLONE_CONFIG_PILEUS_ENV_AUTH: 'true', RCLONE_SWIFT_CHUNK_SIZE: '100K' },
    }
    const rclone = async (...words: string[]) => must('rclone', words, { env: remote, cwd: folder })
    const [from, to] = [join(folder, 'from'), join(folder, 'to')]
    mkdirSync(join(from, 'deep'), { recursive: true })
    writeFileSync(join(from, 'deep', 'grün & blau.txt'), 'hello')
    writeFileSync(join(from, 'large'), big)
    await rclone('sync', from, 'pileus:sync')
    await rclone('check', from, 'pileus:sync')
    assert.deepEqual((await rclone('lsf', '-R', 'pileus:sync')).split('\n').filter(Boolean).toSorted(), [
      'deep/',
      'deep/grün & blau.txt',
      'large',
    ])
    await rclone('sync', 'pileus:sync', to)
    assert.deepEqual(readdirSync(to).toSorted(), ['deep', 'large'])
    assert.equal(md5(readFileSync(join(to, 'large'))), md5(big))
    await rclone('moveto', 'pileus:sync/large', 'pileus:sync/moved')
    assert.equal((await rclone('cat', 'pileus:sync/moved', '--head', '5')).length > 0, true)
    await rclone('purge', 'pileus:sync')
    assert.equal((await lines('list')).includes('sync'), false)
  })
}
