export const usage = `Pileus: a whole cloud in one program, with OpenStack's API.

  ./pileus up [flags]         set up what is missing and start the cloud
  ./pileus down [--guests]    stop it; guests run on unless --guests
  ./pileus status             processes, health, hosts, guests
  ./pileus agent --join …     make this machine a host of a cloud
  ./pileus host token         a token that lets one machine join
  ./pileus task list|show ID  what is being done, step by step
  ./pileus keys rotate        new keys for tokens, credentials and objects; nobody is logged out
  ./pileus audit list|verify  who did what, and whether that record is untouched
  ./pileus test               set-up, all checks, and the end-to-end tests

'./pileus COMMAND --help' tells more.
`

const data = `  --data DIR             where everything of this cloud lies (default var; or PILEUS_DATA)`

const usages: Record<string, string> = {
  up: `./pileus up [flags]: start the cloud, or continue it: guests that ran still run.

${data}
  --listen HOST:PORT     address of the API (default 127.0.0.1:8700; or PILEUS_LISTEN)
  --s3-listen HOST:PORT  address of the S3 API, or off (default: the port after that of --listen; or PILEUS_S3_LISTEN)
  --public-url URL       how clients reach it, when that is another (or PILEUS_PUBLIC_URL)
  --database URL         a PostgreSQL of your own, postgres://… (or PILEUS_DATABASE); default: an embedded one in DIR
  --sim HOSTS            that many simulated hosts in place of this machine; needs no root
  --no-agent             no host on this machine; others join with './pileus agent'
  --processes N          server processes (default: one for each core, 8 at most)
  --detach               return when the cloud is ready, and leave it running

The first start makes the user 'admin' (PILEUS_ADMIN_PASSWORD or a random password, written to DIR/clouds.yaml), flavors,
networks, keys for S3 (written to DIR/s3rc) and a small guest image (the qcow2 file PILEUS_GUEST_IMAGE, or one built from Debian's packages). Ctrl-C stops servers and database and leaves guests alone.
`,
  down: `./pileus down [flags]: stop servers, agent and database. Guests run on.

${data}
  --guests               shut the guests down first
`,
  status: `./pileus status [flags]: processes, health, hosts and guests; exit code 1 when not all is well.

${data}
`,
  agent: `./pileus agent --join TOKEN@URL [flags]: make this machine a host; once it has joined, './pileus agent --server URL' goes on.

${data}
  --join TOKEN@URL       a token of './pileus host token' and the address of the cloud
  --server URL           the address of the cloud
  --name NAME            the host's name (default: this machine's)
  --tunnel-address ADDR  the address that other hosts send their tunnels to
  --physical NAME=ADDRESS/PREFIX   an external network on this host and the host's address on it; may be repeated
  --namespace NAME       the network namespace of the data plane (default pileus)
  --accelerator auto|kvm|tcg
  --vcpus N, --memory-mb N, --disk-gb N   what guests may use, when that is not all
  --qemu-user USER       who QEMU runs as
  --teardown             end all guests of this host and take down its networks
`,
  host: `./pileus host token [flags]: print a token with which one machine may join ('./pileus agent --join TOKEN@URL').

${data}
`,
  task: `./pileus task list [flags] | show ID [flags]: what the cloud is doing, with steps, attempts and errors.
Signs in as DIR/clouds.yaml says, or as the OS_ variables say when OS_AUTH_URL is set.

${data}
  --json                 the API's own answer
  --all                  list the tasks of every project (admin)
`,
  keys: `./pileus keys rotate [flags]: new keys for tokens, credentials and encrypted objects. Old tokens stay good until they expire.
The user needs the role admin for the system, as the first user has.

${data}
`,
  audit: `./pileus audit list [flags] | verify [flags]: the audit trail, newest first; or whether it is as it was written (else exit
code 1 and the first broken record).

${data}
  --head SEQ:HASH        verify: a head that an earlier verify printed must still be in the trail; may be repeated
  --from TIME, --to TIME ISO 8601
  --initiator ID, --target ID, --action NAME, --outcome success|failure, --service NAME, --project ID
  --limit N              list: at most so many (default 50)
  --format table|csv|jsonl   list: csv and jsonl are all records, oldest first
`,
  test: `./pileus test: set-up, format, lint, types, dead code, tests, and the end-to-end tests (real guests where root and QEMU are).
`,
}

export function usageOf(command: string): string | undefined {
  return Object.hasOwn(usages, command) ? usages[command] : undefined
}
