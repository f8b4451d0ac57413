# Sourced by ./x: the evaluation (bench/eval). What it compares with is installed or fetched as far as it can be had here;
# the rest is told by the report as absent.
# shellcheck shell=bash

eval_main() {
  case " $* " in
  *" --from "* | *" --help "* | *" -h "*) ;;
  *)
    setup_packages all
    command -v podman >/dev/null && command -v runc >/dev/null || (apt_install "to compare with containers" podman runc) || true
    build_release
    ;;
  esac
  export CAY=$PWD/build/cay
  python3 bench/eval/main.py "$@"
}
