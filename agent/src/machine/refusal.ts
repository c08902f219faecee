/** What is wished cannot be made true without another wish; the message is a sentence for the machine's owner. */
export class Refusal extends Error {
  override name = 'Refusal'
}
