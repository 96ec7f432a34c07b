/** The words of docs/reference/terms.md, and no others for the same things. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const root = join(import.meta.dirname, '../../../..')

/** Word to what stands for it; the words in brackets are allowed around it. */
function banned(): { word: string; but: string | undefined; instead: string }[] {
  const rows = readFileSync(join(root, 'docs/reference/terms.md'), 'utf8').split('\n').filter((line) => line.startsWith('| '))
  return rows.slice(1).flatMap((row) => {
    const [, , chinese = '', , last = ''] = row.split('|').map((cell) => cell.trim())
    const [, word, but] = /^(\S+)(?: \(but: (.+)\))?$/.exec(last) ?? []
    return word ? [{ word, but, instead: chinese }] : []
  })
}

function sources(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && /\.tsx?$/.test(entry.name) && entry.name !== 'terms.test.ts')
    .map((entry) => join(entry.parentPath, entry.name))
}

function chinese(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.zh-CN.md'))
    .map((entry) => join(entry.parentPath, entry.name))
}

test('one word for one thing', () => {
  const words = banned()
  expect(words.map(({ word }) => word)).toContain('启动方案')
  const files = [...sources(join(root, 'webui/src')), join(root, 'README.zh-CN.md'), ...chinese(join(root, 'docs'))]
  expect(files.length).toBeGreaterThan(50)
  const found = files.flatMap((file) => {
    const text = readFileSync(file, 'utf8')
    return words
      .filter(({ word, but }) => (but ? text.replaceAll(but, '') : text).includes(word))
      .map(({ word, instead }) => `${file}: ${word} (write ${instead})`)
  })
  expect(found).toEqual([])
})
