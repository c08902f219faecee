import type { OnBucket } from '../operation.ts'

/** Reading, writing and removing what stands under one sub-resource of a bucket. */
export function bucketSetting(
  query: string,
  nouns: { name: string; get: OnBucket['permission']; put: OnBucket['permission']; remove?: OnBucket['permission'] },
  handlers: { get: OnBucket['handle']; put: OnBucket['handle']; remove?: OnBucket['handle'] },
): OnBucket[] {
  const { name } = nouns
  const on = { level: 'bucket', query } as const
  const rows: OnBucket[] = [
    { ...on, name: `Get${name}`, method: 'GET', permission: nouns.get, rule: 'account:read', handle: handlers.get },
    { ...on, name: `Put${name}`, method: 'PUT', permission: nouns.put, rule: 'account:write', handle: handlers.put },
  ]
  if (handlers.remove)
    rows.push({
      ...on,
      name: `Delete${name}`,
      method: 'DELETE',
      permission: nouns.remove ?? nouns.put,
      rule: 'account:write',
      handle: handlers.remove,
    })
  return rows
}
