// OS-SIMPLE-CERT gave the certificates that PKI tokens were checked with. Such tokens are gone, and Keystone says so.
import { Fault } from '#lib/fault.ts'
import { route } from '#lib/http/route.ts'

export const simpleCertRoutes = ['ca', 'certificates'].map((name) =>
  route({
    method: 'GET',
    path: `/OS-SIMPLE-CERT/${name}`,
    policy: 'public',
    async handle() {
      throw new Fault('gone', 'There are no PKI tokens any more, so this API has no certificates to give.')
    },
  }),
)
