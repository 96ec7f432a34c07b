/** What is offered at a place: keys that are not there yet, or the values of a choice. */
import type { Choice } from './Choices'
import type { Place } from './place'
import { ending, freeNames, keysOf, type Schema, schemaAt, valuesOf } from './schema'

export interface Help {
  /** The keys that lead to what is explained. */
  path: string[]
  schema: Schema
  /** Of the mapping that the cursor is in. */
  required: boolean
  /** Keys that may be added beside the cursor. */
  keys: { key: string; required: boolean; note: string }[]
}

/** The first sentence says what a key is. */
export function gist(schema: Schema): string {
  return /^.+?(?=[.:;](?:\s|$)|[。；：（])/.exec(schema.description ?? '')?.[0] ?? schema.description ?? ''
}

export function helpAt(root: Schema, place: Place): Help | null {
  const mapping = schemaAt(root, place.path)
  if (!mapping) return null
  const own = place.key === null ? null : schemaAt(mapping, [place.key])
  const known = keysOf(mapping)
  const taken = new Set([...place.siblings, ...(place.key === null ? [] : [place.key])])
  return {
    path: own && place.key !== null ? [...place.path, place.key] : place.path,
    schema: own ?? mapping,
    required: own !== null && (known.find((one) => one.key === place.key)?.required ?? false),
    keys: known.filter((one) => !taken.has(one.key)).map(({ key, required, schema }) => ({ key, required, note: gist(schema) })),
  }
}

/** The choices for what is typed so far, and how much of it they replace. */
export function choicesAt(root: Schema, place: Place, before: string): { choices: Choice[]; replaces: number } {
  const none = { choices: [], replaces: 0 }
  const mapping = schemaAt(root, place.path)
  if (!mapping) return none
  if (place.inValue && place.key !== null) {
    const own = schemaAt(mapping, [place.key])
    const typed = /:\s+"?([\w.-]*)$/.exec(before)?.[1]
    if (!own || typed === undefined) return none
    const fitting = valuesOf(own).filter((value) => value.toLowerCase().startsWith(typed.toLowerCase()) && value !== typed)
    return { choices: fitting.map((value) => ({ label: value, note: '', insert: value })), replaces: typed.length }
  }
  if (!place.typed) return none
  const typed = place.typed.text
  const fitting = keysOf(mapping).filter(({ key }) => key.toLowerCase().includes(typed.toLowerCase()) && key !== typed && !place.siblings.includes(key))
  // Where names of one's own choice stand, too, nothing is guessed before a letter is typed.
  if (typed === '' && freeNames(mapping)) return none
  const first = (key: string) => (key.toLowerCase().startsWith(typed.toLowerCase()) ? 0 : 1)
  return {
    choices: fitting.toSorted((a, b) => first(a.key) - first(b.key)).map(({ key, schema }) => ({ label: key, note: gist(schema), insert: key + ended(schema, place.typed?.column ?? 0) })),
    replaces: typed.length,
  }
}

/** A mapping goes on in the next line, one step deeper. */
export function ended(schema: Schema, column: number): string {
  const end = ending(schema)
  return end.endsWith('\n') ? `${end}${' '.repeat(column + 2)}` : end
}
