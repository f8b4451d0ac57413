# Sourced: fetches Debian's source packages without rights and without touching the machine's own package lists.
# shellcheck shell=bash

# FOLDER ARGUMENT...: apt-get with a state of its own in FOLDER.
debian_apt() {
  local state=$1
  shift
  apt-get -q -o Dir::Etc::sourcelist=/dev/null -o Dir::Etc::sourceparts="$state/parts" -o Dir::State::lists="$state/lists" \
    -o Dir::Cache="$state/cache" -o Dir::Log="$state/log" -o APT::Sandbox::User=root "$@"
}

# FOLDER: makes that state, with source entries made from the machine's.
debian_apt_ready() {
  local state=$1 file
  [ ! -f "$state/ready" ] || return 0
  command -v apt-get >/dev/null || return 1
  rm -rf "$state"
  mkdir -p "$state"/{parts,lists/partial,cache/archives/partial,log}
  for file in /etc/apt/sources.list /etc/apt/sources.list.d/*; do
    [ -f "$file" ] && grep -qE '^(URIs:|deb ).*/debian' "$file" || continue
    case $file in
    *.sources) sed 's/^Types:.*/Types: deb-src/' "$file" >"$state/parts/$(basename "$file")" ;;
    *) sed -n 's/^deb /deb-src /p' "$file" >"$state/parts/$(basename "$file" .list).list" ;;
    esac
  done
  debian_apt "$state" update && touch "$state/ready"
}

# FOLDER PACKAGE: puts the upstream source of Debian's source package into FOLDER/PACKAGE and prints that. Debian's
# patches are left out: nothing here needs them.
debian_source_in() {
  local folder=$1/$2
  if [ ! -d "$folder" ]; then
    mkdir -p "$folder.part/download"
    debian_apt_ready "$1/apt" >&2 || return 1
    # A mirror may lack Debian's own changes of the newest version; only upstream's archive is needed.
    (cd "$folder.part/download" && debian_apt "$1/apt" source --download-only "$2" >&2) || true
    ls "$folder.part/download"/*.orig.tar.* >&2 || return 1
    python3 - "$folder.part" <<'PYTHON' || return 1
import glob, os, sys, tarfile
folder = sys.argv[1]
archive, = [name for name in glob.glob(folder + "/download/*.orig.tar.*") if not name.endswith(".asc")]
with tarfile.open(archive) as source:
    for member in source.getmembers():
        head, _, member.name = member.name.removeprefix("./").partition("/")
        if member.name and ".." not in member.name:
            source.extract(member, folder)
PYTHON
    rm -rf "$folder.part/download"
    mv "$folder.part" "$folder" || return 1
  fi
  echo "$folder"
}
