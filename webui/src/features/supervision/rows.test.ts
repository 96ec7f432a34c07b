import { expect, it } from 'vitest'
import type { SupervisionNode } from '@/shared/api/types'
import { logLink, rowsOf, troubles } from './rows'

const node = (path: string, children: SupervisionNode[] = [], state: SupervisionNode['state'] = 'running'): SupervisionNode => ({
  name: path.split('/').pop() ?? '', path, state, detail: null, restarts: 0, since: '', last_exit: null, children,
})
const tree = node('', [node('logs'), node('models', [node('models/a', [], 'failed'), node('models/b')])])

it('makes rows of a tree', () => {
  expect(rowsOf(tree, new Set()).map((row) => [row.node.path, row.level, row.open])).toEqual([
    ['', 1, true], ['logs', 2, null], ['models', 2, true], ['models/a', 3, null], ['models/b', 3, null],
  ])
  expect(rowsOf(tree, new Set(['models'])).length).toBe(3)
})

it('leads to the log', () => {
  expect(logLink('models/org/a b')).toBe('/logs?model=org%2Fa+b')
  expect(logLink('billing')).toBe('/logs')
  expect(troubles(tree)).toBe(1)
})
