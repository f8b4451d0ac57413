#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Compares the TOML parser with a corpus in the form of toml-test.

usage: corpus.py DECODER FOLDER   FOLDER has the texts and a list files-toml-1.0.0, with an expected NAME.json beside each
                                  valid NAME.toml

A valid text has to give the expected tree, an invalid one a message with line and column."""
import json
import math
import re
import subprocess
import sys
from pathlib import Path


def moment(text):
    """Dates compare by their meaning: T and t and a space, Z and +00:00, trailing zeros of the fraction."""
    text = re.sub(r'[tT ]', 'T', text.upper(), count=1).replace('Z', '+00:00')
    return re.sub(r'\.(\d*?)0*(?=[+-]|$)', lambda match: '.' + match[1] if match[1] else '', text)


def number(text):
    value = float(text.replace('_', ''))
    return 'nan' if math.isnan(value) else value


def meaning(node):
    if isinstance(node, list):
        return [meaning(item) for item in node]
    if set(node) == {'type', 'value'} and isinstance(node['type'], str) and isinstance(node['value'], str):
        kind, value = node['type'], node['value']
        if kind == 'float':
            return kind, number(value)
        if kind.startswith(('date', 'time')):
            return kind, moment(value)
        return kind, value
    return {key: meaning(value) for key, value in node.items()}


def check(decoder, path, is_valid):
    """What is wrong, or None."""
    result = subprocess.run([decoder, path], capture_output=True)
    if not is_valid:
        error = result.stderr.decode('utf-8', 'replace')
        if result.returncode != 1:
            return 'accepted (exit code %d): %s' % (result.returncode, result.stdout[:200])
        return None if re.match(r'.*:\d+:\d+: \S', error) else 'message without line and column: ' + error
    if result.returncode:
        return 'refused: ' + result.stderr.decode('utf-8', 'replace').strip()
    expected = json.loads(path.with_suffix('.json').read_text(encoding='utf-8'))
    actual = json.loads(result.stdout)
    if meaning(actual) == meaning(expected):
        return None
    return 'expected %s\n  actual %s' % (meaning(expected), meaning(actual))


def main():
    decoder, folder = sys.argv[1], Path(sys.argv[2])
    names = [name for name in (folder / 'files-toml-1.0.0').read_text().split() if name.endswith('.toml')]
    failed = 0
    for name in names:
        problem = check(decoder, folder / name, name.startswith('valid/'))
        if problem:
            failed += 1
            print('FAILED %s: %s' % (name, problem))
    print('%d passed, %d failed' % (len(names) - failed, failed))
    sys.exit(failed != 0 or not names)


main()
