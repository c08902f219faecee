// New keys without logging anyone out: an extension of our own, for `pileus keys rotate`.
import { route } from '#lib/http/route.ts'
import { emit } from '#lib/event.ts'
import { change } from './change.ts'
import { resealCredentials } from './credentials/model.ts'
import { resealConfig } from './domain-config/model.ts'
import { addKey, dropOldKeys } from '#lib/key-ring.ts'
import { resealProtocols } from './federation/protocols/model.ts'
import { resealOauth } from './oauth/model.ts'

const hourMs = 3_600_000

export const keyRoutes = [
  route({
    method: 'POST',
    path: '/keys/rotate',
    policy: 'identity:rotate_keys',
    async handle({ db, world }) {
      return change(db, async (tx) => {
        const token = await addKey(tx, 'token')
        // an old token key is needed as long as what it sealed may be shown: its life, and two days of allow_expired
        await dropOldKeys(tx, 'token', (world.config.tokenHours + 48) * hourMs)
        const credential = await addKey(tx, 'credential')
        let resealed = 0
        for (const reseal of [resealCredentials, resealConfig, resealOauth, resealProtocols])
          resealed += await reseal(tx)
        // whoever seals at this moment with the old key is met by the next change of keys
        await dropOldKeys(tx, 'credential', hourMs)
        // services above keep keys of their own
        await emit(tx, { type: 'keys.rotated', resourceId: 'keys', region: world.config.region })
        return { keys: { token, credential, resealed } }
      })
    },
  }),
]
