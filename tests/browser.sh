#!/bin/bash
# browser.sh: the dashboard in a real Chromium, against the real program with fake and real model servers.
# Called by run.sh, whose build leaves the program in target/debug; `make browser` builds both parts first.
# Without npm or Chromium it says so and passes, unless CI_REQUIRE_BROWSER=1. One story: browser.sh logs
set -euo pipefail
cd "$(dirname "$0")/../webui"

missing() {
  echo "the dashboard's browser tests are skipped: $*"
  [ "${CI_REQUIRE_BROWSER:-0}" != 1 ]
  exit
}

find_chromium() {
  local name
  for name in ${CHROMIUM:+"$CHROMIUM"} chromium chromium-browser google-chrome; do
    command -v "$name" && return
  done
  return 1
}

command -v npm > /dev/null || missing "npm isn't installed"
CHROMIUM=$(find_chromium) || missing "Chromium isn't installed (Debian: apt-get install chromium)"
export CHROMIUM
[ -d node_modules/playwright-core ] || missing "its packages aren't installed (make webui)"
[ -e dist/sources.sha256 ] || missing "the dashboard isn't built (make webui)"
if [ $# -eq 0 ]; then
  npm run --silent e2e
else
  stories=("${@/#/e2e/}")
  stories=("${stories[@]/%/.test.mjs}")
  node --test --test-concurrency=1 --test-force-exit --test-reporter=spec "${stories[@]}"
fi
