import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import type { Plugin } from 'vite'

const TEXT = /\.(js|css|html|svg)$/
const WORTH_IT = 1024

/** Puts `X.gz` beside each text `X`: the program sends it to whoever takes gzip, and never compresses by itself. */
export function precompress(): Plugin {
  let folder = ''
  return {
    name: 'precompress',
    apply: 'build',
    configResolved(config) {
      folder = join(config.root, config.build.outDir)
    },
    closeBundle() {
      for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
        if (!TEXT.test(name)) continue
        const file = join(folder, name)
        const raw = readFileSync(file)
        if (raw.length >= WORTH_IT) writeFileSync(`${file}.gz`, gzipSync(raw, { level: 9 }))
      }
    },
  }
}
