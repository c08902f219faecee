// A page that posts a form at once: at the end of a sign-in it brings the token to the dashboard, as Keystone's does.
import { createHash } from 'node:crypto'

const script = "document.getElementById('sso').submit()"
const scriptHash = createHash('sha256').update(script).digest('base64')

const escapes: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }
const escaped = (text: string) => text.replaceAll(/[&<>"']/g, (c) => escapes[c] ?? c)

export interface Page {
  body: string
  headers: Record<string, string>
}

/** Posts the fields to that address; their names have nothing to escape. */
export function postingPage(address: string, fields: Record<string, string>): Page {
  const inputs = Object.entries(fields).map(
    ([name, value]) => `<input type="hidden" name="${name}" id="${name}" value="${escaped(value)}">`,
  )
  const body = `<!DOCTYPE html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <title>Signing in</title>
  </head>
  <body>
    <form id="sso" name="sso" action="${escaped(address)}" method="post">
      <p>Signing in…</p>
      ${inputs.join('\n      ')}
      <noscript><button type="submit">Go on</button></noscript>
    </form>
    <script>${script}</script>
  </body>
</html>
`
  const { origin: host } = new URL(address)
  return {
    body,
    headers: {
      'content-type': 'text/html; charset=utf-8',
      // what the page holds signs somebody in: it is kept nowhere, and goes nowhere else
      'cache-control': 'no-store',
      'referrer-policy': 'no-referrer',
      'content-security-policy': `default-src 'none'; script-src 'sha256-${scriptHash}'; form-action ${host}; frame-ancestors 'none'; base-uri 'none'`,
    },
  }
}
