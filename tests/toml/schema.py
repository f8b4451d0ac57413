#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The JSON Schema that `cay manifest schema` prints says the same about manifests as `cay manifest check`.

usage: schema.py CAY

Needs Python's tomllib and the package jsonschema; without them only a line says so."""
import json
import subprocess
import sys
import tempfile
from pathlib import Path

# What both accept, and what both refuse. Contradictions and the grammar inside texts are beyond a schema.
GOOD = ['', 'dir = []', 'dir = ["a::b::ro"]', 'dir = ["a", {host = "b", rights = "create-only"}]',
        '[[dir]]\nhost = "a"\nguest = "b"\nrights = "rw"\nquota = "64M"\noverlay = "s"',
        '[[dir]]\nhost = "a"\nquota = 65536\noverlay = true', 'env = ["A=1", "B"]', 'inherit-env = false',
        'max-memory = "64MiB"', 'max-memory = "0x1000"', 'max-memory = 65536', 'timeout = "1m30s"', 'max-threads = 0',
        'tier = "interp"', 'stdin = "null"', 'deterministic = true\nseed = 7', 'arg0 = "x"']
BAD = ['dri = []', 'dir = "a"', 'dir = [1]', 'dir = [{}]', '[[dir]]\nhost = ""', '[[dir]]\nhost = "a"\nrights = "all"',
       '[[dir]]\nhost = "a"\nright = "ro"', '[[dir]]\nhost = "a"\nquota = -1', '[[dir]]\nhost = "a"\noverlay = 1', 'env = "A"',
       'env = [["A"]]', 'inherit-env = "yes"', 'max-memory = "64X"', 'max-memory = -1', 'max-memory = 1.5', 'timeout = 5',
       'timeout = "soon"', 'max-threads = "3"', 'max-threads = -3', 'tier = "fast"', 'stdin = true', 'arg0 = 1979-05-27',
       'invoke = "x"', 'manifest = "x"']


def main():
    try:
        import jsonschema
        import tomllib
    except ImportError as error:
        print('skipped the schema: %s' % error)
        return 0, 0
    cay = sys.argv[1]
    schema = json.loads(subprocess.run([cay, 'manifest', 'schema'], check=True, capture_output=True).stdout)
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    passed = failed = 0
    with tempfile.TemporaryDirectory(prefix='cay-schema-') as folder:
        path = Path(folder) / 'm.toml'
        for text, is_good in [(text, True) for text in GOOD] + [(text, False) for text in BAD]:
            path.write_text(text, encoding='utf-8')
            checked = subprocess.run([cay, 'manifest', 'check', path], capture_output=True).returncode == 0
            valid = validator.is_valid(tomllib.loads(text))
            if checked == valid == is_good:
                passed += 1
            else:
                failed += 1
                print('FAILED %r: check says %s, the schema %s' % (text, checked, valid))
    return passed, failed


if __name__ == '__main__':
    counts = main()
    print('schema: %d passed, %d failed' % counts)
    sys.exit(counts[1] != 0)
