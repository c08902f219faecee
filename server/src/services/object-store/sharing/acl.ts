// Access control lists of buckets and objects: grants to projects, to everybody, to everybody who signs in. Pure.

export const permissions = ['READ', 'WRITE', 'READ_ACP', 'WRITE_ACP', 'FULL_CONTROL'] as const
export type AclPermission = (typeof permissions)[number]
/** `all`: strangers too; `authenticated`: whoever signs in; else the id of a project. */
export type Grantee = 'all' | 'authenticated' | { id: string }
export interface Grant {
  grantee: Grantee
  permission: AclPermission
}
/** The owner's full control is not among them: it goes without saying, and cannot be given up. */
export type Acl = readonly Grant[]

export const cannedAcls: Record<string, Acl> = {
  private: [],
  'public-read': [{ grantee: 'all', permission: 'READ' }],
  'public-read-write': [
    { grantee: 'all', permission: 'READ' },
    { grantee: 'all', permission: 'WRITE' },
  ],
  'authenticated-read': [{ grantee: 'authenticated', permission: 'READ' }],
  // the owner of a bucket owns what is in it
  'bucket-owner-read': [],
  'bucket-owner-full-control': [],
}

/** Whether a grant gives that permission to a project (undefined: to a stranger). */
export function aclAllows(acl: Acl, permission: AclPermission, projectId: string | undefined): boolean {
  return acl.some(
    (grant) =>
      (grant.permission === permission || grant.permission === 'FULL_CONTROL') && includes(grant.grantee, projectId),
  )
}

function includes(grantee: Grantee, projectId: string | undefined): boolean {
  if (grantee === 'all') return true
  if (projectId === undefined) return false
  return grantee === 'authenticated' || grantee.id === projectId
}

/** Grants to a whole world, which a public access block can forbid or pass over. */
export function isPublicGrant({ grantee }: Grant): boolean {
  return grantee === 'all' || grantee === 'authenticated'
}

const bucketDeeds: Record<string, AclPermission> = {
  's3:ListBucket': 'READ',
  's3:ListBucketVersions': 'READ',
  's3:ListBucketMultipartUploads': 'READ',
  's3:PutObject': 'WRITE',
  's3:DeleteObject': 'WRITE',
  's3:AbortMultipartUpload': 'WRITE',
  's3:ListMultipartUploadParts': 'WRITE',
  's3:GetBucketAcl': 'READ_ACP',
  's3:PutBucketAcl': 'WRITE_ACP',
}
const objectDeeds: Record<string, AclPermission> = {
  's3:GetObject': 'READ',
  's3:GetObjectVersion': 'READ',
  's3:GetObjectAttributes': 'READ',
  's3:GetObjectAcl': 'READ_ACP',
  's3:GetObjectVersionAcl': 'READ_ACP',
  's3:PutObjectAcl': 'WRITE_ACP',
  's3:PutObjectVersionAcl': 'WRITE_ACP',
}

/** What the list of the bucket, or of the object, must grant for a deed; undefined: no list can. */
export function neededGrant(action: string): { of: 'bucket' | 'object'; permission: AclPermission } | undefined {
  const ofBucket = bucketDeeds[action]
  if (ofBucket) return { of: 'bucket', permission: ofBucket }
  const ofObject = objectDeeds[action]
  return ofObject && { of: 'object', permission: ofObject }
}
