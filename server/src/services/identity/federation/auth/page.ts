// What a browser gets at the end of a sign-in: a form that brings the token to the dashboard, as Keystone's does.
import { createHash } from 'node:crypto'

const script = "document.getElementById('sso').submit()"
const scriptHash = createHash('sha256').update(script).digest('base64')

const escapes: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }
const escaped = (text: string) => text.replaceAll(/[&<>"']/g, (c) => escapes[c] ?? c)

export function tokenPage(origin: string, token: string): { body: string; headers: Record<string, string> } {
  const body = `<!DOCTYPE html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <title>Signing in</title>
  </head>
  <body>
    <form id="sso" name="sso" action="${escaped(origin)}" method="post">
      <p>Signing in…</p>
      <input type="hidden" name="token" id="token" value="${escaped(token)}">
      <noscript><button type="submit">Go on</button></noscript>
    </form>
    <script>${script}</script>
  </body>
</html>
`
  const { origin: host } = new URL(origin)
  return {
    body,
    headers: {
      'content-type': 'text/html; charset=utf-8',
      // the page holds a token: it is kept nowhere, and brings it nowhere else
      'cache-control': 'no-store',
      'referrer-policy': 'no-referrer',
      'content-security-policy': `default-src 'none'; script-src 'sha256-${scriptHash}'; form-action ${host}; frame-ancestors 'none'; base-uri 'none'`,
    },
  }
}
