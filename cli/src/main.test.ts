import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { root } from './programs.ts'
import { freePort, pileus, runProgram, scratch } from './testing.ts'

test('every command has help, and the help names every command', async () => {
  const { code, stdout } = await pileus(['--help'])
  assert.equal(code, 0)
  const commands = new Set([...stdout.matchAll(/^ {2}\.\/pileus (\w+)/gm)].map(([, name]) => name ?? ''))
  assert.deepEqual([...commands].toSorted(), ['agent', 'audit', 'down', 'host', 'keys', 'status', 'task', 'test', 'up'])
  for (const command of commands) {
    const help = await pileus([command, '--help'])
    assert.deepEqual([help.code, help.stderr], [0, ''])
    assert.ok(help.stdout.startsWith(`./pileus ${command}`), command)
  }
})

test('an unknown command and an unknown flag end with a sentence and exit code 2', async () => {
  const command = await pileus(['frob'])
  assert.deepEqual(command, { code: 2, stdout: '', stderr: "There is no command 'frob'. See './pileus --help'.\n" })
  const flag = await pileus(['up', '--frob'])
  assert.equal(flag.code, 2)
  assert.match(flag.stderr, /^'pileus up': Unknown option '--frob'\..*\n$/)
})

test('what is not running is said so', async (t) => {
  const data = scratch(t)
  const status = await pileus(['status', '--data', data])
  assert.deepEqual(status, { code: 1, stdout: '', stderr: `The cloud in ${data} is not running.\n` })
  assert.deepEqual((await pileus(['down', '--data', data])).stdout, `There is no cloud in ${data}.\n`)
  const task = await pileus(['task', 'list', '--data', data])
  assert.equal(task.code, 1)
  assert.match(task.stderr, /^There is no cloud in .*\n$/)
})

test('a database that does not answer ends `up` with one sentence', async (t) => {
  // Port 1 of the loopback: nothing listens there, and the refusal comes at once.
  const database = 'postgres://nobody:secret@127.0.0.1:1/none'
  const listen = `127.0.0.1:${await freePort()}`
  const args = [
    'up',
    '--sim',
    '1',
    '--data',
    scratch(t),
    '--listen',
    listen,
    '--s3-listen',
    'off',
    '--database',
    database,
  ]
  const { code, stdout, stderr } = await pileus(args)
  assert.deepEqual([code, stdout], [1, ''])
  assert.match(stderr, /^[^\n]+\n$/)
  assert.doesNotMatch(stderr, /secret/)
})

test('the launcher says what to install where there is no Node.js', async (t) => {
  const folder = scratch(t)
  const bin = join(folder, 'bin')
  const { stderr: trouble } = await runProgram('sh', [
    '-c',
    `mkdir ${bin} && cp ${root}/pileus ${folder}/ && for p in sh readlink dirname id cmp cat; do ln -s "$(command -v $p)" ${bin}/; done`,
  ])
  assert.equal(trouble, '')
  writeFileSync(join(folder, 'package-lock.json'), '{}')
  const { code, stderr } = await runProgram(join(folder, 'pileus'), ['up'], { env: { PATH: bin } })
  assert.equal(code, 1)
  assert.match(stderr, /^pileus: Node\.js and npm are needed to begin: [^\n]+\n$/)
})
