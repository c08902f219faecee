// PostgreSQL's arrays, as it writes them (its manual, 8.15.6: `{1,NULL,"with \"quotes\" and, commas",{nested}}`). postgres.js
// would ask each new connection for the numbers of their types; a connection that breaks under that question ends the process.
import type { PostgresType } from 'postgres'

type Element = null | string | number | boolean | object
type Values = (Element | Values)[]

/** `element`: the value of an element's text. */
function parseArray(text: string, element: (text: string) => Element): Values {
  // bounds that do not begin with 1 stand before it
  let at = text.indexOf('{')
  const quoted = (): string => {
    let value = ''
    for (at++; text[at] !== '"'; at++) value += text[at] === '\\' ? text[++at]! : text[at]!
    at++
    return value
  }
  const plain = (): Element => {
    const from = at
    while (text[at] !== ',' && text[at] !== '}') at++
    const value = text.slice(from, at)
    return value === 'NULL' ? null : element(value)
  }
  const values = (): Values => {
    const all: Values = []
    for (at++; text[at] !== '}';) {
      if (text[at] === ',') at++
      if (text[at] === '{') all.push(values())
      else all.push(text[at] === '"' ? element(quoted()) : plain())
    }
    at++
    return all
  }
  return values()
}

function writeArray(given: unknown): string {
  // what is written already stays as it is
  if (!Array.isArray(given)) return String(given)
  const values = given.map((value: unknown) => {
    if (value === null || value === undefined) return 'NULL'
    return Array.isArray(value) ? writeArray(value) : `"${textOf(value).replaceAll(/["\\]/g, String.raw`\$&`)}"`
  })
  return `{${values.join()}}`
}

function textOf(value: unknown): string {
  if (value instanceof Date) return value.toISOString()
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}

const arrays = (numbers: [number, ...number[]], element: (text: string) => Element): PostgresType => ({
  to: numbers[0],
  from: numbers,
  serialize: writeArray,
  parse: (text: string) => parseArray(text, element),
})

/** For postgres.js; the numbers are those of PostgreSQL's catalogue (pg_type.dat, array_type_oid). */
export const arrayTypes = {
  // text, varchar, bpchar, name, uuid, int8, numeric, inet, cidr, macaddr, date, timestamp, timestamptz: all of them as text
  texts: arrays([1009, 1015, 1014, 1003, 2951, 1016, 1231, 1041, 651, 1040, 1182, 1115, 1185], (text) => text),
  // int4, int2, oid, float4, float8
  numbers: arrays([1007, 1005, 1028, 1021, 1022], Number),
  booleans: arrays([1000], (text) => text === 't'),
  documents: arrays([3807, 199], (text) => JSON.parse(text) as Element),
}
