# Sourced by ./x: the long tests. Each is tests/soak/NAME.sh, called like a tests/*/run.sh (see tools/test.sh); what it
# prints goes to docs/soak/NAME.log, which is committed when an issue is resolved.
# shellcheck shell=bash
. tools/parts.sh

soak_one() { # SCRIPT
  date -u '+%Y-%m-%d %H:%M UTC'
  CAY=$PWD/build/cay CAY_BUILD=$PWD/build CAY_SANITIZED="" bash "$1"
}

soak_main() {
  local names=("$@") name
  setup_packages all
  build_release
  build_sanitized
  [ ${#names[@]} -gt 0 ] || mapfile -t names < <(find tests/soak -name '*.sh' 2>/dev/null | sed 's,.*/,,; s,\.sh$,,' | sort)
  mkdir -p docs/soak
  for name in "${names[@]}"; do
    [ -f "tests/soak/$name.sh" ] || die 2 "there is no tests/soak/$name.sh"
    run_part "$name" soak_one "tests/soak/$name.sh"
    cp "build/logs/$name.log" "docs/soak/$name.log"
  done
  print_totals
}
