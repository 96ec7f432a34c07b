/** The path under which a proxy shows the dashboard (`program.base_path`), as the page's `<base>` says; empty: none. */

export function pathOf(baseUri: string): string {
  return new URL(baseUri).pathname.replace(/\/+$/, '')
}

export const base = typeof document === 'undefined' ? '' : pathOf(document.baseURI)

/** A path of the manager, as this page reaches it. */
export function at(path: string): string {
  return base + path
}

/** The manager's address, as programs use it. */
export function origin(): string {
  return window.location.origin + base
}
