#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What a denial proposes is enough, and no more than what is needed: a program that fails is run again with the option that
the message names, until it works. A program that only reads is never offered more than reading.

usage: tests/audit/proposals.py     CAY: the command to test"""
import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile

from bugs import clang
from row import build

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
CAY = os.path.abspath(os.environ.get('CAY') or ROOT / 'build/cay')
TIMEOUT_S, ROUNDS = 60, 4
PROPOSAL = re.compile(r'^ +([a-z, ]+): --(\w[\w-]*) (.*?)(?: {8}in cay\.toml: (.*))?$', re.M)
READING = {'read', 'stat', 'list', 'readlink'}  # the last of a link, whose name takes its folder
NAMING = {'rmdir', 'unlink', 'rename', 'link'}
MAKING = {'create', 'create-new', 'append', 'mkdir', 'symlink'}
# The words in front of a proposal, best first, by what is to be done; what changes a name needs the folder that holds it.
LEADS = {
    'read': ['to allow it', 'to let it read it', 'or its folder'],
    'link': ['or its folder', 'to allow it'],
    'change': ['to allow it', 'to let it change it, too', 'or its folder'],
    'name': ['to allow it, in place of the file', 'or its folder', 'to allow it', 'to let it change it, too'],
    'make': ['to allow it', 'to let it make it', 'or only new files', 'to let it change it, too', 'or its folder'],
}

ON_FILES = [('read', 'file'), ('write', 'file'), ('both', 'file'), ('append', 'file'), ('truncate', 'file'), ('create', 'file'),
            ('stat', 'file'), ('times', 'file'), ('create', 'new'), ('create-new', 'new'), ('append', 'new')]
ON_NAMES = [('mkdir', 'new'), ('rmdir', 'empty'), ('unlink', 'file'), ('symlink', 'new'), ('rename', 'file', 'new'),
            ('link', 'file', 'new'), ('list', 'dir'), ('list', ''), ('readlink', 'in'), ('read', 'dir/file'), ('write', 'dir/file')]
# {in}: the folder of names as the program calls it. Grants that the program begins with.
SITUATIONS = {
    'nothing, absolute': ('{work}/inside', []),
    'nothing, relative': ('inside', []),
    'the folder to read': ('/d', ['--dir', 'inside::/d::ro']),
    'the folder to read, relative': ('inside', ['--dir', 'inside::inside::ro']),
    'another folder': ('inside', ['--dir', 'other::other']),
    'the file to read': ('inside', ['--dir', 'inside/file::inside/file::ro']),
}
# Links that lead out: to what they lead to.
LINKS = [('read', 'inside/dir/rel'), ('stat', 'inside/dir/rel'), ('list', 'inside/outdir/other'), ('read', 'inside/outdir/other/file')]
# What no option can allow: a single file beside a folder that is granted.
HOPELESS = re.compile(r'to allow it: put the file itself there|has to name it relative to the directory')


def attempts():
    for situation, (folder, grants) in SITUATIONS.items():
        for operation, *names in ON_FILES + ON_NAMES:
            # A word without a slash may mean anything where folders were granted.
            if names == [''] and folder == 'inside' and grants:
                continue
            yield situation, operation, ['/'.join(filter(None, (folder, name))) for name in names], grants
    for operation, name in LINKS:
        yield 'a link that leads out', operation, [name], ['--dir', 'inside::inside']
    yield 'no variable', 'env', ['-'], []


def guest_of(value):
    parts = value.split('::')
    return os.path.normpath(parts[1] if len(parts) > 1 else parts[0])


def with_grant(grants, option, value):
    """The options with one more, which takes the place of one for the same path, and of single files in it."""
    kept = []
    for name, old in zip(grants[::2], grants[1::2]):
        guest = guest_of(old)
        if option == 'dir' and name == '--dir' and guest_of(value) in (guest, os.path.dirname(guest) or '.'):
            continue
        kept += [name, old]
    return kept + ['--' + option, value]


def kind_of(operation):
    if operation == 'readlink':
        return 'link'
    return 'read' if operation in READING else 'make' if operation in MAKING else 'name' if operation in NAMING else 'change'


def choose(errors, operation, tried):
    """What a person would take, (option, value); None when there is nothing."""
    leads, found = LEADS[kind_of(operation)], []
    for at, (lead, option, value, _) in enumerate(PROPOSAL.findall(errors)):
        value = shlex.split(value)[0]
        if operation == 'env' and option == 'env':
            found.append((0, at, option, value))
        elif lead in leads and option != 'env' and (operation in READING or not value.endswith('::ro')):
            found.append((leads.index(lead), at, option, value))
    found = [item[2:] for item in sorted(found) if item[2:] not in tried]
    return found[0] if found else None


def attempt(guest, work, operation, names, grants):
    """A problem, or None."""
    grants, tried, told = [word.format(work=work) for word in grants], [], []
    for _ in range(ROUNDS):
        command = [CAY, 'run', *grants, str(guest), operation, *[name.format(work=work) for name in names]]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=TIMEOUT_S, cwd=work,
                              env={'PATH': '/usr/bin:/bin', 'AUDIT_PROBE_NAME': 'x', **{
                                  name: value for name, value in os.environ.items() if name.startswith(('ASAN', 'UBSAN'))}})
        errors = done.stderr.decode(errors='replace')
        told.append('%s\n%s' % (shlex.join(command[1:]), errors))
        if done.returncode == 0:
            return None
        chosen = choose(errors, operation, tried)
        if tried and 'to allow it: --%s %s' % tried[-1] in told[-2] and chosen:
            return 'what was to allow it does not:\n' + '\n'.join(told)
        if not chosen:
            return None if HOPELESS.search(errors) else 'nothing is proposed:\n' + '\n'.join(told)
        if operation in READING and not chosen[1].endswith('::ro'):
            return 'more than reading is proposed: %s' % chosen[1]
        tried.append(chosen)
        grants = with_grant(grants, *chosen)
    return 'it is not enough:\n' + '\n'.join(told)


def main():
    if not clang():
        print('skipped: no clang for wasm32-wasi\n0 passed, 0 failed, 1 skipped')
        return 0
    passed = failed = 0
    with tempfile.TemporaryDirectory(prefix='cay-audit-') as name:
        folder = pathlib.Path(name).resolve()
        guest = folder / 'probe.wasm'
        subprocess.run([clang(), '--target=wasm32-wasi', '-Wno-deprecated', '-Wall', '-Wextra', '-Werror', '-O1', '--no-wasm-opt',
                        '-o', guest, HERE / 'guests/probe.c'], check=True)
        for i, (situation, operation, names, grants) in enumerate(attempts()):
            work = folder / str(i)
            work.mkdir()
            build(work)
            problem = attempt(guest, work, operation, names, grants)
            passed += not problem
            failed += bool(problem)
            if problem:
                print('FAILED %s, %s %s: %s' % (situation, operation, ' '.join(names), problem))
    print('%d passed, %d failed' % (passed, failed))
    return failed != 0


if __name__ == '__main__':
    sys.exit(main())
