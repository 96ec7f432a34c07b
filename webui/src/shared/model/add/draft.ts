/** What is filled in so far, and the model that it makes. */
import { type Entry } from './entry'
import { commandOf, examples, nameFrom, type Template } from './templates'

export interface Draft {
  template: Template
  /** A file, a repository, a command or a script: whatever the template asks for. */
  source: string
  /** Empty: made from the source. */
  name: string
  aliases: string
  mode: string
  port: string
  /** By device: what is wanted of it, in MiB; empty: estimated, if all are. */
  devices: Record<string, string>
}

export const EMPTY: Draft = { template: 'llamacpp', source: '', name: '', aliases: '', mode: 'Chat', port: '', devices: {} }

/** As an example, as long as nothing is filled in. */
export function entryOf(draft: Draft): Entry {
  const source = draft.source.trim() || examples[draft.template]
  const devices = Object.entries(draft.devices).map(([name, memory]) => ({ name, memoryMb: /^\d+$/.test(memory.trim()) ? Number(memory) : null }))
  return {
    name: draft.name.trim() || nameFrom(source) || 'my-model',
    aliases: draft.aliases.split(',').map((alias) => alias.trim()).filter(Boolean),
    mode: draft.mode,
    port: /^\d+$/.test(draft.port.trim()) ? Number(draft.port) : null,
    variant: devices.length > 0 && devices.some((device) => device.name !== 'cpu') ? 'GPU-Config' : 'CPU-Config',
    devices,
    command: commandOf(draft.template, source, draft.mode),
    script: draft.template === 'script' ? source : null,
  }
}

/** What has to be filled in before it can be saved. */
export function missing(draft: Draft): 'source' | null {
  return draft.source.trim() === '' ? 'source' : null
}
