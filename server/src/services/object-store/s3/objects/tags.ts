// Tags of an object.
import { type Answer, xmlAnswer } from '../wire/answer.ts'
import { readXml } from '../wire/body.ts'
import { changeNamed, getNamed, namedHeader } from './change.ts'
import type { ObjectRequest } from '../wire/request.ts'
import { mostObjectTags, readTagSet, showTagSet } from '../wire/tags.ts'

export async function getObjectTagging(request: ObjectRequest): Promise<Answer> {
  const found = await getNamed(request)
  return xmlAnswer('Tagging', showTagSet(found.tags ?? {}), namedHeader(request, found))
}

export async function putObjectTagging(request: ObjectRequest): Promise<Answer> {
  const tags = readTagSet(await readXml(request, 'Tagging', 1 << 16), mostObjectTags)
  const found = await changeNamed(request, 'tags', () => tags)
  return { status: 200, headers: namedHeader(request, found) }
}

export async function deleteObjectTagging(request: ObjectRequest): Promise<Answer> {
  const found = await changeNamed(request, 'tags', () => null)
  return { status: 204, headers: namedHeader(request, found) }
}
