# Sourced by ./x: finds the compiler and installs what is missing from Debian's packages.
#
# A package counts as present when the file or command it is needed for is there, so that tools from elsewhere serve
# too and the check costs no more than a few stat calls. Exit code 3: something is missing and cannot be installed.
# shellcheck shell=bash

CLANG_VERSIONS="22 21 20 19" # newest first; instruction semantics need preserve_none and musttail (19 or newer)

say() { printf '[x] %s\n' "$*" >&2; }
die() {
  local code=$1
  shift
  printf '[x] %s\n' "$*" >&2
  exit "$code"
}

clang_installed() {
  local version
  for version in $CLANG_VERSIONS; do
    command -v "clang-$version" >/dev/null && echo "$version" && return
  done
  return 1
}

# The newest version that the configured archives offer.
clang_available() {
  local version
  for version in $CLANG_VERSIONS; do
    case $(apt-cache policy "clang-$version" 2>/dev/null) in *"Candidate: "[0-9]*) echo "$version" && return ;; esac
  done
  return 1
}

# Prints "package probe" lines; a probe is a command, or an absolute path in which * stands for anything.
packages_for() { # GROUP CLANG_VERSION
  local v=$2
  cat <<TABLE
clang-$v clang-$v
lld-$v wasm-ld-$v
libclang-rt-$v-dev-wasm32 /usr/lib/llvm-$v/lib/clang/$v/lib/wasi/libclang_rt.builtins-wasm32.a
wasi-libc /usr/lib/wasm32-wasi/libc.a
libc6-dev /usr/include/stdlib.h
binutils readelf
meson meson
ninja-build ninja
pkg-config pkg-config
python3 python3
libdw-dev /usr/include/elfutils/libdwfl.h
libjansson-dev /usr/include/jansson.h
libcapstone-dev /usr/include/capstone/capstone.h
llvm-$v-dev /usr/lib/llvm-$v/include/llvm-c/Core.h
TABLE
  [ "$1" = build ] && return
  cat <<TABLE
libclang-rt-$v-dev /usr/lib/llvm-$v/lib/clang/$v/lib/linux
clang-format-$v clang-format-$v
clang-tidy-$v clang-tidy-$v
llvm-$v llvm-symbolizer-$v
gcc gcc
strace strace
abigail-tools abidw
python3-venv /usr/lib/python3*/ensurepip/__init__.py
shellcheck shellcheck
ca-certificates /etc/ssl/certs/ca-certificates.crt
TABLE
}

probe() {
  case $1 in
  /*) compgen -G "$1" >/dev/null ;;
  *) command -v "$1" >/dev/null ;;
  esac
}

packages_missing() { # GROUP CLANG_VERSION
  local package what
  while read -r package what; do
    probe "$what" || printf '%s ' "$package"
  done < <(packages_for "$1" "$2")
}

as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif ! command -v sudo >/dev/null; then
    return 1
  elif [ -t 0 ]; then
    sudo "$@"
  else
    sudo -n "$@"
  fi
}

apt_get() {
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300 "$@" </dev/null >&2
}

apt_refresh() {
  [ -z "${apt_is_fresh:-}" ] || return 0
  say "apt-get update"
  apt_get update || say "apt-get update failed; trying with the package lists that are there"
  apt_is_fresh=1
}

# Installs the packages or stops; named ones only, never recommended extras.
apt_install() { # REASON PACKAGE...
  local reason=$1
  shift
  command -v apt-get >/dev/null ||
    die 3 "missing: $* ($reason; there is no apt-get here, so please install them yourself)"
  as_root true 2>/dev/null || die 3 "missing: $* ($reason; installing them takes root or sudo)"
  apt_refresh
  say "installing $* ($reason)"
  apt_get install -y --no-install-recommends "$@" ||
    die 3 "missing: $* ($reason; they could not be installed: is there a network?)"
}

# Debian 12's own cargo is too old for most crates; the one that follows its browsers is not. Prints where it is.
find_cargo() { # REASON
  command -v cargo && return
  (apt_install "$1" cargo-web rustc-web) || (apt_install "$1" cargo rustc) || return 1
  command -v cargo
}

setup_packages() { # GROUP: build or all
  local version missing
  if ! version=$(clang_installed); then
    ! as_root true 2>/dev/null || ! command -v apt-get >/dev/null || apt_refresh
    version=$(clang_available) || version=${CLANG_VERSIONS%% *}
  fi
  missing=$(packages_missing "$1" "$version")
  # shellcheck disable=SC2086 # a list of words
  [ -z "$missing" ] || apt_install "needed to $([ "$1" = build ] && echo build || echo 'build and test')" $missing
  export CLANG_VERSION=$version CC=${CC:-clang-$version}
}
