/** The playground as a tool of one's own: Markdown, changed questions, tools, pictures, two models, talks that are kept. */
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { clean, openBrowser, openPlayground, violations } from './browser.mjs'
import { model, startManager, until } from './manager.mjs'

let browser, manager, ready
const setUp = async () => {
  browser = await openBrowser()
  const models = [model('one'), model('two'), model('base', { mode: 'Base' }), model('ear', { mode: 'Transcription' }), model('voice', { mode: 'Speech' })]
  manager = await startManager({ models })
}
before(() => (ready ??= setUp()))
after(async () => {
  await browser?.close()
  await manager?.stop()
})

/** A page whose requests are noted, and answered by the bytes that `answer` gives, if it gives any. */
async function open(t, name, answer = () => null, options = {}) {
  const page = await openPlayground(t, browser, manager, name, options)
  const bodies = []
  await page.route('**/v1/chat/completions', (route) => {
    const body = route.request().postDataJSON()
    bodies.push(body)
    const bytes = answer(body, bodies.length)
    if (bytes === null) return route.continue()
    const file = join(manager.dir, `answer-${bodies.length}-${name}`)
    writeFileSync(file, bytes)
    return route.continue({ url: `${manager.url}/v1/chat/completions?raw=${file}` })
  })
  const say = async (text) => {
    await page.getByRole('textbox', { name: 'Message' }).fill(text)
    await page.getByRole('button', { name: 'Send', exact: true }).click()
    await page.getByRole('button', { name: 'Send', exact: true }).waitFor()
  }
  return { page, bodies, say }
}

const stream = (...deltas) => {
  const events = deltas.map((delta) => `data: ${JSON.stringify({ id: 'x', object: 'chat.completion.chunk', choices: [{ index: 0, delta }] })}\n\n`)
  return `HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n${events.join('')}data: [DONE]\n\n`
}
const turns = (page, role) => page.locator(`[data-turn=${role}]`)

describe('a talk', () => {
  it('shows Markdown that is harmless, and code that can be copied', async (t) => {
    const text = '## Answer\n\nA *list* of `things`:\n\n- one\n- two\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n```python\nprint("hi")\n```\n\n<img src="/api/x" onerror="document.title=1"> [bad](javascript:alert(1)) [good](https://example.org)'
    const { page, say } = await open(t, 'one', () => stream({ content: text.slice(0, 70) }, { content: text.slice(70) }))
    await page.context().grantPermissions(['clipboard-read', 'clipboard-write'])
    await say('show me')
    const answer = turns(page, 'assistant')
    await answer.getByRole('listitem').filter({ hasText: 'two' }).waitFor()
    await answer.getByRole('cell', { name: '2' }).waitFor()
    assert.equal(await answer.locator('img, script, [onerror]').count(), 0)
    assert.deepEqual(await answer.getByRole('link').evaluateAll((links) => links.map((link) => [link.href, link.rel])), [['https://example.org/', 'noopener noreferrer']])
    const code = answer.getByLabel('python')
    await code.locator('xpath=..').getByRole('button', { name: 'Copy' }).click()
    assert.equal(await page.evaluate(() => navigator.clipboard.readText()), 'print("hi")')
    assert.deepEqual(await violations(page), [])
    clean(page)
  })

  it('answers again, and lets a question be changed: what followed it is replaced', async (t) => {
    const { page, bodies, say } = await open(t, 'one', (_, n) => stream({ content: `answer ${n}` }))
    await say('first')
    await say('second')
    await page.getByRole('button', { name: 'Answer again' }).click()
    await turns(page, 'assistant').getByText('answer 3').waitFor()
    assert.deepEqual(bodies[2].messages, bodies[1].messages)
    await turns(page, 'user').first().getByRole('button', { name: 'Edit' }).click()
    await page.getByText('What followed this message will be replaced.').waitFor()
    assert.equal(await page.getByRole('textbox', { name: 'Message' }).inputValue(), 'first')
    await say('better')
    await turns(page, 'assistant').getByText('answer 4').waitFor()
    assert.deepEqual(bodies[3].messages, [{ role: 'user', content: 'better' }])
    assert.deepEqual([await turns(page, 'user').count(), await turns(page, 'assistant').count()], [1, 1])
    clean(page)
  })

  it('sends settings, tools and pictures, and goes on with the results of tools', async (t) => {
    const call = [{ index: 0, id: 'call_1', type: 'function', function: { name: 'weather', arguments: '{"city":' } }]
    const { page, bodies, say } = await open(t, 'one', (_, n) => (n === 1 ? stream({ tool_calls: call }, { tool_calls: [{ index: 0, function: { arguments: '"Jena"}' } }] }) : stream({ content: 'It is warm.' })))
    await page.getByText('Settings', { exact: true }).click()
    await page.getByLabel('Top-p').fill('2')
    await page.getByText('This number cannot be used').waitFor()
    await page.getByLabel('Top-p').fill('0.9')
    await page.getByLabel('Stop words, one per line').fill('END')
    await page.getByLabel('Form of the answer').selectOption('JSON')
    await page.getByLabel('Tools (JSON list)').fill('[{"name":"weather","parameters":{"type":"object"}}]')
    assert.deepEqual(await violations(page), [])
    const picture = Buffer.from('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==', 'base64')
    await page.getByTestId('images').setInputFiles({ name: 'dot.png', mimeType: 'image/png', buffer: picture })
    await page.getByRole('img', { name: 'Image 1 to be sent' }).waitFor()
    await say('how is it there?')
    const { messages, ...rest } = bodies[0]
    assert.deepEqual(rest, {
      model: 'one', top_p: 0.9, stop: ['END'], response_format: { type: 'json_object' }, tools: [{ type: 'function', function: { name: 'weather', parameters: { type: 'object' } } }],
      stream: true, stream_options: { include_usage: true },
    })
    assert.deepEqual(messages[0].content.map((part) => part.type), ['text', 'image_url'])
    assert.equal(messages[0].content[1].image_url.url, `data:image/png;base64,${picture.toString('base64')}`)
    await page.getByLabel('Result of weather').fill('21 degrees')
    await page.getByRole('button', { name: 'Send results' }).click()
    await turns(page, 'assistant').getByText('It is warm.').waitFor()
    assert.deepEqual(bodies[1].messages.slice(1), [
      { role: 'assistant', content: '', tool_calls: [{ id: 'call_1', type: 'function', function: { name: 'weather', arguments: '{"city":"Jena"}' } }] },
      { role: 'tool', content: '21 degrees', tool_call_id: 'call_1' },
    ])
    assert.deepEqual(await violations(page), [])
    clean(page)
  })

  it('compares two models', async (t) => {
    const { page, bodies, say } = await open(t, 'one', (body) => stream({ content: `I am ${body.model}` }))
    await page.getByLabel('Compare with').selectOption('two')
    await say('who are you?')
    await page.getByRole('log', { name: 'Conversation with one' }).getByText('I am one').waitFor()
    await page.getByRole('log', { name: 'Conversation with two' }).getByText('I am two').waitFor()
    assert.deepEqual(bodies.map((body) => body.model).sort(), ['one', 'two'])
    assert.deepEqual(await violations(page), [])
    clean(page)
  })

  it('is kept in the browser, gone on with, exported and forgotten', async (t) => {
    const { page, bodies, say } = await open(t, 'one', (_, n) => stream({ content: `answer ${n}` }))
    await say('remember me')
    await until(() => new URL(page.url()).searchParams.has('talk'), 'the address names the talk')
    await page.reload()
    await turns(page, 'assistant').getByText('answer 1').waitFor()
    await page.getByRole('button', { name: 'New' }).click()
    await page.getByText('Say something to the model').waitFor()
    await page.getByRole('button', { name: 'Conversations' }).click()
    const sheet = page.getByRole('dialog', { name: 'Conversations' })
    assert.deepEqual(await violations(page, '[role=dialog]'), [])
    const download = page.waitForEvent('download')
    await sheet.getByRole('button', { name: 'Export all' }).click()
    const [exported] = JSON.parse(readFileSync(await (await download).path(), 'utf8'))
    assert.deepEqual(exported.columns[0].turns.map((turn) => turn.content), ['remember me', 'answer 1'])
    await sheet.getByRole('button', { name: /^remember me/ }).click()
    await turns(page, 'assistant').getByText('answer 1').waitFor()
    await say('and now?')
    assert.deepEqual(bodies.at(-1).messages.map((message) => message.content), ['remember me', 'answer 1', 'and now?'])
    await page.getByRole('button', { name: 'Conversations' }).click()
    assert.equal(await sheet.getByRole('button', { name: /^remember me/ }).count(), 1)
    await sheet.getByRole('button', { name: 'Forget: remember me' }).click()
    await sheet.getByText('No conversation yet').waitFor()
    clean(page)
  })

  it('is shown as a command that does the same', async (t) => {
    const { page, say } = await open(t, 'one', () => stream({ content: 'hm' }))
    await say("it's me")
    await page.getByRole('textbox', { name: 'Message' }).fill('next')
    await page.getByRole('button', { name: 'Show as curl' }).click()
    const command = await page.getByRole('dialog').locator('pre').textContent()
    const { execFileSync } = await import('node:child_process')
    const answer = JSON.parse(execFileSync('sh', ['-c', command], { encoding: 'utf8' }))
    assert.equal(answer.choices[0].message.role, 'assistant')
    assert.match(command, /it'\\''s me[^]*hm[^]*next/)
    clean(page)
  })
})

describe('other modes', () => {
  it('complete a text', async (t) => {
    const { page } = await open(t, 'base')
    await page.getByRole('button', { name: 'Complete' }).click()
    await page.getByText(/^took /).waitFor()
    assert.deepEqual(await violations(page), [])
    clean(page)
  })

  it('transcribe a file', async (t) => {
    const { page } = await open(t, 'ear')
    const said = JSON.stringify({ text: 'hello from a file' })
    const file = join(manager.dir, 'transcript')
    writeFileSync(file, `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${said.length}\r\nconnection: close\r\n\r\n${said}`)
    await page.route('**/v1/audio/transcriptions', (route) => route.continue({ url: `${manager.url}/v1/audio/transcriptions?raw=${file}` }))
    await page.getByLabel('Audio file').setInputFiles({ name: 'a.wav', mimeType: 'audio/wav', buffer: Buffer.alloc(64) })
    await page.getByRole('button', { name: 'Transcribe' }).click()
    await page.getByRole('region', { name: 'Transcript' }).getByText('hello from a file').waitFor()
    assert.deepEqual(await violations(page), [])
    clean(page)
  })

  it('speak a text', async (t) => {
    const { page } = await open(t, 'voice')
    // A tenth of a second of silence.
    const rate = 8000
    const sound = Buffer.alloc(44 + rate / 10, 128)
    sound.write('RIFF'); sound.writeUInt32LE(sound.length - 8, 4); sound.write('WAVEfmt ', 8); sound.writeUInt32LE(16, 16); sound.writeUInt16LE(1, 20); sound.writeUInt16LE(1, 22)
    sound.writeUInt32LE(rate, 24); sound.writeUInt32LE(rate, 28); sound.writeUInt16LE(1, 32); sound.writeUInt16LE(8, 34); sound.write('data', 36); sound.writeUInt32LE(rate / 10, 40)
    const file = join(manager.dir, 'speech')
    writeFileSync(file, Buffer.concat([Buffer.from(`HTTP/1.1 200 OK\r\ncontent-type: audio/wav\r\ncontent-length: ${sound.length}\r\nconnection: close\r\n\r\n`), sound]))
    await page.route('**/v1/audio/speech', (route) => route.continue({ url: `${manager.url}/v1/audio/speech?raw=${file}` }))
    await page.getByRole('button', { name: 'Speak' }).click()
    const player = page.getByLabel('The spoken text')
    await player.waitFor()
    await until(() => player.evaluate((audio) => audio.readyState > 0 && audio.duration > 0.05), 'the sound can be played')
    assert.deepEqual(await violations(page), [])
    clean(page)
  })
})
