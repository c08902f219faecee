/** Something the user or the machine caused. Its message is a whole sentence and is all that is shown. */
export class Trouble extends Error {
  readonly exitCode: number
  constructor(sentence: string, exitCode = 1, options?: ErrorOptions) {
    super(sentence, options)
    this.exitCode = exitCode
  }
}

/** Ends the command with this sentence. Exit code 2 is for a command line that makes no sense. */
export function stop(sentence: string, exitCode = 1): never {
  throw new Trouble(sentence, exitCode)
}

const systemSentences: Record<string, (path: string) => string> = {
  ENOSPC: (path) => `The disk is full: ${path} could not be written. Free some space and try again.`,
  EDQUOT: (path) => `The disk quota is used up: ${path} could not be written.`,
  EROFS: (path) => `${path} lies on a read-only file system.`,
  EACCES: (path) => `No permission to use ${path}.`,
  EPERM: (path) => `No permission to use ${path}.`,
  ENOENT: (path) => `${path} does not exist and cannot be made.`,
  ENOTDIR: (path) => `${path} cannot be used: a part of that path is a file, not a directory.`,
  EISDIR: (path) => `${path} is a directory where a file is expected.`,
  ENAMETOOLONG: (path) => `The path ${path} is too long.`,
}

/** The sentence for what the world may cause; undefined when the error is a bug of ours. */
export function sentenceOf(error: unknown): string | undefined {
  if (error instanceof Trouble) return error.message
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'string') return undefined
  if ('syscall' in error && error.syscall === 'kill')
    return 'The process belongs to another user; do this as that user, or as root.'
  const path = 'path' in error && typeof error.path === 'string' ? error.path : 'a file'
  return systemSentences[error.code]?.(path)
}
