#!/bin/sh
# Compiles a file that includes nothing but a public header, as C99 and, where the compiler knows it, as C++11; then both.
set -eu
check() { "$@" -pedantic -Wall -Wextra -Werror -I "$CAY_INCLUDE" -fsyntax-only /dev/null; }
for headers in '-include cay.h' '-include wasm.h' '-include wasm.h -include cay.h'; do
  check "$@" $headers -x c -std=c99
  if echo '#include <stddef.h>' | "$@" -x c++ -fsyntax-only - 2>/dev/null; then check "$@" $headers -x c++ -std=c++11; fi
done
