import { expect, it } from 'vitest'
import { modelPath, readFailure, withQuery } from './client'

const answer = (status: number, body: unknown) =>
  new Response(typeof body === 'string' ? body : JSON.stringify(body), { status })

it('tells an endpoint that is not there from a model that is not there', async () => {
  const unknown = await readFailure(answer(404, { error: { code: 'unknown_endpoint', message: 'no' } }))
  expect(unknown.kind).toBe('missing')
  const placement = await readFailure(
    answer(404, { error: { code: 'model_not_found', message: 'no model has the name or alias `a/placement`; …' } }),
  )
  expect(placement.kind).toBe('missing')
  const model = await readFailure(answer(404, { error: { code: 'model_not_found', message: 'no model `a`' } }))
  expect(model).toMatchObject({ kind: 'refused', code: 'model_not_found', message: 'no model `a`', status: 404 })
})

it('makes a sentence of any body', async () => {
  expect((await readFailure(answer(502, '<html>bad gateway</html>'))).message).toBe('<html>bad gateway</html>')
  expect((await readFailure(answer(500, ''))).message).toContain('500')
  expect((await readFailure(answer(400, { error: 'plain' }))).message).toBe('plain')
  expect((await readFailure(answer(401, {}))).kind).toBe('unauthorized')
})

it('builds paths', () => {
  expect(modelPath('org/model a?', 'logs')).toBe('/api/models/org/model%20a%3F/logs')
  expect(withQuery('/api/x', { a: 1, b: null, c: '', d: false })).toBe('/api/x?a=1&d=false')
})
