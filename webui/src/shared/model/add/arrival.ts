/** A model that was just put into the configuration: once the manager knows it, it is started and tried out. */

let awaited: string | null = null

export function awaitModel(name: string) {
  awaited = name
}

export function awaitedModel(): string | null {
  return awaited
}

export function arrived() {
  awaited = null
}
