#!/bin/sh
# fresh.sh: succeeds if dist is the build of the sources as they are. It needs no Node; `sources.ts` writes what it compares.
cd "$(dirname "$0")" || exit 1
made=$(
  find index.html package-lock.json precompress.ts public sources.ts src vite.config.ts -type f ! -name '*.test.*' | LC_ALL=C sort |
    while IFS= read -r file; do
      printf '%s\n' "$file"
      cat "$file"
    done | sha256sum | cut -d ' ' -f 1
)
[ "$(cat dist/sources.sha256 2> /dev/null)" = "$made" ]
