/** Reads a stream of server-sent events from text that is cut anywhere. */

export interface SseEvent {
  event: string
  data: string
}

export class SseReader {
  private rest = ''

  /** The events that are complete now. */
  push(text: string): SseEvent[] {
    this.rest += text
    const events: SseEvent[] = []
    for (;;) {
      const end = /\r\n\r\n|\n\n|\r\r/.exec(this.rest)
      if (!end) return events
      const block = this.rest.slice(0, end.index)
      this.rest = this.rest.slice(end.index + end[0].length)
      const event = readBlock(block)
      if (event) events.push(event)
    }
  }
}

function readBlock(block: string): SseEvent | null {
  let event = 'message'
  const data: string[] = []
  for (const line of block.split(/\r\n|\n|\r/)) {
    if (line.startsWith('data:')) data.push(line.slice(5).replace(/^ /, ''))
    else if (line.startsWith('event:')) event = line.slice(6).trim()
  }
  return data.length > 0 ? { event, data: data.join('\n') } : null
}
