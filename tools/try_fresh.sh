#!/usr/bin/env bash
# tools/try_fresh.sh SUITE [run|test]...: what a stranger's machine says. Makes a minimal Debian (bookworm, trixie) in a
# folder, copies the last commit into it and runs `./x run` and `./x test` there (or the commands named), each twice:
# the second time must find nothing to do. Needs root, network and mmdebstrap. FRESH_DIR (/var/tmp/cay-fresh) is where
# the machines lie; each is made anew.
set -euo pipefail
cd "$(dirname "$0")/.."
suite=${1:?usage: tools/try_fresh.sh bookworm|trixie [run|test]...}
shift
[ $# -gt 0 ] || set -- run test
command -v mmdebstrap >/dev/null || { echo "mmdebstrap is missing" >&2; exit 3; }

machine=${FRESH_DIR:-/var/tmp/cay-fresh}/$suite

leave() {
  for folder in dev/shm dev/pts dev sys proc; do
    if mountpoint -q "$machine/$folder"; then umount -l "$machine/$folder"; fi
  done
}
trap leave EXIT

leave
rm -rf "$machine"
mkdir -p "$machine"
echo "== a fresh $suite in $machine"
mmdebstrap --quiet --variant=minbase "$suite" - | tar -x -C "$machine"
mount -t proc proc "$machine/proc"
mount --rbind /dev "$machine/dev"
mount --make-rslave "$machine/dev"
# Whatever this machine needs to reach the archives, the fresh one needs as well.
cp /etc/resolv.conf "$machine/etc/resolv.conf"
cp /etc/hosts "$machine/etc/hosts"
cp /etc/apt/apt.conf.d/*proxy* "$machine/etc/apt/apt.conf.d/" 2>/dev/null || true
cp /etc/ssl/certs/ca-certificates.crt "$machine/etc/host-authorities.crt"
authorities=(SSL_CERT_FILE=/etc/host-authorities.crt CARGO_HTTP_CAINFO=/etc/host-authorities.crt
  PIP_CERT=/etc/host-authorities.crt)
mkdir "$machine/cay"
git archive HEAD | tar -x -C "$machine/cay"

status=0
for command in "$@"; do
  for time in first second; do
    echo "== $suite: ./x $command, the $time time"
    started=$SECONDS
    chroot "$machine" /usr/bin/env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root \
      "${authorities[@]}" CAY_FUZZ_SECONDS="${CAY_FUZZ_SECONDS:-300}" /cay/x "$command" </dev/null || status=1
    echo "== $suite: ./x $command, the $time time: $((SECONDS - started)) s"
    [ "$command" = run ] || break
  done
done
exit $status
