/** What a person sets beside the message, as texts, and what becomes of it in a request. */
import type { Options } from './chat'

export interface Settings {
  system: string
  temperature: string
  topP: string
  most: string
  /** One a line. */
  stop: string
  json: 'off' | 'object' | 'schema'
  schema: string
  tools: string
}

export const NO_SETTINGS: Settings = { system: '', temperature: '', topP: '', most: '', stop: '', json: 'off', schema: '', tools: '' }

export type Wrong = 'number' | 'json' | 'list'

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** The request's part of the settings, and which of them cannot be used. */
export function optionsOf(settings: Settings): { options: Options; wrong: Partial<Record<keyof Settings, Wrong>> } {
  const wrong: Partial<Record<keyof Settings, Wrong>> = {}
  const options: Options = {}
  const number = (name: 'temperature' | 'topP' | 'most', to: 'temperature' | 'top_p' | 'max_tokens', fits: (value: number) => boolean) => {
    const text = settings[name].trim()
    if (!text) return
    const value = Number(text)
    if (Number.isFinite(value) && fits(value)) options[to] = value
    else wrong[name] = 'number'
  }
  number('temperature', 'temperature', (value) => value >= 0)
  number('topP', 'top_p', (value) => value > 0 && value <= 1)
  number('most', 'max_tokens', (value) => Number.isInteger(value) && value > 0)
  // Blanks at the ends may be meant; `\n` is the only way to write a line end here.
  const stop = settings.stop.split('\n').filter((line) => line !== '').map((line) => line.replaceAll('\\n', '\n'))
  if (stop.length > 0) options.stop = stop
  if (settings.json === 'object') options.response_format = { type: 'json_object' }
  if (settings.json === 'schema') {
    const schema = parsed(settings.schema)
    if (typeof schema === 'object' && schema !== null && !Array.isArray(schema)) options.response_format = { type: 'json_schema', json_schema: { name: 'answer', schema } }
    else wrong.schema = 'json'
  }
  if (settings.tools.trim()) {
    const tools = parsed(settings.tools)
    if (Array.isArray(tools)) options.tools = tools.map((tool: unknown) => wrapped(tool))
    else wrong.tools = tools === undefined ? 'json' : 'list'
  }
  return { options, wrong }
}

/** `{name, parameters}` alone is taken for a function. */
function wrapped(tool: unknown): unknown {
  return typeof tool === 'object' && tool !== null && 'name' in tool && !('type' in tool) ? { type: 'function', function: tool } : tool
}
