/** The tree as rows: what is folded away is left out. */
import type { SupervisionNode } from '@/shared/api/types'

export interface Row {
  node: SupervisionNode
  /** 1 for the root. */
  level: number
  /** Null: it has no children. */
  open: boolean | null
  position: number
  siblings: number
}

export function rowsOf(root: SupervisionNode, folded: ReadonlySet<string>): Row[] {
  const rows: Row[] = []
  function add(node: SupervisionNode, level: number, position: number, siblings: number) {
    const open = node.children.length === 0 ? null : !folded.has(node.path)
    rows.push({ node, level, open, position, siblings })
    if (open) node.children.forEach((child, index) => add(child, level + 1, index + 1, node.children.length))
  }
  add(root, 1, 1, 1)
  return rows
}

/** The model of a node; null: it is another part. */
export function modelOf(path: string): string | null {
  return /^models\/(.+)$/.exec(path)?.[1] ?? null
}

/** The log that tells about a node: a model's own, or the manager's. */
export function logLink(path: string): string {
  const model = modelOf(path)
  return model ? `/logs?${new URLSearchParams({ model }).toString()}` : '/logs'
}

/** How many nodes below are not running. */
export function troubles(node: SupervisionNode): number {
  return node.children.reduce((sum, child) => sum + (child.state === 'running' ? 0 : 1) + troubles(child), 0)
}
