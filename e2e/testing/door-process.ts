// Runs inside a namespace: each connection to the unix socket becomes one to HOST:PORT there.
// Usage: node door-process.ts SOCKET HOST PORT
import { connect, createServer } from 'node:net'

const [socketPath = '', host = '', port = ''] = process.argv.slice(2)
createServer((outer) => {
  const inner = connect(Number(port), host)
  outer.pipe(inner).pipe(outer)
  outer.on('error', () => {})
  inner.on('error', () => {})
  // Also one that is still being opened: it must not get through later, when nobody waits for it any more.
  outer.on('close', () => inner.destroy())
  inner.on('close', () => outer.destroy())
}).listen(socketPath, () => process.stdout.write('open\n'))
