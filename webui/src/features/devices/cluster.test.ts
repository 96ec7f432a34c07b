import { describe, expect, it } from 'vitest'
import { health, jobWords } from './cluster'

describe('the nodes of a cluster', () => {
  it('are up, drained or down', () => {
    expect([health(true, false), health(true, true), health(false, true)]).toEqual(['up', 'drained', 'down'])
  })

  it('are used by models, or by the jobs of others', () => {
    const job = { id: 7, user: 'eve', name: 'train', model: null, count: 0 }
    expect(jobWords(job)).toBe('eve: train (job 7)')
    expect(jobWords({ ...job, model: 'qwen#2', count: 2 })).toBe('qwen#2 (job 7, 2)')
  })
})
