// Writing nftables' language.

/** `head { … }`, with the body indented. */
export function block(head: string, body: readonly string[]): string[] {
  return [`${head} {`, ...body.map((line) => ` ${line}`), '}']
}

/** The `elements` line of a set or map; none when there are no elements (nft refuses an empty list). */
export function elements(list: readonly string[]): string[] {
  return list.length === 0 ? [] : [`elements = { ${list.join(', ')} }`]
}

/** One transaction that puts the new table in the old one's place, whether there was an old one or not. */
export function replaceTable(family: string, name: string, text: string): string {
  return `table ${family} ${name}\ndelete table ${family} ${name}\n${text}\n`
}
