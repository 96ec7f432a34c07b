/** The page of a model; slashes in its name stay slashes. */
export function modelLink(name: string): string {
  return `/models/${name.split('/').map(encodeURIComponent).join('/')}`
}
