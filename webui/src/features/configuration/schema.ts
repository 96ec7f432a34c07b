/** What the schema says of a place: which keys may stand there, and what one of them means. */
import { ITEM } from './place'

export interface Schema {
  type?: string | string[]
  title?: string
  description?: string
  default?: unknown
  enum?: unknown[]
  const?: unknown
  minimum?: number
  maximum?: number
  properties?: Record<string, Schema>
  additionalProperties?: Schema | boolean
  items?: Schema
  required?: string[]
  anyOf?: Schema[]
  oneOf?: Schema[]
}

/** The schema itself, and what it may be instead. */
function shapes(schema: Schema): Schema[] {
  return [schema, ...[...(schema.anyOf ?? []), ...(schema.oneOf ?? [])].flatMap(shapes)]
}

export function schemaAt(root: Schema, path: readonly string[]): Schema | null {
  let here: Schema | null = root
  for (const key of path) {
    here = here && below(here, key)
    if (!here) return null
  }
  return here
}

function below(schema: Schema, key: string): Schema | null {
  for (const shape of shapes(schema)) {
    if (key === ITEM) {
      if (shape.items) return shape.items
    } else {
      const named = shape.properties?.[key]
      if (named) return named
      if (typeof shape.additionalProperties === 'object') return shape.additionalProperties
    }
  }
  return null
}

export interface KnownKey {
  key: string
  schema: Schema
  required: boolean
}

/** Keys with a name of their own; a mapping with names of one's choice, such as of models, has none. */
export function keysOf(schema: Schema): KnownKey[] {
  const found = new Map<string, KnownKey>()
  for (const shape of shapes(schema)) {
    for (const [key, own] of Object.entries(shape.properties ?? {})) {
      if (!found.has(key)) found.set(key, { key, schema: own, required: shape.required?.includes(key) ?? false })
    }
  }
  return [...found.values()].sort((a, b) => Number(b.required) - Number(a.required) || a.key.localeCompare(b.key))
}

/** Names of one's own choice may stand here: what each of them is. */
export function freeNames(schema: Schema): Schema | null {
  for (const shape of shapes(schema)) if (typeof shape.additionalProperties === 'object') return shape.additionalProperties
  return null
}

/** The types in YAML's words; null says nothing to people. */
export function typesOf(schema: Schema): string[] {
  const types = shapes(schema).flatMap((shape) => shape.type ?? []).filter((type) => type !== 'null')
  return [...new Set(types)]
}

/** The values that are known: of a choice, or of yes and no. */
export function valuesOf(schema: Schema): string[] {
  const all = shapes(schema).flatMap((shape) => [...(shape.enum ?? []), ...(shape.const === undefined ? [] : [shape.const])])
  const values = all.filter((value) => value !== null).map(String)
  // Spellings that differ in case only are one choice.
  const unique = values.filter((value, index) => values.findIndex((other) => other.toLowerCase() === value.toLowerCase()) === index)
  if (unique.length === 0 && typesOf(schema).includes('boolean')) return ['true', 'false']
  return unique
}

/** Parts of the schema that descriptions repeat in words are left to the words. */
export function rangeOf({ minimum, maximum }: Schema): string | null {
  if (minimum === undefined && maximum === undefined) return null
  return `${minimum ?? '−∞'} … ${maximum ?? '∞'}`
}

export function defaultOf(schema: Schema): string | null {
  return schema.default === undefined || schema.default === null ? null : JSON.stringify(schema.default)
}

/** What is written behind a key that has just been chosen. */
export function ending(schema: Schema): string {
  const types = typesOf(schema)
  if (types.length === 0 || types.includes('string') || types.includes('number') || types.includes('integer') || types.includes('boolean')) return ': '
  if (types.includes('array')) return ': []'
  return ':\n'
}

/** The schema with descriptions from elsewhere, by path; what they lack stays as it is. */
export function described(schema: Schema, descriptions: Record<string, string>, path: readonly string[] = []): Schema {
  const at = (key: string, child: Schema) => described(child, descriptions, [...path, key])
  const properties = schema.properties && Object.fromEntries(Object.entries(schema.properties).map(([key, child]) => [key, at(key, child)]))
  return {
    ...schema,
    ...(schema.description !== undefined && { description: descriptions[path.join('.')] ?? schema.description }),
    ...(properties && { properties }),
    ...(typeof schema.additionalProperties === 'object' && { additionalProperties: at('*', schema.additionalProperties) }),
    ...(schema.items && { items: at(ITEM, schema.items) }),
  }
}
