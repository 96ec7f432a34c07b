/** The configuration as the page wants it; assumed so far, see ../../../API.md. */

export interface ConfigProblem {
  path: string
  line: number | null
  message: string
  hint: string | null
}

/** `GET /api/config`. */
export interface ConfigFile {
  path: string
  text: string
  /** Changes with the text; a save that names an older one is refused. */
  version: string
  writable: boolean
  live_reload: boolean
}
