#!/bin/bash
# book.sh: builds the documentation as a book, into target/book, and looks whether all of its pages are there. Takes the
# mdbook that is installed, or installs this version into target/tools (Cargo compares what it fetches with the registry's
# checksums).
set -euo pipefail
cd "$(dirname "$0")/.."
version=0.5.4

mdbook=$(command -v mdbook || true)
if [ -z "$mdbook" ]; then
  mdbook=target/tools/bin/mdbook
  # Unoptimised and without search: it runs once.
  [ -x "$mdbook" ] ||
    cargo install --locked --debug --quiet --no-default-features --root target/tools "mdbook@$version"
fi
"$mdbook" build docs

pages=$(sed -n 's/.*](\(.*\)\.md)$/\1/p' docs/SUMMARY.md)
count=0
for page in $pages; do
  [ -s "target/book/$page.html" ] || { echo "book: target/book/$page.html is missing"; exit 1; }
  count=$((count + 1))
done
[ "$count" -gt 50 ] || { echo "book: only $count pages were found in docs/SUMMARY.md"; exit 1; }
echo "book: $count pages in target/book"
