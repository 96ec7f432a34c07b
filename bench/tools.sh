# tools.sh: what run.sh and compare.sh share. Sourced at the root of the repository.

# nginx stands in /usr/sbin, where not every PATH looks.
NGINX=$(PATH="$PATH:/usr/sbin:/sbin" command -v nginx || true)
export NGINX

check_tools() {
  local missing=()
  [ -n "$NGINX" ] || missing+=(nginx-light)
  command -v wrk > /dev/null || missing+=(wrk)
  command -v python3 > /dev/null || missing+=(python3)
  command -v cc > /dev/null || missing+=(gcc libc6-dev)
  if [ ${#missing[@]} -gt 0 ]; then
    echo "bench: some tools are missing. On Debian:  apt-get install --no-install-recommends ${missing[*]}" >&2
    exit 1
  fi
  ulimit -n "$(ulimit -Hn)"
  if [ "$(ulimit -n)" != unlimited ] && [ "$(ulimit -n)" -lt 20000 ]; then
    echo "bench: only $(ulimit -n) open files are allowed here (ulimit -Hn): 10,000 waiters want 20,000" >&2
  fi
}

# Prints the folder with these binaries of a release build.
binaries() {
  if [ -n "${BIN_DIR:-}" ]; then
    realpath "$BIN_DIR"
    return
  fi
  cargo build --release "${@/#/--bin=}" >&2
  echo "$(realpath "${CARGO_TARGET_DIR:-target}")/release"
}

check_tools
