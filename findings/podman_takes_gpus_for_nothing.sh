#!/bin/bash
# Surprise: `podman run --gpus all` (or `--gpus 2`, or `--gpus nosuch=3`) is taken without a word and gives the container no card, exit code 0, also where the
# machine's CDI specification names the cards. Cards come by `--device nvidia.com/gpu=0` alone; and where two files of /etc/cdi name the same one, that
# one is "unresolvable", in the words for a card that nobody has named. A file of /run/cdi replaces it silently, a file called `.yml` isn't read, and of
# two devices that set the same variable (NVIDIA_VISIBLE_DEVICES, by NVIDIA's own tool) only the last one's counts.
# Guess: an option that isn't obeyed is refused; two files that say the same of a card are no harm, or the error names both.
# So: a script written for Docker runs a model server without its card under podman (or podman-docker) of Debian 12, and nothing says so.
# Seen with: podman 4.3.1, runc 1.1.5 (Debian 12), 2026-11-30.
set -euo pipefail

if [ -z "${PODMAN_FINDING_FOLDER:-}" ]; then
  [ "$(id -u)" = 0 ] || { echo "this wants root: nothing was tried"; exit 2; }
  folder=$(mktemp -d)
  trap 'rm -rf "$folder"' EXIT
  mkdir "$folder/debs" "$folder/root"
  (cd "$folder/debs" && apt-get download -qq podman=4.3.1+ds1-8+deb12u1+b3 runc=1.1.5+ds1-1+deb12u1 conmon=2.1.6+ds1-1 busybox-static \
    golang-github-containers-common libgpgme11 libassuan0 libsubid4 libdevmapper1.02.1 libglib2.0-0 2> /dev/null) ||
    { echo "Debian 12's packages of podman 4.3.1 can't be had: nothing was tried"; exit 2; }
  for deb in "$folder"/debs/*.deb; do dpkg -x "$deb" "$folder/root"; done
  # Not by exec: the folder has to go at the end.
  PODMAN_FINDING_FOLDER=$folder unshare --mount --uts --net --ipc --pid --fork --kill-child --mount-proc bash "$0"
  exit
fi

folder=$PODMAN_FINDING_FOLDER
# The programs and their configuration are put over this machine's, for this script alone; /run is empty.
mount -t overlay overlay -o "lowerdir=$folder/root/usr:/usr" /usr
mkdir "$folder/etc" "$folder/work" "$folder/rootfs"
mount -t overlay overlay -o "lowerdir=$folder/root/etc:/etc,upperdir=$folder/etc,workdir=$folder/work" /etc
mount -t tmpfs tmpfs /run
mkdir -p "$folder"/rootfs/{bin,dev,proc,sys,etc} /etc/cdi /run/cdi /run/lock
cp "$folder/root/bin/busybox" "$folder/rootfs/bin/sh"
mknod "$folder/card0" c 240 0

# What a container sees that is run with these options: its card and its variable, or the error.
seen() {
  podman --root "$folder/store" --runroot /run/podman --runtime runc --cgroup-manager cgroupfs run --rm --network none \
    --ulimit nofile=1000:1000 --ulimit nproc=1000:1000 "$@" --rootfs "$folder/rootfs" \
    sh -c 'cards=$(echo /dev/card*); echo "exit 0, cards: ${cards#/dev/card\*}, CARD=$CARD"' 2>&1 | sed -n 's/^.*\(unresolvable.*\|exit 0.*\)$/\1/p'
}

# A specification that names one card by its number and all of them; the variable says whose file it was.
specification() {
  printf '{"cdiVersion":"0.5.0","kind":"nvidia.com/gpu","devices":[
    {"name":"0","containerEdits":{"deviceNodes":[{"path":"/dev/card0","hostPath":"%s"}],"env":["CARD=%s"]}},
    {"name":"all","containerEdits":{"env":["CARD=%s-all"]}}]}' "$folder/card0" "$1" "$1"
}

podman --version
specification one > /etc/cdi/one.json
{
  for words in all 2 nosuch=3; do echo "--gpus $words: $(seen --gpus "$words")"; done
  echo "by name: $(seen --device nvidia.com/gpu=0)"
  echo "nobody has named it: $(seen --device nvidia.com/gpu=7)"
  specification two > /etc/cdi/two.json
  echo "named by two files: $(seen --device nvidia.com/gpu=0)"
  mv /etc/cdi/two.json /run/cdi/
  echo "the second in /run/cdi: $(seen --device nvidia.com/gpu=0)"
  rm /run/cdi/two.json
  echo "card 0 and all: $(seen --device nvidia.com/gpu=0 --device nvidia.com/gpu=all)"
  mv /etc/cdi/one.json /etc/cdi/one.yml
  echo "one.yml: $(seen --device nvidia.com/gpu=0)"
  mv /etc/cdi/one.yml /etc/cdi/one.yaml
  echo "one.yaml: $(seen --device nvidia.com/gpu=0)"
} | tee "$folder/seen"

for words in all 2 nosuch=3; do grep -q "^--gpus $words: exit 0, cards: , CARD=$" "$folder/seen"; done
grep -q '^by name: exit 0, cards: /dev/card0, CARD=one$' "$folder/seen"
grep -q '^nobody has named it: unresolvable CDI devices nvidia.com/gpu=7' "$folder/seen"
grep -q '^named by two files: unresolvable CDI devices nvidia.com/gpu=0' "$folder/seen"
grep -q '^the second in /run/cdi: exit 0, cards: /dev/card0, CARD=two$' "$folder/seen"
grep -q '^card 0 and all: exit 0, cards: /dev/card0, CARD=one-all$' "$folder/seen"
grep -q '^one.yml: unresolvable CDI devices' "$folder/seen"
grep -q '^one.yaml: exit 0, cards: /dev/card0, CARD=one$' "$folder/seen"
