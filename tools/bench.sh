# Sourced by ./x: the benchmarks, bench/NAME.sh or bench/NAME.py, which find the command in $CAY. `./x bench --peers`
# fetches the engines they compare with: the one thing that is downloaded, and never by a test.
# shellcheck shell=bash

bench_main() {
  setup_packages all
  if [ "${1-}" = --peers ]; then
    python3 bench/lib/peers.py
    return
  fi
  build_release
  export CAY=$PWD/build/cay
  if [ $# -eq 0 ]; then
    find bench -maxdepth 1 '(' -name '*.sh' -o -name '*.py' ')' | sed 's,.*/,,; s,\.[a-z]*$,,' | sort
    return
  fi
  local name=$1
  shift
  if [ -f "bench/$name.sh" ]; then
    bash "bench/$name.sh" "$@"
  elif [ -f "bench/$name.py" ]; then
    python3 "bench/$name.py" "$@"
  else
    die 2 "no benchmark is called '$name'; ./x bench lists them"
  fi
}
