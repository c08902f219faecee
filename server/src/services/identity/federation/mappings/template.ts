// Texts with places for what was asserted: `{0}` is the first of a rule's remote matches, as in Keystone's mapping language
// (docs.openstack.org/keystone, "Mapping Combinations"). `{{` and `}}` are braces.

/** Pieces of text, and numbers of matches between them. */
export type Template = readonly (string | number)[]

/** Throws an Error with a sentence for what is neither text nor `{number}`, and for a number that no match has. */
export function parseTemplate(text: string, matches: number): Template {
  const pieces: (string | number)[] = []
  for (const [piece = '', number] of text.matchAll(/\{\{|\}\}|\{(\d{1,4})\}|[^{}]+|[{}]/g)) {
    if (number !== undefined) {
      if (Number(number) >= matches)
        throw new Error(
          `'${text}' asks for {${number}}, but the rule has ${matches === 0 ? 'no match' : `only ${matches} ${matches === 1 ? 'match' : 'matches'}`} to take it from (any_one_of and not_any_of give none)`,
        )
      pieces.push(Number(number))
    } else if (piece === '{' || piece === '}')
      throw new Error(`'${text}' has a brace that is not part of {number}; write {{ or }} for a brace itself`)
    else pieces.push(piece === '{{' ? '{' : piece === '}}' ? '}' : piece)
  }
  return pieces
}

/** What one match gave: the values that were left of those asserted. */
export type Values = readonly string[]

/** One text: several values of a match are joined as they were asserted, by semicolons. */
export function fillText(template: Template, matches: readonly Values[]): string {
  return template.map((piece) => (typeof piece === 'string' ? piece : (matches[piece] ?? []).join(';'))).join('')
}

/** A text for each value, where the template is one match and nothing else; otherwise one text. */
export function fillEach(template: Template, matches: readonly Values[]): Values {
  const [piece] = template
  return template.length === 1 && typeof piece === 'number' ? (matches[piece] ?? []) : [fillText(template, matches)]
}
