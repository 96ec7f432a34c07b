/** Markdown as blocks: code and tables are drawn by us, the rest is HTML that has been made harmless. */
import DOMPurify from 'dompurify'
import { Marked, type Token } from 'marked'

export type Block = { kind: 'code'; language: string; text: string } | { kind: 'table' | 'html'; html: string }

const escaped = (text: string) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')

/** Headings of an answer are none of the page; HTML in it is shown as it was written. */
const marked = new Marked({
  gfm: true,
  breaks: true,
  renderer: {
    heading({ tokens }) {
      return `<p><strong>${this.parser.parseInline(tokens)}</strong></p>\n`
    },
    html({ text }) {
      return escaped(text)
    },
    image({ href, text }) {
      return escaped(`![${text}](${href})`)
    },
  },
})

const ALLOWED = {
  ALLOWED_TAGS: ['p', 'br', 'strong', 'em', 'del', 'code', 'pre', 'ul', 'ol', 'li', 'blockquote', 'hr', 'a', 'table', 'thead', 'tbody', 'tr', 'th', 'td', 'sub', 'sup'],
  ALLOWED_ATTR: ['href', 'start', 'align'],
  ALLOWED_URI_REGEXP: /^(?:https?:|mailto:)/i,
}

/** What a model writes is a stranger's text: no pictures from elsewhere, no forms, no scripts, no styles. */
export function harmless(html: string): string {
  const holder = document.createElement('div')
  holder.append(DOMPurify.sanitize(html, { ...ALLOWED, RETURN_DOM_FRAGMENT: true }))
  for (const link of holder.querySelectorAll<HTMLAnchorElement>('a[href]')) {
    link.target = '_blank'
    link.rel = 'noopener noreferrer'
  }
  return holder.innerHTML
}

export function blocksOf(text: string): Block[] {
  const blocks: Block[] = []
  let rest: Token[] = []
  const flush = () => {
    if (rest.some((token) => token.type !== 'space')) blocks.push({ kind: 'html', html: harmless(marked.parser(rest)) })
    rest = []
  }
  for (const token of marked.lexer(text)) {
    if (token.type === 'code') {
      flush()
      const { lang, text: code } = token as { lang?: string; text: string }
      blocks.push({ kind: 'code', language: lang?.split(/\s/)[0] ?? '', text: code })
    } else if (token.type === 'table') {
      flush()
      blocks.push({ kind: 'table', html: harmless(marked.parser([token])) })
    } else rest.push(token)
  }
  flush()
  return blocks
}
