import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import type { Plugin } from 'vite'

/** Not the page itself, into which the program writes where its paths begin. */
const TEXT = /\.(js|css|svg)$/
const WORTH_IT = 1024

/** Makes `X.gz` of each text `X` that is worth it: the program sends it as it is, and unpacks it for clients that don't accept gzip. */
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
        if (raw.length < WORTH_IT) continue
        writeFileSync(`${file}.gz`, gzipSync(raw, { level: 9 }))
        rmSync(file)
      }
    },
  }
}
