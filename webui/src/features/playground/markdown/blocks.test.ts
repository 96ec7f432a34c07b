// @vitest-environment jsdom
import { expect, it } from 'vitest'
import { blocksOf, harmless } from './blocks'

it('keeps code and tables apart from the rest', () => {
  const blocks = blocksOf('# Title\nSome *text*\n\n```python extra\nprint("<b>")\n```\n\n| a | b |\n|---|--:|\n| 1 | 2 |\n\nend')
  expect(blocks.map((block) => block.kind)).toEqual(['html', 'code', 'table', 'html'])
  expect(blocks[1]).toEqual({ kind: 'code', language: 'python', text: 'print("<b>")' })
  expect(blocks[0]).toMatchObject({ html: expect.stringContaining('<p><strong>Title</strong></p>') as string })
  // A fence that has not been closed yet is code already.
  expect(blocksOf('```js\nlet a')).toEqual([{ kind: 'code', language: 'js', text: 'let a' }])
  expect(blocksOf('')).toEqual([])
})

it('makes a stranger’s HTML harmless', () => {
  const evil = [
    '<img src=x onerror=alert(1)>', '<script>alert(1)</script>', '[x](javascript:alert(1))', '<a href="data:text/html,x">x</a>', '<iframe src="//evil"></iframe>',
    '<form action="/api/shutdown"><button>x</button></form>', '<p style="position:fixed" onclick="alert(1)">x</p>', '<svg><a xlink:href="javascript:alert(1)">x</a></svg>', '![x](https://evil/pixel.png)',
  ]
  for (const text of evil) {
    const html = blocksOf(text).map((block) => ('html' in block ? block.html : '')).join('')
    const box = document.createElement('div')
    box.innerHTML = html
    const left = [...box.querySelectorAll('*')].map((element) => `${element.tagName} ${[...element.attributes].map(({ name }) => name).join()}`)
    expect(left.filter((one) => !/^(P|A|BR) $/.test(one)), text).toEqual([])
  }
  expect(harmless('<a href="https://example.org" onclick="x"><img src=x>x</a>')).toBe('<a href="https://example.org" target="_blank" rel="noopener noreferrer">x</a>')
})
