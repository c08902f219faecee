// The S3 API through the clients that people use: the SDK of AWS for JavaScript, boto3, awscli, s3cmd, rclone.
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'node:test'
import { Agent } from 'node:http'
import * as s3 from '@aws-sdk/client-s3'
import { Upload } from '@aws-sdk/lib-storage'
import { cleanup, scratch } from './testing/cleanup.ts'
import { startCloud } from './testing/cloud.ts'
import { whyNot } from './testing/needs.ts'
import { must } from './testing/run.ts'

const mib = 1 << 20
const sha = (data: Uint8Array) => createHash('sha256').update(data).digest('hex')

test('S3 by its clients', async (t) => {
  const undo = cleanup(t)
  const folder = await scratch(undo)
  const cloud = await startCloud(undo, { args: ['--sim', '1', '--processes', '2'] })
  const settings = readFileSync(join(cloud.data, 's3rc'), 'utf8')
  const read = (name: string) => new RegExp(`^export ${name}='(.+)'$`, 'm').exec(settings)?.[1] ?? ''
  const keys = { accessKeyId: read('AWS_ACCESS_KEY_ID'), secretAccessKey: read('AWS_SECRET_ACCESS_KEY') }
  const url = new URL(read('AWS_ENDPOINT_URL_S3'))
  assert.match(cloud.said, new RegExp(`S3 answers at ${url.origin}`))
  const env = {
    ...cloud.env,
    AWS_ACCESS_KEY_ID: keys.accessKeyId,
    AWS_SECRET_ACCESS_KEY: keys.secretAccessKey,
    AWS_DEFAULT_REGION: 'local',
    HOME: folder,
    // a bundle of the machine's own is no matter of a plain address, and rclone cannot take one
    AWS_CA_BUNDLE: undefined,
  }
  const big = randomBytes(100 * mib)
  const small = randomBytes(4096)
  const [bigFile, smallFile] = [join(folder, 'big'), join(folder, 'small')]
  writeFileSync(bigFile, big)
  writeFileSync(smallFile, small)

  for (const style of ['path', 'virtual-host'] as const)
    await t.test(`@aws-sdk/client-s3 and lib-storage, ${style} style`, async () => {
      const endpoint = style === 'path' ? url.origin : `http://localhost:${url.port}`
      // every name below localhost is the loopback, whatever this machine's resolver says
      const agent = new Agent({
        keepAlive: true,
        lookup: (_name, options, found) =>
          options.all ? found(null, [{ address: '127.0.0.1', family: 4 }]) : found(null, '127.0.0.1', 4),
      })
      const client = new s3.S3Client({
        endpoint,
        region: 'local',
        credentials: keys,
        forcePathStyle: style === 'path',
        requestHandler: { httpAgent: agent },
      })
      const at = { Bucket: `sdk-${style}` }
      await client.send(new s3.CreateBucketCommand({ Bucket: at.Bucket }))
      await client.send(new s3.PutObjectCommand({ ...at, Key: 'a/small', Body: small, Metadata: { who: 'sdk' } }))
      await new Upload({ client, params: { ...at, Key: 'a/big', Body: big }, partSize: 8 * mib }).done()
      const got = await client.send(new s3.GetObjectCommand({ ...at, Key: 'a/big', ChecksumMode: 'ENABLED' }))
      assert.equal(sha(await got.Body!.transformToByteArray()), sha(big))
      const head = await client.send(new s3.HeadObjectCommand({ ...at, Key: 'a/small' }))
      assert.deepEqual([head.ContentLength, head.Metadata], [4096, { who: 'sdk' }])
      await client.send(new s3.CopyObjectCommand({ ...at, Key: 'copy', CopySource: `${at.Bucket}/a/small` }))
      const list = await client.send(new s3.ListObjectsV2Command({ ...at, Delimiter: '/' }))
      assert.deepEqual([list.Contents?.map(({ Key }) => Key), list.CommonPrefixes], [['copy'], [{ Prefix: 'a/' }]])
      await assert.rejects(client.send(new s3.GetObjectCommand({ ...at, Key: 'none' })), { name: 'NoSuchKey' })
      const again = new s3.PutObjectCommand({ ...at, Key: 'copy', Body: 'x', IfNoneMatch: '*' })
      await assert.rejects(client.send(again), { name: 'PreconditionFailed' })
      const Objects = ['a/small', 'a/big', 'copy'].map((Key) => ({ Key }))
      const gone = await client.send(new s3.DeleteObjectsCommand({ ...at, Delete: { Objects } }))
      assert.equal(gone.Deleted?.length, 3)
      await client.send(new s3.DeleteBucketCommand(at))
      client.destroy()
      agent.destroy()
    })

  await t.test('awscli', { skip: whyNot('awscli') }, async () => {
    const aws = (...words: string[]) => must('/usr/bin/aws', ['--endpoint-url', url.origin, ...words], { env })
    await aws('s3', 'mb', 's3://aws-cli')
    await aws('s3', 'cp', '--quiet', bigFile, 's3://aws-cli/big')
    await aws('s3', 'cp', '--quiet', 's3://aws-cli/big', join(folder, 'back'))
    assert.equal(sha(readFileSync(join(folder, 'back'))), sha(big))
    await aws('s3', 'cp', '--quiet', '--copy-props', 'none', 's3://aws-cli/big', 's3://aws-cli/copy')
    const tree = join(folder, 'tree')
    await mkdir(join(tree, 'below'), { recursive: true })
    writeFileSync(join(tree, 'below', 'grün & blau'), 'x')
    await aws('s3', 'sync', '--quiet', tree, 's3://aws-cli/tree')
    assert.match(
      await aws('s3', 'ls', '--recursive', 's3://aws-cli/'),
      /104857600 big\n.*104857600 copy\n.*1 tree\/below\/grün & blau\n$/,
    )
    const signed = (await aws('s3', 'presign', 's3://aws-cli/tree/below/grün & blau')).trim()
    assert.equal(await (await fetch(signed)).text(), 'x')
    await aws('s3', 'rb', '--force', 's3://aws-cli')
  })

  await t.test('boto3', { skip: whyNot('boto3') }, async () => {
    const script = `
import sys, boto3, io
from botocore.config import Config
s3 = boto3.client('s3', endpoint_url=sys.argv[1], config=Config(s3={'addressing_style': 'path'}))
s3.create_bucket(Bucket='boto', CreateBucketConfiguration={'LocationConstraint': 'local'})
s3.put_bucket_versioning(Bucket='boto', VersioningConfiguration={'Status': 'Enabled'})
s3.upload_file(sys.argv[2], 'boto', 'big')
out = io.BytesIO(); s3.download_fileobj('boto', 'big', out)
assert out.getvalue() == open(sys.argv[2], 'rb').read()
s3.put_object(Bucket='boto', Key='o', Body=b'one'); s3.put_object(Bucket='boto', Key='o', Body=b'two')
s3.delete_object(Bucket='boto', Key='o')
found = s3.list_object_versions(Bucket='boto', Prefix='o')
assert len(found['Versions']) == 2 and len(found['DeleteMarkers']) == 1, found
first = found['Versions'][-1]['VersionId']
assert s3.get_object(Bucket='boto', Key='o', VersionId=first)['Body'].read() == b'one'
boto3.resource('s3', endpoint_url=sys.argv[1]).Bucket('boto').object_versions.delete()
s3.delete_bucket(Bucket='boto')
print('ok')
`
    assert.equal(await must('/usr/bin/python3', ['-c', script, url.origin, bigFile], { env }), 'ok\n')
  })

  await t.test('s3cmd', { skip: whyNot('s3cmd') }, async () => {
    const place = [`--host=${url.host}`, `--host-bucket=${url.host}`, '--no-ssl', '--region=local', '--no-progress']
    const secret = [`--access_key=${keys.accessKeyId}`, `--secret_key=${keys.secretAccessKey}`]
    const s3cmd = (...words: string[]) => must('s3cmd', ['-c', '/dev/null', ...secret, ...place, ...words], { env })
    await s3cmd('mb', 's3://s3cmd')
    await s3cmd('put', bigFile, 's3://s3cmd/big')
    await s3cmd('get', '--force', 's3://s3cmd/big', join(folder, 'back'))
    assert.equal(sha(readFileSync(join(folder, 'back'))), sha(big))
    await s3cmd('cp', 's3://s3cmd/big', 's3://s3cmd/copy')
    assert.match(await s3cmd('ls', 's3://s3cmd'), /104857600 +s3:\/\/s3cmd\/big\n.*s3:\/\/s3cmd\/copy\n$/)
    await s3cmd('rb', '--recursive', '--force', 's3://s3cmd')
  })

  await t.test('rclone', { skip: whyNot('rclone') }, async () => {
    const remote = `:s3,provider=Other,env_auth=true,region=local,endpoint='${url.origin}':`
    const rclone = (...words: string[]) => must('rclone', ['--config', '/dev/null', ...words], { env })
    await rclone('mkdir', `${remote}rclone`)
    const source = join(folder, 'source')
    await mkdir(source)
    writeFileSync(join(source, 'big'), big)
    writeFileSync(join(source, 'small'), small)
    await rclone('sync', source, `${remote}rclone/tree`)
    await rclone('check', source, `${remote}rclone/tree`, '--download')
    assert.match(await rclone('lsf', `${remote}rclone/tree`), /^big\nsmall\n$/)
    await rclone('purge', `${remote}rclone`)
  })
})
