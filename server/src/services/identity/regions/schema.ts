import { Type } from 'typebox'
import { nullable } from '#lib/http/schema.ts'
import { Description, requestOf } from '../fields.ts'

export const RegionId = Type.String({ minLength: 1, maxLength: 255 })
const fields = {
  description: Type.Optional(Description),
  parent_region_id: Type.Optional(nullable(Type.String({ maxLength: 255 }))),
}
export const CreateRegion = requestOf('region', { id: Type.Optional(RegionId), ...fields })
export const UpdateRegion = requestOf('region', { id: Type.Optional(RegionId), ...fields }, { minProperties: 1 })
