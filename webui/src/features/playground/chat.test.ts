import { expect, it } from 'vitest'
import { advance, NOTHING_YET } from './chat'
import { SseReader } from './sse'
import { cosine } from './vectors'

it('reads events cut anywhere, with any line end', () => {
  const stream = ': ping\n\ndata: {"a":1}\n\nevent: error\r\ndata: x\r\ndata: y\r\n\r\ndata:[DONE]\n\n'
  const wanted = [{ event: 'message', data: '{"a":1}' }, { event: 'error', data: 'x\ny' }, { event: 'message', data: '[DONE]' }]
  for (let cut = 0; cut <= stream.length; cut += 1) {
    const reader = new SseReader()
    expect([...reader.push(stream.slice(0, cut)), ...reader.push(stream.slice(cut))]).toEqual(wanted)
  }
})

it('gathers text, reasoning and usage', () => {
  const events = [
    '{"choices":[{"delta":{"role":"assistant"}}]}',
    '{"choices":[{"delta":{"reasoning_content":"hm"}}]}',
    '{"choices":[{"delta":{"content":"Hel"}}]}',
    '{"choices":[{"delta":{"content":"lo"},"finish_reason":"stop"}]}',
    '{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}}',
    '[DONE]',
  ]
  expect(events.reduce(advance, NOTHING_YET)).toEqual({
    text: 'Hello', reasoning: 'hm', toolCalls: [], pieces: 3, usage: { prompt_tokens: 3, completion_tokens: 2 }, finish: 'stop',
  })
  expect(() => advance(NOTHING_YET, '{"error":{"message":"the backend died","code":"backend_error"}}')).toThrow('the backend died')
})

it('compares vectors', () => {
  expect(cosine([1, 0], [1, 0])).toBe(1)
  expect(cosine([1, 0], [0, 2])).toBe(0)
  expect(cosine([0, 0], [1, 1])).toBe(0)
})
