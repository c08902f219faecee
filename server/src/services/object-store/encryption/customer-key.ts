// SSE-C: the customer's key comes with every request and is kept nowhere. It wraps the data key, and only that is stored: the
// random nonce is the salt, the tag tells a wrong key. Nothing here may reach a log.
import { hkdfSync } from 'node:crypto'
import { forbidden } from '#lib/fault.ts'
import { openBytes, sealBytes } from '#lib/sealed.ts'

// apart from whatever else the customer does with the same key
const wrapping = (customerKey: Buffer) => ({
  key: Buffer.from(hkdfSync('sha256', customerKey, '', 'pileus customer key 1', 32)),
})

export function wrapForCustomer(dataKey: Buffer, customerKey: Buffer): string {
  return sealBytes(dataKey, 'object data key', wrapping(customerKey)).toString('base64')
}

/** Throws forbidden for another key than that which wrapped it. */
export function unwrapForCustomer(wrapped: string, customerKey: Buffer): Buffer {
  try {
    return openBytes(Buffer.from(wrapped, 'base64'), 'object data key', wrapping(customerKey))
  } catch {
    return forbidden('The key that was given is not the one that this object was encrypted with.', {
      code: 'AccessDenied',
    })
  }
}
