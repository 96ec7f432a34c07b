/** The snippets for clients, filled in. `llm-manager connect` fills in the same ones, from the same file. */

export interface Step {
  /** A file, or what runs it: shell, python, node. */
  where: string
  text: string
}

export interface Client {
  id: string
  title: string
  /** Mode to the steps for a model of this mode. */
  modes: Partial<Record<string, Step[]>>
}

export interface Target {
  /** Where the manager is, without a path at the end. */
  origin: string
  model: string
  /** null: none is needed. */
  key: string | null
}

/** Most clients insist on a key. */
export const NO_KEY = 'none'

/** One word for a POSIX shell. */
export function shell(text: string): string {
  return /^[A-Za-z0-9._/:@%+=,-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`
}

/** Text between quotes of JSON, YAML, TOML, Python and JavaScript alike, and inside of a shell's single quotes. */
function insideQuotes(text: string): string {
  return JSON.stringify(text).slice(1, -1).replaceAll("'", '\\u0027')
}

export function fill(text: string, { origin, model, key }: Target): string {
  const known: Record<string, string> = {
    '@ORIGIN@': origin,
    '@BASE@': `${origin}/v1`,
    '@BASE:sh@': shell(`${origin}/v1`),
    '@AUTH:sh@': shell(`Authorization: Bearer ${key ?? NO_KEY}`),
    '@MODEL:sh@': shell(model),
    '@KEY:sh@': shell(key ?? NO_KEY),
    '@MODEL@': insideQuotes(model),
    '@KEY@': insideQuotes(key ?? NO_KEY),
  }
  const lines = text.split('\n').filter((line) => key !== null || !line.includes('@AUTH:sh@'))
  // In one pass: what is filled in may look like a placeholder itself.
  return lines.join('\n').replace(/@[A-Z]+(:sh)?@/g, (name) => known[name] ?? name)
}
