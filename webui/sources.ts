import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Plugin } from 'vite'

/** What the build is made from: files and folders, tests aside. `tests/house_rules.rs` has the same list. */
const FROM = ['index.html', 'package-lock.json', 'precompress.ts', 'public', 'sources.ts', 'src', 'vite.config.ts']

/** Puts `sources.sha256` into the build: by it a test knows whether a build in the repository is up to date. */
export function sources(): Plugin {
  let root = ''
  let folder = ''
  return {
    name: 'sources',
    apply: 'build',
    configResolved(config) {
      root = config.root
      folder = join(config.root, config.build.outDir)
    },
    closeBundle() {
      const files = FROM.flatMap((name) => {
        if (name.includes('.')) return [name]
        const inside = readdirSync(join(root, name), { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
        return inside.map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1).replaceAll('\\', '/'))
      })
      const hash = createHash('sha256')
      for (const file of files.filter((name) => !name.includes('.test.')).sort()) {
        hash.update(`${file}\n`)
        hash.update(readFileSync(join(root, file)))
      }
      writeFileSync(join(folder, 'sources.sha256'), `${hash.digest('hex')}\n`)
    },
  }
}
