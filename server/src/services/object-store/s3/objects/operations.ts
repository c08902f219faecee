// What may be asked and changed of an object besides its bytes.
import { getObjectAcl, putObjectAcl } from '../access/object-acl.ts'
import { getObjectLegalHold, getObjectRetention, putObjectLegalHold, putObjectRetention } from './lock.ts'
import { deleteObjectTagging, getObjectTagging, putObjectTagging } from './tags.ts'
import type { OnObject } from '../operation.ts'

function read(query: string, name: string, handle: OnObject['handle']): OnObject {
  return {
    name: `Get${name}`,
    level: 'object',
    method: 'GET',
    query,
    permission: `s3:Get${name}`,
    rule: 'account:read',
    handle,
  }
}
function write(query: string, name: string, handle: OnObject['handle']): OnObject {
  return {
    name: `Put${name}`,
    level: 'object',
    method: 'PUT',
    query,
    permission: `s3:Put${name}`,
    rule: 'account:write',
    handle,
  }
}

export const objectSettingOperations: OnObject[] = [
  read('acl', 'ObjectAcl', getObjectAcl),
  write('acl', 'ObjectAcl', putObjectAcl),
  read('tagging', 'ObjectTagging', getObjectTagging),
  write('tagging', 'ObjectTagging', putObjectTagging),
  {
    name: 'DeleteObjectTagging',
    level: 'object',
    method: 'DELETE',
    query: 'tagging',
    permission: 's3:DeleteObjectTagging',
    rule: 'account:write',
    handle: deleteObjectTagging,
  },
  read('retention', 'ObjectRetention', getObjectRetention),
  write('retention', 'ObjectRetention', putObjectRetention),
  read('legal-hold', 'ObjectLegalHold', getObjectLegalHold),
  write('legal-hold', 'ObjectLegalHold', putObjectLegalHold),
]
