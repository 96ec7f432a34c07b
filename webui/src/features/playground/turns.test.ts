import { expect, it } from 'vitest'
import { advance, NOTHING_YET } from './chat'
import { read, titleOf, withOne } from './conversations'
import { curlOf, shortened } from './curl'
import { NO_SETTINGS, optionsOf } from './settings'
import { beforeAnswer, beforeQuestion, messagesOf, openCalls, questionNumber, type Turn } from './turns'

const call = { id: 'call_9', type: 'function' as const, function: { name: 'weather', arguments: '{"city":"Jena"}' } }
const talk: Turn[] = [
  { id: 1, role: 'user', content: 'see', images: ['data:image/png;base64,AAAA'] },
  { id: 2, role: 'assistant', content: '', toolCalls: [call] },
  { id: 3, role: 'tool', content: '21 degrees', toolCallId: 'call_9' },
  { id: 4, role: 'assistant', content: 'warm' },
  { id: 5, role: 'user', content: 'more' },
  { id: 6, role: 'assistant', content: 'half', error: 'the backend died' },
]

it('sends a talk as messages, without answers that failed', () => {
  expect(messagesOf(talk, 'be kind')).toEqual([
    { role: 'system', content: 'be kind' },
    { role: 'user', content: [{ type: 'text', text: 'see' }, { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } }] },
    { role: 'assistant', content: '', tool_calls: [call] },
    { role: 'tool', content: '21 degrees', tool_call_id: 'call_9' },
    { role: 'assistant', content: 'warm' },
    { role: 'user', content: 'more' },
  ])
})

it('goes back to a question, and to the last answer', () => {
  expect(questionNumber(talk, 5)).toBe(1)
  expect(beforeQuestion(talk, 1)).toEqual(talk.slice(0, 4))
  expect(beforeQuestion(talk, 0)).toEqual([])
  expect(beforeAnswer(talk)).toEqual(talk.slice(0, 5))
  expect([openCalls(talk), openCalls(talk.slice(0, 2))]).toEqual([[], [call]])
})

it('gathers calls of tools from their pieces', () => {
  const piece = (index: number, more: object) => JSON.stringify({ choices: [{ delta: { tool_calls: [{ index, ...more }] } }] })
  const events = [
    piece(0, { id: 'call_9', function: { name: 'weather', arguments: '' } }), piece(0, { function: { arguments: '{"city":' } }), piece(1, { id: 'b', function: { name: 'time', arguments: '{}' } }),
    piece(0, { function: { arguments: '"Jena"}' } }),
  ]
  expect(events.reduce(advance, NOTHING_YET).toolCalls).toEqual([call, { id: 'b', type: 'function', function: { name: 'time', arguments: '{}' } }])
})

it('reads settings, and says which cannot be used', () => {
  const set = (change: Partial<typeof NO_SETTINGS>) => optionsOf({ ...NO_SETTINGS, ...change })
  expect(optionsOf(NO_SETTINGS)).toEqual({ options: {}, wrong: {} })
  expect(set({ temperature: '0', topP: '0.9', most: '64', stop: 'END\n\\n\n' }).options).toEqual({ temperature: 0, top_p: 0.9, max_tokens: 64, stop: ['END', '\n'] })
  expect(set({ temperature: 'hot', topP: '1.5', most: '0.5' }).wrong).toEqual({ temperature: 'number', topP: 'number', most: 'number' })
  expect(set({ json: 'object' }).options.response_format).toEqual({ type: 'json_object' })
  expect(set({ json: 'schema', schema: '{"type":"object"}' }).options.response_format).toEqual({ type: 'json_schema', json_schema: { name: 'answer', schema: { type: 'object' } } })
  expect(set({ json: 'schema', schema: '[]' }).wrong).toEqual({ schema: 'json' })
  expect(set({ tools: '[{"name":"f"},{"type":"function","function":{"name":"g"}}]' }).options.tools).toEqual([{ type: 'function', function: { name: 'f' } }, { type: 'function', function: { name: 'g' } }])
  expect([set({ tools: '{}' }).wrong, set({ tools: '[' }).wrong]).toEqual([{ tools: 'list' }, { tools: 'json' }])
})

it('makes a command that a shell takes as it is', () => {
  const text = curlOf('http://127.0.0.1:1', '/v1/x', { a: "it's" }, true)
  expect(text).toBe(`curl -sS http://127.0.0.1:1/v1/x \\\n  -H 'Content-Type: application/json' \\\n  -H 'Authorization: Bearer YOUR_KEY' \\\n  -d '{\n  "a": "it'\\''s"\n}'`)
  expect(curlOf('http://x', '/v1/x', {}, false)).not.toContain('Bearer')
  expect(shortened(`"data:image/png;base64,${'A'.repeat(1000)}"`)).toBe(`"data:image/png;base64,${'A'.repeat(24)}…"`)
})

it('keeps the newest talks, within bounds, without pictures', () => {
  const one = (id: string, turns = talk) => ({ id, at: 1, settings: NO_SETTINGS, columns: [{ model: 'm', turns }] })
  const kept = withOne([one('a'), one('b')], one('b'))
  expect(kept.map(({ id }) => id)).toEqual(['b', 'a'])
  expect(kept[0]?.columns[0]?.turns[0]).toEqual({ id: 1, role: 'user', content: 'see\n[1 × image]' })
  expect(titleOf(one('a'))).toBe('see')
  const many = Array.from({ length: 60 }, (_, n) => one(String(n)))
  expect(withOne(many, one('new'))).toHaveLength(50)
  const long = one('long', [{ id: 1, role: 'user', content: 'x'.repeat(3_000_000) }])
  // The one that was just written is kept, whatever it takes.
  expect(withOne([one('a')], long).map(({ id }) => id)).toEqual(['long'])
  expect([read(null), read('nonsense'), read('{}'), read('[1]')]).toEqual([[], [], [], []])
})
