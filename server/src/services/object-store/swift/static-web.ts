// A container as a web site, for who comes without a token: index, error pages, lists.
import type { Entry } from '../listing.ts'
import { listObjects } from '../listing.ts'
import type { Container } from '../model.ts'
import { findObject } from '../store/read.ts'
import { isAllowed, requireAccess } from './access.ts'
import { type Answer, escapeMarkup, refuse } from './answer.ts'
import type { State } from './load.ts'
import { showObject } from './object-get.ts'
import type { SwiftRequest } from './request.ts'

/** Whether this request is for a site rather than for the API. */
export function isForSite(sr: SwiftRequest, state: State): boolean {
  if ((sr.method !== 'GET' && sr.method !== 'HEAD') || !state.container || sr.granted) return false
  const asked = /^(true|1|yes|on|t|y)$/i.test(sr.header('x-web-mode') ?? '')
  if (sr.req.actor.userId !== '' && !asked) return false
  const { metadata } = state.container
  return ['web-index', 'web-error', 'web-listings'].some((name) => (metadata[name] ?? '') !== '')
}

export async function answerSite(sr: SwiftRequest, state: State): Promise<Answer> {
  const container = state.container!
  const { metadata } = container
  const name = sr.object ?? ''
  const rawPath = new URL(sr.req.url).pathname
  const isFolder = name === '' || name.endsWith('/')
  if (!isFolder) {
    if (!isAllowed(sr, 'object-read', container)) return failed(sr, container, sr.req.actor.userId === '' ? 401 : 403)
    if (await findObject(sr.req.db, container.id, name)) return showObject(sr, container, name)
    const inside = { prefix: `${name}/`, marker: '', endMarker: '', delimiter: '', limit: 1, reverse: false }
    if ((await listObjects(sr.req.db, container.id, inside)).length > 0)
      return { status: 301, headers: { Location: `${rawPath}/` } }
    return failed(sr, container, 404)
  }
  const index = metadata['web-index']
  if (index && isAllowed(sr, 'object-read', container) && (await findObject(sr.req.db, container.id, name + index))) {
    // the links of the page are relative to the folder
    if (name === '' && !rawPath.endsWith('/') && sr.header('x-web-mode'))
      return { status: 301, headers: { Location: `${rawPath}/` } }
    return showObject({ ...sr, object: name + index }, container, name + index)
  }
  if (!/^(true|1|yes|on|t|y)$/i.test(metadata['web-listings'] ?? '')) {
    if (name === '' && !index) {
      requireAccess(sr, 'list', container)
      return refuse(404)
    }
    return failed(sr, container, 404)
  }
  if (!isAllowed(sr, 'list', container)) return failed(sr, container, sr.req.actor.userId === '' ? 401 : 403)
  const page = { prefix: name, marker: '', endMarker: '', delimiter: '/', limit: 10_000, reverse: false }
  const rows = await listObjects(sr.req.db, container.id, page)
  if (rows.length === 0 && name !== '') return failed(sr, container, 404)
  return {
    status: 200,
    headers: { 'Content-Type': 'text/html; charset=UTF-8' },
    body: listPage(container, name, rows, metadata['web-listings-css'], rawPath.endsWith('/')),
  }
}

async function failed(sr: SwiftRequest, container: Container, status: number): Promise<Answer> {
  const suffix = container.metadata['web-error']
  const name = `${status}${suffix ?? ''}`
  if (suffix && isAllowed(sr, 'object-read', container) && (await findObject(sr.req.db, container.id, name))) {
    const page = await showObject({ ...sr, header: () => undefined }, container, name)
    return { ...page, status }
  }
  return refuse(status)
}

function listPage(
  container: Container,
  folder: string,
  rows: Entry[],
  css: string | undefined,
  withSlash: boolean,
): string {
  const base = withSlash ? '' : `${encodeURIComponent(container.name)}/`
  const depth = folder.split('/').length - 1
  const sheet = css && (/^(https?:)?\//.test(css) ? css : '../'.repeat(depth) + css)
  const style = sheet
    ? `<link rel="stylesheet" type="text/css" href="${escapeMarkup(sheet)}" />`
    : '<style>body{font-family:sans-serif}td{padding:0 1em}</style>'
  const link = (name: string) => base + name.split('/').map(encodeURIComponent).join('/')
  const lines = rows.map((row) => {
    const name = 'subdir' in row ? row.subdir : row.name
    const shown = escapeMarkup(name.slice(folder.length))
    const facts =
      'subdir' in row ? '<td></td><td></td>' : `<td>${row.size}</td><td>${row.modifiedAt.toISOString()}</td>`
    return `<tr><td><a href="${escapeMarkup(link(name.slice(folder.length)))}">${shown}</a></td>${facts}</tr>`
  })
  const title = escapeMarkup(`${container.name}/${folder}`)
  const up = folder === '' ? '' : '<tr><td><a href="../">../</a></td><td></td><td></td></tr>'
  return `<!DOCTYPE html>
<html><head><title>Listing of ${title}</title>${style}</head>
<body><h1>Listing of ${title}</h1><table>${up}${lines.join('\n')}</table></body></html>
`
}
