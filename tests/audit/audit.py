#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The audit: what a program attempts without a right to it, and what becomes of that.

usage: tests/audit/audit.py [--table FILE] [AREA...]       parts of names choose among the areas

A row of a table is an attempt, the grants that the program has, the error number that it has to get, and what the
command has to say. Each is a module of its own (calls.py) in a process of its own and a fresh folder, whose every name,
content and time is compared afterwards: what failed may have changed nothing, and what succeeded nothing outside of the
grant. --table writes attempts and outcomes, as Markdown and as JSON (FILE.md, FILE.json).

CAY: the command to test (build/cay); CAY_FLAGS: options of `run` for all rows."""
import argparse
import concurrent.futures
import json
import os
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import threading

import ambient
import grants
import handles
import paths
import pointers
from calls import ERRNO, ERRNO_NAMES, FUNCTIONS, SNAPSHOT, UNEXPECTED, Step, module
from row import GRANTS, build, snapshot

ROOT = pathlib.Path(__file__).resolve().parents[2]
CAY = os.path.abspath(os.environ.get('CAY') or ROOT / 'build/cay')
FLAGS = os.environ.get('CAY_FLAGS', '').split()
SANITIZED = bool(os.environ.get('CAY_SANITIZED'))
SAMPLE = 4  # the sanitizer build starts slowly: it gets one row of so many, a number that no table's width divides
TIMEOUT_S = 60
TABLES = [paths, grants, handles, pointers, ambient]


def in_folder(row, work):
    """The row's steps with {work} replaced in their texts."""
    def one(argument):
        if isinstance(argument, str) and '{work}' in argument:
            return argument.format(work=work)
        return argument
    return [Step(step.name, *map(one, step.arguments), gives=step.gives) for step in row.steps]


def environment():
    kept = ('ASAN_', 'UBSAN_', 'LSAN_', 'CAY_TIER')
    return {**{name: os.environ[name] for name in os.environ if name.startswith(kept)}, 'PATH': '/usr/bin:/bin',
            'NOT_GRANTED': 'SECRET'}


class Streams:
    """Standard input and output of a row; what they are besides pipes is the attack."""
    def __init__(self, kind, folder):
        self.stdin, self.stdout, self.peer, self.opened = subprocess.DEVNULL, subprocess.PIPE, None, []
        if kind == 'socket':
            ours, self.peer = socket.socketpair()
            self.peer.send(b'from the peer')
            self.stdin = self.stdout = ours
            self.opened = [ours, self.peer]
        elif kind == 'folder':
            self.stdin = os.open(folder, os.O_RDONLY)
        elif kind == 'file':
            self.stdin = os.open(folder / 'secret', os.O_RDWR)
        elif kind == 'append':
            self.stdout = os.open(folder / 'secret', os.O_RDWR | os.O_APPEND)

    def close(self):
        for stream in self.opened:
            stream.close()
        for fd in (self.stdin, self.stdout):
            if isinstance(fd, int) and fd >= 0:
                os.close(fd)


def start(row, command, work, folder):
    """Runs the command with the row's streams, and with a file that is none of its business as each inherited descriptor."""
    closed = ' '.join('%s>&-' % stream for stream in '012' if stream not in row.streams)
    passed = ' '.join('%d<>%s' % (fd, folder / 'secret') for fd in row.inherited)
    shell = ['bash', '-c', 'exec "$@" %s %s' % (passed, closed), 'bash'] if closed or passed else []
    streams = Streams(row.stdin, folder)
    try:
        done = subprocess.run([*shell, *command], stdin=streams.stdin, stdout=streams.stdout, stderr=subprocess.PIPE,
                              timeout=TIMEOUT_S, env=environment(), cwd=work)
    finally:
        streams.close()
    return done.returncode, done.stdout or b'', done.stderr.decode(errors='replace')


def attempt_in(row, work, host):
    """(exit code, output, errors)"""
    (work / 'audit.log').unlink(missing_ok=True)
    path = work / 'attempt.wasm'
    path.write_bytes(module(in_folder(row, host), row.surface or SNAPSHOT))
    options = [word.format(work=host) for word in [*GRANTS[row.grants], *row.options]]
    return start(row, [CAY, 'run', *FLAGS, '--audit', str(work / 'audit.log'), *options, str(path)], work, host)


def audited(work):
    """The audit log's uses, without its first and last record; None when it is not complete."""
    try:
        records = [json.loads(line) for line in (work / 'audit.log').read_text(encoding='utf-8').split('\n')[:-1]]
    except (OSError, ValueError):
        return None
    if len(records) < 2 or records[0]['record'] != 'begin' or records[-1]['record'] != 'end':
        return None
    return records[1:-1] if records[-1]['uses'] == len(records) - 2 else None


def outcome_of(code, row):
    """The exit code in words."""
    if code in ERRNO_NAMES:
        return ERRNO_NAMES[code]
    if UNEXPECTED <= code < UNEXPECTED + len(row.steps):
        return 'step %d gave another result' % (code - UNEXPECTED)
    return 'signal %d' % -code if code < 0 else 'exit code %d' % code


def problems_of_log(row, uses):
    if uses is None:
        yield 'the audit log is not complete'
        return
    denied = [use for use in uses if use['decision'] == 'deny']
    wanted = [(row.last.name, 'E' + row.last.gives)] if row.is_denial else []
    found = [(use['call'], use['result']) for use in denied]
    if found != wanted:
        yield 'the audit log tells of the denials %s, expected %s' % (found, wanted)
    for use in denied:
        if 'backtrace' not in use or not use['backtrace'] or not use['reason']:
            yield 'the audit log does not say why or where: %s' % use


def problems_of(row, result, host, after):
    code, output, errors = result
    wanted = row.last.gives
    if outcome_of(code, row) != wanted:
        yield 'gave %s, expected %s' % (outcome_of(code, row), wanted)
    if row.says and not re.search(row.says, errors):
        yield 'says %r, expected %r' % (errors[:400], row.says)
    if row.output is not None and output != row.output:
        yield 'printed %r, expected %r' % (output[:100], row.output)
    if re.search('[\0-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]', errors):
        yield 'control characters reach the terminal: %r' % errors[:400]
    if b'SECRET' in output:
        yield 'the secret was read: %r' % output[:100]
    yield from problems_of_log(row, audited(host.work))
    inside = str(host.path / 'inside')
    for path in sorted(set(host.before) | set(after)):
        is_granted = row.may_change and (path == inside or path.startswith(inside + '/'))
        if host.before.get(path) != after.get(path) and not is_granted:
            yield '%s was changed: %s -> %s' % (path, host.before.get(path), after.get(path))


class Host:
    """A folder for the rows of one thread, made anew after each row that may have changed it."""
    def __init__(self):
        self.folder = tempfile.TemporaryDirectory(prefix='cay-audit-')
        self.work = pathlib.Path(self.folder.name).resolve()
        self.path = self.work / 'host'
        self.path.mkdir()
        build(self.path)
        self.before = snapshot(self.path)


hosts = threading.local()


def run_row(row):
    """(outcome, problems)"""
    if not getattr(hosts, 'host', None):
        hosts.host = Host()
    host = hosts.host
    try:
        result = attempt_in(row, host.work, host.path)
    except (OSError, subprocess.SubprocessError) as why:
        hosts.host = None
        return type(why).__name__, ['%s: %s' % (type(why).__name__, why)]
    after = snapshot(host.path)
    if after != host.before:
        hosts.host = None
    return outcome_of(result[0], row), list(problems_of(row, result, host, after))


def all_rows(wanted):
    for table in TABLES:
        for row in table.rows():
            if not wanted or any(part in row.area for part in wanted):
                yield row


# ---- The table ------------------------------------------------------------------------------------------------------------------

def as_data(row, outcome, problems):
    kept = 'nothing outside of the grant was changed' if row.may_change else 'nothing was changed'
    return {'area': row.area, 'granted': row.grants, 'attempt': row.text(), 'call': row.last.name, 'expected': row.last.gives,
            'errno': ERRNO[row.last.gives], 'outcome': outcome, 'says': row.says or '', 'host': kept, 'note': row.meant,
            'as_expected': not problems}


def markdown(items):
    def cell(text):
        return str(text).replace('|', '\\|')
    areas = {}
    for item in items:
        areas.setdefault(item['area'], []).append(item)
    yield '| area | attempts | as expected | outcomes |\n|---|---|---|---|\n'
    for area, found in areas.items():
        outcomes = sorted({item['outcome'] for item in found}, key=lambda name: -sum(item['outcome'] == name for item in found))
        yield '| %s | %d | %d | %s |\n' % (area, len(found), sum(item['as_expected'] for item in found), ', '.join(outcomes))
    for area, found in areas.items():
        yield '\n### %s\n\n| granted | attempt | outcome | errno | expected | on the host |\n|---|---|---|---|---|---|\n' % area
        for item in found:
            yield '| %s | `%s` | %s | %s | %s | %s |\n' % tuple(cell(item[key]) for key in (
                'granted', 'attempt', 'outcome', 'errno', 'expected', 'host'))


def write_table(path, items):
    pathlib.Path(path + '.json').write_text(json.dumps(items, indent=1) + '\n', encoding='utf-8')
    pathlib.Path(path + '.md').write_text(''.join(markdown(items)), encoding='utf-8')


def missing_functions(rows):
    """The functions of WASI 0.1 that no row attempts."""
    return sorted(set(FUNCTIONS) - {row.last.name for row in rows})


# ---- The run -----------------------------------------------------------------------------------------------------------------------

def summary(results):
    areas = {}
    for row, _, problems in results:
        count = areas.setdefault(row.area, [0, 0])
        count[0] += 1
        count[1] += not problems
    for area, (attempts, right) in areas.items():
        print('%-44s %5d attempts, %5d as expected' % (area, attempts, right))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--table')
    parser.add_argument('areas', nargs='*')
    options = parser.parse_args()
    chosen = list(all_rows(options.areas))
    missing = [] if options.areas else missing_functions(chosen)
    if SANITIZED and not options.areas:
        chosen = chosen[::SAMPLE]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        results = [(row, *result) for row, result in zip(chosen, pool.map(run_row, chosen))]
    for row, _, problems in results:
        for problem in problems:
            print('FAILED %s, granted %s: %s\n    %s' % (row.area, row.grants, row.text(), problem))
    for name in missing:
        print('FAILED: no row attempts %s' % name)
    summary(results)
    if options.table:
        write_table(options.table, [as_data(*result) for result in results])
    failed = sum(bool(problems) for _, _, problems in results) + len(missing)
    print('%d passed, %d failed' % (len(results) - failed + len(missing), failed))
    sys.exit(1 if failed or not chosen else 0)


if __name__ == '__main__':
    main()
