import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import test, { type TestContext } from 'node:test'
import { type Ended, pileus } from './testing.ts'

interface Asked {
  method: string
  url: string
  scope: unknown
}

/** Runs a command against a cloud that answers with `answer`. */
async function against(t: TestContext, args: string[], answer: unknown): Promise<{ ended: Ended; asked: Asked[] }> {
  const asked: Asked[] = []
  const server = createServer((req, res) => {
    void (async () => {
      let text = ''
      for await (const chunk of req) text += String(chunk)
      const { auth } = (text === '' ? {} : JSON.parse(text)) as { auth?: { scope: unknown } }
      asked.push({ method: req.method ?? '', url: req.url ?? '', scope: auth?.scope })
      if (auth) {
        const project = JSON.stringify(auth.scope).includes('project') ? { id: 'p' } : undefined
        res
          .writeHead(201, { 'x-subject-token': 'token' })
          .end(JSON.stringify({ token: { user: { id: 'u' }, project } }))
      } else res.end(typeof answer === 'string' ? answer : JSON.stringify(answer))
    })()
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const address = server.address()
  if (address === null || typeof address === 'string') assert.fail('no address')
  const ended = await pileus(args, {
    OS_AUTH_URL: `http://127.0.0.1:${address.port}/identity/v3`,
    OS_USERNAME: 'admin',
    OS_PASSWORD: 'pw',
    OS_PROJECT_NAME: 'admin',
  })
  return { ended, asked }
}

const head = { seq: 12, hash: 'ab'.repeat(32) }

test('a trail that holds prints its head', async (t) => {
  const { ended, asked } = await against(t, ['audit', 'verify', '--head', `3:${head.hash}`], {
    ...{ ok: true, checked: 12, first: 1, head, broken: null },
  })
  assert.deepEqual(ended, { code: 0, stdout: `12 records from 1 on hold.\nhead 12:${head.hash}\n`, stderr: '' })
  assert.equal(asked[1]?.url, `/audit/verify?head=3%3A${head.hash}`)
})

test('a trail that does not hold ends with exit code 1 and the first broken record', async (t) => {
  const broken = { seq: 5, why: 'the record is missing' }
  const { ended } = await against(t, ['audit', 'verify'], { ok: false, checked: 4, first: 1, head, broken })
  assert.equal(ended.code, 1)
  assert.match(ended.stderr, /broken at record 5: the record is missing/)
})

test('records are listed with filters, or written as they come', async (t) => {
  const csv = await against(
    t,
    ['audit', 'list', '--format', 'csv', '--project', 'p1', '--action', 'delete'],
    'seq,id\r\n',
  )
  assert.deepEqual([csv.ended.code, csv.ended.stdout], [0, 'seq,id\r\n'])
  assert.equal(csv.asked[1]?.url, '/audit/events?action=delete&project_id=p1&format=csv')
  const wrong = await pileus(['audit', 'burn'])
  assert.equal(wrong.code, 2)
})

test('keys are changed with the powers of the system', async (t) => {
  const keys = { token: 2, credential: 3, resealed: 4 }
  const { ended, asked } = await against(t, ['keys', 'rotate'], { keys })
  assert.equal(ended.code, 0, ended.stderr)
  assert.match(ended.stdout, /key 2 .* key 3; 4 stored/)
  assert.deepEqual(asked[0]?.scope, { system: { all: true } })
  assert.deepEqual([asked[1]?.method, asked[1]?.url], ['POST', '/identity/v3/keys/rotate'])
})
