#!/bin/sh
# Compiles a file that only includes cay.h, as C99 and, where the compiler knows it, as C++11.
set -eu
check() { "$@" -pedantic -Wall -Wextra -Werror -I "$CAY_INCLUDE" -include cay.h -fsyntax-only /dev/null; }
check "$@" -x c -std=c99
if echo '#include <stddef.h>' | "$@" -x c++ -fsyntax-only - 2>/dev/null; then check "$@" -x c++ -std=c++11; fi
