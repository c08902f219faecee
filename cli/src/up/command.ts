import { stop, Trouble } from '../trouble.ts'
import { detachedMark, startDetached, tellParent } from './detach.ts'
import { readSettings, type Settings } from './settings.ts'
import { supervise } from './supervise.ts'

export async function up(args: string[], env: NodeJS.ProcessEnv): Promise<void> {
  const settings = readSettings(args, env)
  if (settings.agent && process.getuid?.() !== 0)
    stop(
      'The agent of this machine needs root, for network namespaces and guests; run as root, or start with --sim HOSTS (simulated hosts) or --no-agent (no host for now).',
    )
  if (env[detachedMark] !== undefined) return runDetached(settings, env)
  if (settings.detach) return say(welcome(settings, await startDetached(args, env)))
  // Our output may be a file on a full disk, or a pipe whose reader has left: no reason to end the cloud.
  process.stdout.on('error', () => {})
  await supervise(settings, env, {
    say,
    ready: (seconds) => say(`${welcome(settings, seconds)}\nCtrl-C stops the servers and the database; guests run on.`),
  })
}

async function runDetached(settings: Settings, env: NodeJS.ProcessEnv): Promise<void> {
  const { [detachedMark]: _, ...clean } = env
  try {
    await supervise(settings, clean, {
      say: (line) => tellParent({ say: line }),
      ready: (seconds) => tellParent({ ready: seconds }),
    })
  } catch (error) {
    const failed = error instanceof Error ? error.message : String(error)
    tellParent({ failed, exitCode: error instanceof Trouble ? error.exitCode : 1 })
    process.exitCode = 1
  }
}

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}

function welcome({ data, publicUrl, s3, simHosts, agent }: Settings, seconds: string): string {
  const hosts = simHosts > 0 ? `${simHosts} simulated hosts` : agent ? 'this machine is its host' : 'no host yet'
  const folder = data.shown.replace(/\/+$/, '')
  return `
The cloud is ready (${seconds}): ${publicUrl}, ${hosts}.

Sign in as admin; the password is in ${folder}/clouds.yaml, and ${folder}/openrc is the same for a shell:
  export OS_CLIENT_CONFIG_FILE=${folder}/clouds.yaml OS_CLOUD=pileus
  openstack server list
${s3 ? `S3 answers at ${s3.url}; the admin's keys for it are in ${folder}/s3rc.\n` : ''}${agent || simHosts > 0 ? firstMachine : joinHost}
The default security group of project admin lets ssh (tcp/22) and ping in from everywhere.
'./pileus status' shows what runs; './pileus down' stops it and leaves guests alone. Logs: ${folder}/log`
}

const firstMachine = `
A first machine:
  openstack server create --flavor tiny --image tiny --network private --wait web
  openstack floating ip create public
  openstack server add floating ip web ADDRESS      # then: ssh cirros@ADDRESS (password: gocubsgo)
`
const joinHost = `
Join a host: './pileus host token' here, then './pileus agent --join TOKEN@URL' there.
`
