// Encryption and tags through S3's clients: a bucket's default, keys of customers, and what goes along with a copy.
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { cleanup, scratch } from './testing/cleanup.ts'
import { startCloud } from './testing/cloud.ts'
import { whyNot } from './testing/needs.ts'
import { must, run } from './testing/run.ts'

const mib = 1 << 20
const sha = (data: Uint8Array) => createHash('sha256').update(data).digest('hex')

test('encryption and tags by clients of S3', async (t) => {
  const undo = cleanup(t)
  const folder = await scratch(undo)
  const cloud = await startCloud(undo, { args: ['--sim', '1', '--processes', '1'] })
  const settings = readFileSync(join(cloud.data, 's3rc'), 'utf8')
  const read = (name: string) => new RegExp(`^export ${name}='(.+)'$`, 'm').exec(settings)?.[1] ?? ''
  const [access, secret] = [read('AWS_ACCESS_KEY_ID'), read('AWS_SECRET_ACCESS_KEY')]
  const url = new URL(read('AWS_ENDPOINT_URL_S3'))
  const env = {
    ...cloud.env,
    AWS_ACCESS_KEY_ID: access,
    AWS_SECRET_ACCESS_KEY: secret,
    AWS_DEFAULT_REGION: 'local',
    HOME: folder,
    AWS_CA_BUNDLE: undefined,
  }
  // in parts by every client
  const big = randomBytes(20 * mib)
  const [bigFile, back, keyFile] = [join(folder, 'big'), join(folder, 'back'), join(folder, 'key')]
  const key = randomBytes(32)
  writeFileSync(bigFile, big)
  writeFileSync(keyFile, key)
  const same = () => assert.equal(sha(readFileSync(back)), sha(big))

  await t.test('awscli', { skip: whyNot('awscli') }, async () => {
    const words = (given: string[]) => ['--endpoint-url', url.origin, ...given]
    const aws = (...given: string[]) => must('/usr/bin/aws', words(given), { env })
    const ask = async (...given: string[]) => JSON.parse(await aws('s3api', '--output', 'json', ...given))
    await aws('s3', 'mb', 's3://enc')
    const rule = { Rules: [{ ApplyServerSideEncryptionByDefault: { SSEAlgorithm: 'AES256' } }] }
    const wish = ['--server-side-encryption-configuration', JSON.stringify(rule)]
    await aws('s3api', 'put-bucket-encryption', '--bucket', 'enc', ...wish)
    const told = await ask('get-bucket-encryption', '--bucket', 'enc')
    assert.equal(
      told.ServerSideEncryptionConfiguration.Rules[0].ApplyServerSideEncryptionByDefault.SSEAlgorithm,
      'AES256',
    )
    await aws('s3', 'cp', '--quiet', '--metadata', 'who=me', bigFile, 's3://enc/big')
    const head = await ask('head-object', '--bucket', 'enc', '--key', 'big')
    assert.deepEqual([head.ServerSideEncryption, head.Metadata], ['AES256', { who: 'me' }])
    await aws('s3', 'cp', '--quiet', 's3://enc/big', back)
    same()

    // a copy takes tags and metadata along, in parts too
    const tags = { TagSet: [{ Key: 'team', Value: 'blue + grün' }] }
    await aws('s3api', 'put-object-tagging', '--bucket', 'enc', '--key', 'big', '--tagging', JSON.stringify(tags))
    for (const to of ['s3://enc/copy', 's3://other/copy']) {
      if (to.includes('other')) await aws('s3', 'mb', 's3://other')
      await aws('s3', 'cp', '--quiet', 's3://enc/big', to)
      const [, , bucket = '', name = ''] = to.split('/')
      assert.deepEqual((await ask('get-object-tagging', '--bucket', bucket, '--key', name)).TagSet, tags.TagSet)
      const copied = await ask('head-object', '--bucket', bucket, '--key', name)
      assert.deepEqual(copied.Metadata, { who: 'me' })
      assert.equal(copied.ServerSideEncryption, bucket === 'enc' ? 'AES256' : undefined)
      await aws('s3', 'cp', '--quiet', to, back)
      same()
    }
    await aws('s3', 'cp', '--quiet', '--sse', 'aws:kms', bigFile, 's3://enc/kms')
    assert.equal((await ask('head-object', '--bucket', 'enc', '--key', 'kms')).ServerSideEncryption, 'aws:kms')
    await aws('s3', 'cp', '--quiet', 's3://enc/kms', back)
    same()

    const customer = ['--sse-c', 'AES256', '--sse-c-key', `fileb://${keyFile}`]
    await aws('s3', 'cp', '--quiet', ...customer, bigFile, 's3://enc/secret')
    await aws('s3', 'cp', '--quiet', ...customer, 's3://enc/secret', back)
    same()
    const without = await run('/usr/bin/aws', words(['s3', 'cp', 's3://enc/secret', join(folder, 'none')]), { env })
    assert.notEqual(without.code, 0)
    const source = ['--sse-c-copy-source', 'AES256', '--sse-c-copy-source-key', `fileb://${keyFile}`]
    await aws('s3', 'cp', '--quiet', '--copy-props', 'none', ...source, 's3://enc/secret', 's3://enc/open')
    await aws('s3', 'cp', '--quiet', 's3://enc/open', back)
    same()
    await aws('s3', 'rb', '--force', 's3://enc')
    await aws('s3', 'rb', '--force', 's3://other')
  })

  await t.test('boto3', { skip: whyNot('boto3') }, async () => {
    const script = `
import sys, boto3, io, hashlib
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError
s3 = boto3.client('s3', endpoint_url=sys.argv[1], config=Config(s3={'addressing_style': 'path'}))
big, key = open(sys.argv[2], 'rb').read(), open(sys.argv[3], 'rb').read()
parts = TransferConfig(multipart_threshold=8 << 20, multipart_chunksize=8 << 20)
s3.create_bucket(Bucket='boto')
s3.put_bucket_encryption(Bucket='boto', ServerSideEncryptionConfiguration={'Rules': [
    {'ApplyServerSideEncryptionByDefault': {'SSEAlgorithm': 'AES256'}, 'BucketKeyEnabled': False}]})
assert s3.put_object(Bucket='boto', Key='small', Body=b'x', Tagging='a=1&b=two')['ServerSideEncryption'] == 'AES256'
customer = {'SSECustomerAlgorithm': 'AES256', 'SSECustomerKey': key}
source = {'CopySourceSSECustomerAlgorithm': 'AES256', 'CopySourceSSECustomerKey': key}
def got(name, **more):
    out = io.BytesIO(); s3.download_fileobj('boto', name, out, ExtraArgs=more, Config=parts); return out.getvalue()
def refused(status, call, **more):
    try: call(Bucket='boto', **more)
    except ClientError as error:
        assert error.response['ResponseMetadata']['HTTPStatusCode'] == status, error.response; return
    raise AssertionError('was not refused')
for name, body in [('c-small', b'tiny'), ('c-big', big)]:
    s3.upload_fileobj(io.BytesIO(body), 'boto', name, ExtraArgs=customer, Config=parts)
    assert got(name, **customer) == body
    assert s3.get_object(Bucket='boto', Key=name, Range='bytes=1-3', **customer)['Body'].read() == body[1:4]
    refused(400, s3.get_object, Key=name)
    refused(400, s3.head_object, Key=name)
    refused(403, s3.get_object, Key=name, SSECustomerAlgorithm='AES256', SSECustomerKey=bytes(32))
    s3.copy({'Bucket': 'boto', 'Key': name}, 'boto', name + '-open', ExtraArgs=source, Config=parts)
    assert got(name + '-open') == body
    assert s3.head_object(Bucket='boto', Key=name + '-open')['ServerSideEncryption'] == 'AES256'
    s3.copy({'Bucket': 'boto', 'Key': name}, 'boto', name + '-again', ExtraArgs={**source, **customer}, Config=parts)
    assert got(name + '-again', **customer) == body
tags = lambda name: {each['Key']: each['Value'] for each in s3.get_object_tagging(Bucket='boto', Key=name)['TagSet']}
at = {'Bucket': 'boto', 'CopySource': {'Bucket': 'boto', 'Key': 'small'}}
s3.copy_object(Key='kept', **at)
assert tags('kept') == {'a': '1', 'b': 'two'}, tags('kept')
s3.copy_object(Key='changed', TaggingDirective='REPLACE', Tagging='c=3', **at)
assert tags('changed') == {'c': '3'}
assert s3.get_object(Bucket='boto', Key='kept')['TagCount'] == 2
s3.delete_object_tagging(Bucket='boto', Key='kept')
assert tags('kept') == {}
s3.delete_bucket_encryption(Bucket='boto')
assert 'ServerSideEncryption' not in s3.put_object(Bucket='boto', Key='plain', Body=b'x')
boto3.resource('s3', endpoint_url=sys.argv[1]).Bucket('boto').objects.all().delete()
s3.delete_bucket(Bucket='boto')
print('ok')
`
    assert.equal(await must('/usr/bin/python3', ['-c', script, url.origin, bigFile, keyFile], { env }), 'ok\n')
  })

  await t.test('s3cmd', { skip: whyNot('s3cmd') }, async () => {
    const place = [`--host=${url.host}`, `--host-bucket=${url.host}`, '--no-ssl', '--region=local', '--no-progress']
    const secrets = [`--access_key=${access}`, `--secret_key=${secret}`]
    const s3cmd = (...words: string[]) => must('s3cmd', ['-c', '/dev/null', ...secrets, ...place, ...words], { env })
    await s3cmd('mb', 's3://s3cmd')
    await s3cmd('put', '--server-side-encryption', bigFile, 's3://s3cmd/big')
    assert.match(await s3cmd('info', 's3://s3cmd/big'), /SSE: +AES256/)
    await s3cmd('get', '--force', 's3://s3cmd/big', back)
    same()
    await s3cmd('cp', 's3://s3cmd/big', 's3://s3cmd/copy')
    await s3cmd('get', '--force', 's3://s3cmd/copy', back)
    same()
    await s3cmd('rb', '--recursive', '--force', 's3://s3cmd')
  })

  await t.test('rclone', { skip: whyNot('rclone') }, async () => {
    // it sends keys of customers over TLS only
    const asked = 'server_side_encryption=AES256,chunk_size=8M,upload_cutoff=8M'
    const remote = `:s3,provider=Other,env_auth=true,region=local,${asked},endpoint='${url.origin}':rclone`
    const rclone = (...words: string[]) => must('rclone', ['--config', '/dev/null', ...words], { env })
    await rclone('mkdir', remote)
    await rclone('copyto', bigFile, `${remote}/big`)
    await rclone('copyto', `${remote}/big`, `${remote}/copy`)
    for (const name of ['big', 'copy']) {
      await rclone('copyto', `${remote}/${name}`, back)
      same()
    }
    await rclone('purge', remote)
  })
})
