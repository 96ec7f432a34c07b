#!/bin/bash
# test.sh FILE.deb: installs the package in a bare Debian, starts the manager as its user, stops it, upgrades, removes, purges.
# Needs root and debootstrap. There is no systemd in there: the program is started as the unit says, but without its sandbox.
set -euo pipefail

[ $# -eq 1 ] && [ "$(id -u)" -eq 0 ] && command -v debootstrap > /dev/null || { sed -n 2,3p "$0" >&2; exit 2; }
deb=$(realpath "$1")
work=$(mktemp -d)
root=$work/root
trap 'rm -rf --one-file-system "$work"' EXIT

step() { echo "== $*"; }
fail() { echo "FAILED: $*" >&2; exit 1; }
# What has no business with the network of this machine gets one of its own, and its processes end with it.
inside() { unshare --net --pid --fork --mount --kill-child chroot "$root" sh -euc "mount -t proc proc /proc; $1"; }

step "a bare Debian"
debootstrap --variant=minbase bookworm "$root" > "$work/log" 2>&1 || { tail "$work/log" >&2; exit 1; }
chroot "$root" apt-get install --quiet --quiet --yes --no-install-recommends adduser libgcc-s1 iproute2 curl > "$work/log" 2>&1 || fail "$(tail "$work/log")"
cp "$deb" "$root/first.deb"

step "install"
inside "dpkg -i /first.deb" > "$work/log" 2>&1 || fail "$(cat "$work/log")"
[ "$(chroot "$root" stat -c '%U %a' /etc/llm-manager/config.yaml)" = "llm-manager 640" ] || fail "the configuration's owner or mode"
[ "$(chroot "$root" stat -c '%U %a' /var/lib/llm-manager)" = "llm-manager 750" ] || fail "the state folder's owner or mode"
chroot "$root" id -nG llm-manager | grep -qw video || fail "the user is not in the group video"
[ -L "$root/etc/systemd/system/multi-user.target.wants/llm-manager.service" ] || fail "the unit is not enabled"
chroot "$root" llm-manager --config /etc/llm-manager/config.yaml check || fail "its own configuration has errors"
chroot "$root" llm-manager --version

for page in usr/share/man/man1/llm-manager.1.gz usr/share/bash-completion/completions/llm-manager; do
  [ -s "$root/$page" ] || fail "/$page is missing or empty"
done

serve='
  ip link set lo up
  setpriv --reuid llm-manager --regid llm-manager --init-groups --no-new-privs --inh-caps=-all --bounding-set=-all \
    llm-manager --config /etc/llm-manager/config.yaml serve > /tmp/log 2>&1 & manager=$!
  i=0; until curl -sf http://127.0.0.1:8080/health; do i=$((i + 1)); [ $i -lt 100 ] || { cat /tmp/log; exit 1; }; sleep 0.1; done
  curl -sf http://127.0.0.1:8080/api/config | grep -q "\"writable\":true"
  curl -sf http://127.0.0.1:8080/ | grep -qi "<html"
  kill $manager; wait $manager'
step "start and stop"
inside "$serve" || fail "it did not serve"
[ -f "$root/var/lib/llm-manager/llm-manager.db" ] || fail "the ledger is not in the state folder"

step "upgrade, with a changed configuration and a newer default"
echo "# mine" >> "$root/etc/llm-manager/config.yaml"
dpkg-deb -R "$deb" "$work/next"
sed -i 's/^Version: .*/Version: 99.0-1/' "$work/next/DEBIAN/control"
echo "# a newer default" >> "$work/next/usr/share/llm-manager/config.yaml"
dpkg-deb --root-owner-group --build "$work/next" "$root/next.deb" > /dev/null
inside "dpkg -i /next.deb < /dev/null" > "$work/log" 2>&1 || fail "$(cat "$work/log")"
grep -qx '# mine' "$root/etc/llm-manager/config.yaml" || fail "the upgrade has lost the configuration"
! grep -q 'newer default' "$root/etc/llm-manager/config.yaml" || fail "the upgrade has changed the configuration"
inside "$serve" || fail "it did not serve after the upgrade"

step "remove"
inside "dpkg -r llm-manager" > "$work/log" 2>&1 || fail "$(cat "$work/log")"
[ -f "$root/etc/llm-manager/config.yaml" ] && [ -f "$root/var/lib/llm-manager/llm-manager.db" ] || fail "remove has deleted configuration or state"
[ ! -e "$root/usr/bin/llm-manager" ] || fail "remove has left the program"

step "install again, and purge"
inside "dpkg -i /first.deb && grep -qx '# mine' /etc/llm-manager/config.yaml && dpkg -P llm-manager" > "$work/log" 2>&1 || fail "$(cat "$work/log")"
for left in etc/llm-manager var/lib/llm-manager etc/systemd/system/multi-user.target.wants/llm-manager.service; do
  [ ! -e "$root/$left" ] && [ ! -L "$root/$left" ] || fail "purge has left /$left"
done
! chroot "$root" getent passwd llm-manager > /dev/null || fail "purge has left the user"
echo "the package installs, serves, upgrades, goes, and is purged"
