#!/bin/bash
# slurm.sh [ARGUMENTS]: the tests against a real Slurm cluster of two nodes on this machine (slurm/cluster.sh). They are a part of
# all tests, which skip them where Slurm isn't installed; this installs it on Debian, if it may. Arguments go to nextest.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH=$PATH:/usr/sbin
if ! command -v slurmctld > /dev/null || ! command -v munged > /dev/null; then
  if [ "$(id -u)" = 0 ] && command -v apt-get > /dev/null; then
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends slurm-wlm munge > /dev/null || :
  fi
fi
if ! command -v slurmctld > /dev/null || [ "$(id -u)" != 0 ]; then
  echo "skipped: the tests with Slurm (it can't be installed here, or this isn't root)"
  exit 0
fi
export CI_REQUIRE_SLURM=1
exec cargo nextest run --workspace --exclude llm-manager-kubernetes -E 'binary(cluster) | test(/^slurm/) | test(on_a_real_cluster)' "$@"
