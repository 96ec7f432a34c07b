/** A request of the playground as a command for a terminal. */
import { shell } from '@/shared/connect/fill'

export function curlOf(origin: string, path: string, body: object, keyed: boolean): string {
  const headers = [`-H 'Content-Type: application/json'`, ...(keyed ? [`-H ${shell('Authorization: Bearer YOUR_KEY')}`] : [])]
  return [`curl -sS ${shell(origin + path)}`, ...headers, `-d ${shell(JSON.stringify(body, null, 2))}`].join(' \\\n  ')
}

/** For the eye: pictures are long. */
export function shortened(text: string): string {
  return text.replace(/(data:[a-z/+-]+;base64,[A-Za-z0-9+/=]{24})[A-Za-z0-9+/=]+/g, '$1…')
}
