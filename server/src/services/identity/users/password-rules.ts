// What the operator asks of passwords (Keystone's [security_compliance]); users' options exempt them from some of it.
import type { Config } from '#lib/config.ts'
import { invalid } from '#lib/fault.ts'
import { verifyPassword } from './password.ts'

const dayMs = 86_400_000
type Options = Readonly<Record<string, unknown>>

/** Throws invalid for a password that does not have the required form. */
export function requireForm(config: Config, password: string): void {
  const { passwordRegex, passwordRegexHint } = config
  if (passwordRegex === '' || new RegExp(passwordRegex).test(password)) return
  invalid(
    passwordRegexHint === ''
      ? 'The password does not match what this cloud asks of passwords.'
      : `The password does not match the requirements: ${passwordRegexHint}.`,
  )
}

/** When a password that is set now ends; null: never. One that an admin sets may be good for a single change only. */
export function passwordEnd(config: Config, options: Options, setBy: 'user' | 'admin'): Date | null {
  const once = setBy === 'admin' && config.passwordFirstUse && options['ignore_change_password_upon_first_use'] !== true
  if (once) return new Date()
  if (config.passwordDays === 0 || options['ignore_password_expiry'] === true) return null
  return new Date(Date.now() + config.passwordDays * dayMs)
}

/** How many passwords of a user are kept, the present one included. */
export const keptPasswords = ({ passwordHistory }: Config) => Math.max(1, passwordHistory)

interface OldPassword {
  hash: string
  createdAt: Date
  expiresAt: Date | null
}

/**
 * Throws invalid when the user may not change the password yet, or used the new one before. `old`: newest first. One that
 * has expired, or that an admin gave for one use, may be changed whenever that was.
 */
export async function requireChangeable(config: Config, old: readonly OldPassword[], next: string): Promise<void> {
  const [present] = old
  const early = present && present.createdAt.getTime() + config.passwordMinDays * dayMs - Date.now()
  const ended = present?.expiresAt && present.expiresAt.getTime() <= Date.now()
  if (early !== undefined && early > 0 && !ended)
    invalid(`The password was changed a short time ago: it can be changed again in ${Math.ceil(early / dayMs)} day(s).`)
  for (const { hash } of old.slice(0, config.passwordHistory))
    if (await verifyPassword(next, hash))
      invalid(`The new password must not be one of the last ${config.passwordHistory} that you had.`)
}
