import { expect, test } from 'vitest'
import clients from './clients.json'
import { type Client, fill } from './fill'

const all: Client[] = clients
const target = { origin: 'http://h:1', model: 'o\'1 "@KEY@"', key: 'it\'s-"me"' }

function text(client: string, mode = 'Chat', to: Parameters<typeof fill>[1] = target): string {
  const steps = all.find((known) => known.id === client)?.modes[mode] ?? []
  return steps.map((step) => fill(step.text, to)).join('\n\n')
}

test('names and keys of any form stay what they are', () => {
  expect(text('curl')).toContain('{"model": "o\\u00271 \\"@KEY@\\"",')
  expect(text('aider')).toContain(`OPENAI_API_KEY='it'\\''s-"me"' `)
  expect(text('aider')).toMatch(/--model openai\/'o'\\''1 "@KEY@"'$/)
  const json = JSON.parse(text('opencode').split('\n\n')[0] ?? '') as { model: string }
  expect(json.model).toBe(`llm-manager/${target.model}`)
})

test('an address with brackets is no pattern for a shell', () => {
  expect(text('curl', 'Chat', { ...target, origin: 'http://[::1]:8080' })).toContain("curl -sS 'http://[::1]:8080/v1'/chat/completions ")
  expect(text('curl')).toContain('curl -sS http://h:1/v1/chat/completions ')
})

test('without keys none is sent', () => {
  const open = { ...target, key: null }
  expect(text('curl', 'Chat', open)).not.toContain('Authorization')
  expect(text('python', 'Chat', open)).toContain('api_key="none"')
})

test('every client has a chat or says what it takes', () => {
  for (const client of all) expect(Object.keys(client.modes).length).toBeGreaterThan(0)
  expect(all).toHaveLength(10)
})
