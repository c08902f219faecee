// FormPOST: a browser's upload form, allowed by a signature of a key of the account or the container.
import { piecesOf } from '#lib/pieces.ts'
import { readDeleteAt } from './metadata.ts'
import { type Answer, refuse } from './answer.ts'
import { parseForm } from './form.ts'
import type { State } from './load.ts'
import { putBytes } from './object-put.ts'
import { requireNames, type SwiftRequest } from './request.ts'
import { isSigned, readSignature, signingKeys } from './temp-url.ts'

export function isFormPost(sr: SwiftRequest): boolean {
  return (
    sr.method === 'POST' &&
    sr.container !== undefined &&
    /^multipart\/form-data\s*;/i.test(sr.header('content-type') ?? '')
  )
}

const mostFieldBytes = 4096

export async function answerForm(sr: SwiftRequest, state: State): Promise<Answer> {
  const fields: Record<string, string> = {}
  let files = 0
  let status = 400
  let said = 'FormPost: no file to process'
  for await (const part of parseForm(piecesOf(sr.req.stream), sr.header('content-type')!)) {
    if (part.filename === undefined) {
      const chunks: Buffer[] = []
      for await (const chunk of part.body) chunks.push(Buffer.from(chunk))
      fields[part.name] = Buffer.concat(chunks).subarray(0, mostFieldBytes).toString('utf8').trim()
      continue
    }
    if (files === 0) requireSignature(sr, state, fields)
    if (++files > Number(fields['max_file_count'])) refuse(400, 'FormPost: max_file_count exceeded')
    const object = (sr.object ?? '') + part.filename
    if (part.filename === '') {
      for await (const _ of part.body);
      continue
    }
    const target: SwiftRequest = { ...sr, method: 'PUT', object, granted: 'object', header: () => undefined }
    requireNames(target)
    if (!state.container) refuse(404)
    const given: SwiftRequest = {
      ...target,
      header: (name) =>
        name === 'x-delete-at'
          ? fields['x_delete_at']
          : name === 'x-delete-after'
            ? fields['x_delete_after']
            : undefined,
    }
    await putBytes(target, state, atMost(part.body, Number(fields['max_file_size'])), {
      contentType: part.headers['content-type'] ?? fields['content-type'] ?? 'application/octet-stream',
      metadata: {},
      headers: part.headers['content-encoding'] ? { 'content-encoding': part.headers['content-encoding'] } : {},
      deleteAt: readDeleteAt(given),
    })
    status = 201
    said = ''
  }
  if (files === 0) requireSignature(sr, state, fields)
  const redirect = fields['redirect']
  if (!redirect) return { status, headers: {}, body: said }
  const mark = redirect.includes('?') ? '&' : '?'
  return {
    status: 303,
    headers: { Location: `${redirect}${mark}status=${status}&message=${encodeURIComponent(said)}` },
  }
}

async function* atMost(body: AsyncIterable<Buffer>, most: number): AsyncIterable<Buffer> {
  let size = 0
  for await (const chunk of body) {
    size += chunk.length
    if (size > most) refuse(413, 'FormPost: max_file_size exceeded')
    yield chunk
  }
}

function requireSignature(sr: SwiftRequest, state: State, fields: Record<string, string>): void {
  const { redirect = '', max_file_size: size = '', max_file_count: count = '', expires = '', signature = '' } = fields
  for (const number of [size, count, expires])
    if (!/^\d+$/.test(number)) refuse(400, 'FormPost: max_file_size, max_file_count and expires must be numbers')
  if (Number(expires) * 1000 < Date.now()) refuse(401, 'FormPost: Form Expired')
  const read = readSignature(signature)
  const texts = sr.signedPaths().map((path) => [path, redirect, size, count, expires].join('\n'))
  if (!read || !isSigned(signingKeys(state), texts, read)) refuse(401, 'FormPost: Invalid Signature')
}
