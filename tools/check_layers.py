#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The layers: which room may include which, and that only doors are included.

A room is a folder in src/. What it shows to others is its door, ROOM/ROOM.h; everything else in it is private.
Public headers (include/) are visible to all. Code that asks for the operating system or the CPU lies in files that the
build chooses: os_* and arch_*. Nothing registers itself before main()."""
import os
import re

import csource

LAYERS = {
    "base": [],
    "module": ["base"],
    "engine": ["base", "module"],
    "tiers": ["base", "module", "engine"],
    "component": ["base", "module", "engine"],
    "host": ["base"],
    "wasi": ["base", "module", "engine", "component", "host"],
    "policy": ["base", "host"],
    "oci": ["base", "host", "policy"],
    "inspect": ["base", "module", "engine"],
    "api": ["base", "module", "engine", "tiers", "component", "host", "wasi", "policy", "inspect"],
}
# Outside src/: what these may open besides public headers.
OUTSIDE = {
    "cli": ["api", "oci", "policy", "inspect", "base"],
    "examples": [],
    "include": [],
    "tests/embed": [],
    "tests/capi": [],
}
# Second doors: header -> rooms that may use it (None: everyone who may open the room).
SECOND_DOORS = {"module/ops.gen.h": None, "module/ops/sem.h": ["tiers"], "module/ops/sem_simd.h": ["tiers"],
                "engine/engine_arch.h": ["tiers"]}
# What the unit tests of every room may open besides: the heap, to make it collect when that hurts most.
TEST_DOORS = ["engine/heap.h"]

PLATFORM_FILE = re.compile(r"(^|/)(os|arch)_[^/]*$")
PLATFORM_FOLDERS = ("src/base/", "src/host/", "src/engine/", "src/tiers/", "cli/")
PLATFORM_MACRO = re.compile(
    r"\b(__linux__|linux|__gnu_linux__|__APPLE__|__MACH__|_WIN32|_WIN64|__FreeBSD__|__OpenBSD__|__NetBSD__|__unix__"
    r"|__x86_64__|__amd64__|__i386__|__aarch64__|__arm__|__riscv|__powerpc64?__|__s390x?__|__wasm__|__ANDROID__)\b")
CONDITION = re.compile(r"^[ \t]*#[ \t]*(?:if|ifdef|ifndef|elif)\b(.*)$", re.M)
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*"([^"]+)"', re.M)
CONSTRUCTOR = re.compile(r"__attribute__\s*\(\(\s*(?:__)?(?:con|de)structor")


def owner_of(path):
    """(name, rooms it may open, its own room or None), or None where the layers do not matter (tests, fuzz, bench)."""
    parts = path.split("/")
    if parts[0] == "src" and len(parts) > 2:
        return parts[1], LAYERS.get(parts[1]), parts[1]
    for folder, rooms in OUTSIDE.items():
        if path.startswith(folder + "/"):
            return folder, rooms, None
    if path.startswith("tests/unit/") and parts[2] in LAYERS:
        return f"tests of {parts[2]}", list(LAYERS), parts[2]  # any door, and what is private to the room under test
    return None


def check_include(path, header, owner):
    """None, or what is wrong with including `header` from `path`."""
    name, rooms, own_room = owner
    if os.path.isfile(os.path.join(csource.ROOT, "include", header)):
        return None
    room = header.split("/")[0]
    if "/" not in header or room not in LAYERS:
        return None if own_room or not path.startswith("include/") else f'"{header}" is not a public header'
    if room == own_room:
        return None
    if room not in rooms:
        return f"{name} may not include {room} (it may include: {', '.join(rooms) or 'only public headers'})"
    if path.startswith("tests/unit/") and header in TEST_DOORS:
        return None
    if header in SECOND_DOORS:
        users = SECOND_DOORS[header]
        return None if users is None or own_room in users else f'"{header}" is only for {", ".join(users)}'
    if header != f"{room}/{room}.h":
        return f'"{header}" is private to {room}; its door is "{room}/{room}.h"'
    return None


def line_of(text, position):
    return text.count("\n", 0, position) + 1


def check_file(path):
    text = csource.read(path)
    code = csource.without_comments_and_strings(text)
    owner = owner_of(path)
    if owner and owner[1] is None:
        yield path, 1, f"src/{owner[0]} is no room; the rooms are listed in tools/check_layers.py"
        return
    if owner:
        for match in INCLUDE.finditer(text):
            problem = check_include(path, match.group(1), owner)
            if problem:
                yield path, line_of(text, match.start(1)), problem
    if path.startswith(("src/", "cli/")):
        if not (PLATFORM_FILE.search(path) and path.startswith(PLATFORM_FOLDERS)):
            for match in CONDITION.finditer(code):
                if PLATFORM_MACRO.search(match.group(1)):
                    yield (path, line_of(code, match.start(1)),
                           "a condition on system or CPU belongs in a file os_* or arch_* that the build chooses")
        for match in CONSTRUCTOR.finditer(code):
            yield path, line_of(code, match.start()), "nothing may run before main() or after it"


def main():
    files = csource.project_files(".c", ".h", ".def", ".S")
    csource.report([finding for path in files for finding in check_file(path)])


if __name__ == "__main__":
    main()
