# Sourced by ./x: the build folders. Each is configured once and again when its compiler or a meson.build changed.
# shellcheck shell=bash

build_in() { # FOLDER MESON_OPTION...
  local folder=$1 log
  shift
  log=$folder/x-build.log
  if [ "$(cat "$folder/x-configured" 2>/dev/null)" != "$CC $*" ]; then
    say "configuring $folder ($CC)"
    rm -rf "$folder/meson-private" "$folder/build.ninja"
    mkdir -p "$folder"
    quietly "$log" meson setup "$folder" "$@"
    printf '%s\n' "$CC $*" >"$folder/x-configured"
  elif [ -n "$(find . -path './build*' -prune -o -name meson.build -newer "$folder/build.ninja" -print -quit)" ]; then
    quietly "$log" meson setup --reconfigure "$folder"
  fi
  case $(ninja -C "$folder" -n) in
  *"no work to do"*) ;;
  *)
    say "building $folder"
    quietly "$log" ninja -C "$folder" ${JOBS:+-j"$JOBS"}
    ;;
  esac
}

# Shows the output only when the command fails.
quietly() { # LOG COMMAND...
  local log=$1
  shift
  if ! "$@" >"$log" 2>&1 </dev/null; then
    cat "$log" >&2
    die 1 "failed: $*"
  fi
}

build_release() { build_in build --buildtype=release; }
build_sanitized() {
  build_in build-asan --buildtype=debugoptimized -Db_ndebug=false -Db_sanitize=address,undefined -Db_lundef=false
}
build_gcc() { CC=gcc build_in build-gcc --buildtype=release; }
build_small() { build_in build-small --buildtype=minsize -Ddebug=false -Db_ndebug=true -Dinterpreter_only=true -Dnode=disabled; }
build_fuzz() {
  build_in build-fuzz --buildtype=debugoptimized -Db_ndebug=false -Db_sanitize=address,undefined -Db_lundef=false \
    -Dfuzz=true
}
