#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Functions that are not called here, each with the reason and what to use instead."""
import re

import csource

EVERYWHERE = {
    "gets strcpy strcat sprintf vsprintf stpcpy": "knows no bound; use base_text, snprintf or memcpy",
    "strncpy strncat": "does not always end the text; use memcpy or snprintf",
    "atoi atol atoll atof": "cannot report a wrong number; use strtol and its like",
    "strtok asctime ctime localtime gmtime": "keeps its state in a global; use the _r form",
    "tmpnam tempnam mktemp": "races with whoever guesses the name; use mkstemp or a file descriptor",
    "alloca": "overflows the stack unseen; use base_alloc",
    "setjmp longjmp sigsetjmp siglongjmp": "skips the cleanup of the frames between",
    "rand srand random drand48": "predictable; use the host's random source",
    "system popen": "starts a shell",
}
# The library leaves these to the room base, or to the program around it.
IN_SRC = {
    "malloc calloc realloc reallocarray free strdup strndup asprintf vasprintf aligned_alloc posix_memalign":
        "goes round the embedder's allocator; use base_alloc and its like",
    "exit _exit _Exit abort quick_exit": "a library does not end its host's process",
    "printf puts putchar perror vprintf": "a library does not write on its host's terminal",
    "getenv setenv unsetenv putenv secure_getenv": "ambient; the command reads the environment and passes values",
    "fork vfork": "a library does not fork its host",
    "usleep sleep": "cannot be interrupted; use the event loop",
}
# path -> names that it may call, with the reason.
ALLOWED = {
    "src/base/memory.c": ("malloc calloc realloc free aligned_alloc posix_memalign", "it is the default allocator"),
    "src/inspect/dwarf_libdw.c": ("calloc free", "a shared object of its own, without the room base"),
    "src/inspect/machine_capstone.c": ("calloc free", "a shared object of its own, without the room base"),
    "src/engine/arch_portable.c": ("setjmp longjmp abort", "machines that nobody wrote a context switch for"),
    "src/api/broker.c": ("fork", "the broker of the command, which is in no library"),
    "src/api/broker_serve.c": ("fork _exit", "the broker's own process"),
    "src/tiers/optimizer/helper/main.c": ("_exit", "a process of its own"),
    "src/api/keeper.c": ("fork _exit", "the keeper of the command, which is in no library"),
    "src/api/wasi.c": ("getenv", "cay_wasi_inherit_env is how an embedder asks for it"),
}


def rules_for(path):
    rules = dict(EVERYWHERE)
    if path.startswith("src/"):
        rules.update(IN_SRC)
    allowed = ALLOWED.get(path, ("", ""))[0].split()
    return {name: reason for names, reason in rules.items() for name in names.split() if name not in allowed}


def check_file(path):
    rules = rules_for(path)
    call = re.compile(r"(?<![\w.>])(" + "|".join(rules) + r")\s*\(")
    for number, line in enumerate(csource.without_comments_and_strings(csource.read(path)).split("\n"), 1):
        for match in call.finditer(line):
            yield path, number, f"{match.group(1)}: {rules[match.group(1)]}"


def main():
    files = [p for p in csource.project_files(".c", ".h") if p.startswith(("src/", "cli/", "include/"))]
    csource.report([finding for path in files for finding in check_file(path)])


if __name__ == "__main__":
    main()
