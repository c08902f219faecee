// Calls that come in one tick of the event loop become one: a busy process asks the database little more than an idle one.

/** `each(item)` answers what `all` says of it; `all` is called once for the items of one tick, and gives one answer for each. */
export function gather<Item, Answer>(all: (items: Item[]) => Promise<Answer[]>): (item: Item) => Promise<Answer> {
  let waiting: { item: Item; answered: (answer: Answer) => void; failed: (error: unknown) => void }[] = []
  const flush = async () => {
    const calls = waiting
    waiting = []
    try {
      const answers = await all(calls.map(({ item }) => item))
      for (const [i, answer] of answers.entries()) calls[i]?.answered(answer)
    } catch (error) {
      for (const call of calls) call.failed(error)
    }
  }
  return (item) =>
    new Promise((answered, failed) => {
      if (waiting.push({ item, answered, failed }) === 1) setImmediate(() => void flush())
    })
}
