#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What the kernel sees against what the audit log says: between the program's first call and its last, every file that
the process opened, made, removed or renamed and every connection that it accepted stands in the log, and everything that
the log says was done, the kernel saw. The same with an overlay, where the kernel also sees that the directory beneath is
only read. Skipped without strace.

usage: tests/audit/traced.py     CAY: the command to test; CAY_SANITIZED: not empty for a sanitizer build (skipped)"""
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time

from calls import Bytes, Step, module
from row import (ALL, CREAT, DIR, DIR2, DIRECTORY, EXCL, FOLLOW, MTIM, NOFOLLOW, NONE, READ, READ_WRITE, TRUNC, Load, Named, Out,
                 build, opened)

ROOT = pathlib.Path(__file__).resolve().parents[2]
CAY = os.path.abspath(os.environ.get('CAY') or ROOT / 'build/cay')
FLAGS = os.environ.get('CAY_FLAGS', '').split()
TIMEOUT_S = 120
BEGIN, END = 'MARKER begin', 'MARKER end'
LISTENER = 5
LISTING = Named('ALL but FD_WRITE', ALL & ~64)

# What the program does between the markers; the calls of strace that each of them needs are compared with the log.
STEPS = [
    opened('file', READ), opened('file', READ_WRITE, TRUNC), opened('dir/file', READ), opened('indir/file', READ, lookup=FOLLOW),
    opened('dir', LISTING, DIRECTORY, label='dir'), opened('file', READ, directory=Load('dir')),
    opened('made', READ_WRITE, CREAT | EXCL), opened('dir/made', READ_WRITE, CREAT), opened('chain', READ, lookup=FOLLOW),
    Step('path_open', DIR, FOLLOW, '../secret', NONE, READ, NONE, NONE, Out('x'), gives='NOTCAPABLE'),
    Step('path_open', DIR, FOLLOW, 'abs', NONE, READ, NONE, NONE, Out('x'), gives='NOTCAPABLE'),
    Step('path_open', DIR, NOFOLLOW, 'none', NONE, READ, NONE, NONE, Out('x'), gives='NOENT'),
    Step('path_open', DIR2, NOFOLLOW, 'file', NONE, READ_WRITE, NONE, NONE, Out('x'), gives='ROFS'),
    opened('file', READ, directory=DIR2),
    Step('path_filestat_get', DIR, NOFOLLOW, 'hard', Out('stat', 64)),
    Step('path_filestat_set_times', DIR, NOFOLLOW, 'dir/file', 0, 5, MTIM),
    Step('fd_filestat_set_times', Load('dir'), 0, 5, MTIM),
    Step('fd_readdir', Load('dir'), Out('entries', 512), 512, 0, Out('used')),
    Step('path_create_directory', DIR, 'new'), Step('path_create_directory', DIR, 'dir/sub/new'),
    Step('path_rename', DIR, 'made', DIR, 'dir/moved'), Step('path_link', DIR, NOFOLLOW, 'file', DIR, 'linked'),
    Step('path_symlink', 'file', DIR, 'pointer'), Step('path_readlink', DIR, 'pointer', Out('text', 64), 64, Out('used')),
    Step('path_unlink_file', DIR, 'linked'), Step('path_remove_directory', DIR, 'new'),
    Step('path_unlink_file', DIR2, 'file', gives='ROFS'),
    Step('sock_accept', LISTENER, NONE, Out('socket')),
    Step('sock_recv', Load('socket'), Bytes('....'), 0, Out('count'), Out('flags')),
]

# System calls that act on a file, and which of their arguments name it: (descriptor, name) positions.
NAMED = {'openat': [0], 'openat2': [0], 'mkdirat': [0], 'unlinkat': [0], 'renameat': [0, 2], 'renameat2': [0, 2], 'linkat': [0, 2],
         'symlinkat': [1], 'readlinkat': [0], 'newfstatat': [0], 'statx': [0], 'utimensat': [0], 'faccessat': [0], 'faccessat2': [0]}
NETWORK = {'accept', 'accept4', 'connect', 'socket', 'bind', 'listen'}
HARMLESS = set('futex brk mmap munmap madvise mprotect clock_gettime exit_group exit rt_sigprocmask rt_sigaction rt_sigreturn '
               'sigaltstack sched_yield getrandom epoll_wait epoll_pwait epoll_ctl poll ppoll tgkill getpid gettid close fcntl '
               'restart_syscall read write readv writev pread64 pwrite64 preadv pwritev fstat fstatfs getdents64 lseek recvmsg sendmsg '
               'pipe2 eventfd2 epoll_create1 getsockname getpeername fsync fdatasync clock_nanosleep getsockopt ftruncate'.split())


def split_arguments(text):
    """The arguments of a line of strace, split at commas outside of quotes and brackets."""
    out, depth, quoted, current = [], 0, False, ''
    for i, letter in enumerate(text):
        if letter == '"' and text[i - 1:i] != '\\':
            quoted = not quoted
        elif not quoted and letter in '([{<':
            depth += 1
        elif not quoted and letter in ')]}>':
            depth -= 1
        if letter == ',' and depth == 0 and not quoted:
            out.append(current.strip())
            current = ''
        else:
            current += letter
    return out + [current.strip()]


def name_of(arguments, index):
    """The path that a descriptor and a name mean, as far as that is text."""
    found = re.match(r'(?:AT_FDCWD|\d+)<(.*)>$', arguments[index])
    name = re.match(r'"(.*)"', arguments[index + 1]) if index + 1 < len(arguments) else None
    if not found:
        return None
    base = re.sub(r'[<>].*', '', found.group(1))
    return os.path.normpath(os.path.join(base, name.group(1))) if name else base


def is_step_of_resolving(call, line):
    """A descriptor that can be used for nothing but naming what lies beneath it, and a link on the way."""
    return (call in ('openat', 'openat2') and 'O_PATH' in line) or call == 'readlinkat'


def unlayered(path, host):
    """What the program calls a path of an overlay's folder; None: what the overlay keeps there for itself."""
    if not path.startswith('%s/changes' % host):
        return path
    return None if '/.wh.' in path else '%s/inside%s' % (host, path[len('%s/changes' % host):])


def changes_file(call, line):
    if call in ('openat', 'openat2'):
        return bool(re.search(r'O_WRONLY|O_RDWR|O_CREAT|O_TRUNC', line))
    return call not in ('newfstatat', 'statx', 'readlinkat', 'faccessat', 'faccessat2')


def is_step_of_copying(call, path, host):
    """A directory of an overlay that only gets its upper part."""
    return call in ('mkdirat', 'utimensat') and unlayered(path, host) != path and os.path.isdir(unlayered(path, host))


def seen_by_kernel(lines, host):
    """({path: line} of what was done, the same of steps on the way, lines of networks, lines that fit nowhere)"""
    done, steps, network, other = {}, {}, [], []
    for line in lines:
        found = re.match(r'(?:\d+\s+)?(\w+)\((.*)\)\s+= (-?\d+|\?)', line)
        if not found:
            continue
        call, arguments, result = found.group(1), split_arguments(found.group(2)), found.group(3)
        if call in NETWORK:
            if not result.startswith('-'):
                network.append(line)
        elif call in NAMED:
            for index in NAMED[call]:
                path = name_of(arguments, index)
                if path is None:
                    other.append(line)
                elif not result.startswith('-') and unlayered(path, host):
                    is_step = is_step_of_resolving(call, line) or is_step_of_copying(call, path, host)
                    (steps if is_step else done)[unlayered(path, host)] = line
        elif call not in HARMLESS:
            other.append(line)
    return done, steps, network, other


def accept_one(port):
    for _ in range(200):
        try:
            with socket.create_connection(('127.0.0.1', port), timeout=20) as peer:
                peer.sendall(b'word')
                peer.recv(1)
                return
        except OSError:
            time.sleep(0.05)


def free_port():
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


def mark(text):
    return Step('fd_write', 1, text + '\n', Out('marked'))


def trace(work, host, rights):
    """(exit code, the lines between the markers, the records of the audit log)"""
    guest, log, audit = work / 'traced.wasm', work / 'strace.log', work / 'audit.log'
    guest.write_bytes(module([mark(BEGIN), *STEPS, mark(END)]))
    port = free_port()
    peer = threading.Thread(target=accept_one, args=(port,))
    peer.start()
    command = [CAY, 'run', *FLAGS, '--audit', str(audit), '--dir', '%s/inside::/d::%s' % (host, rights), '--dir', '%s/other::/o::ro' % host,
               '--listen', '127.0.0.1:%d' % port, str(guest)]
    done = subprocess.run(['strace', '-ff', '-y', '-s', '256', '-o', str(log), *command], stdin=subprocess.DEVNULL,
                          capture_output=True, timeout=TIMEOUT_S, cwd=work)
    peer.join()
    # A file for each process: the command has others, which have no part in it.
    logs = [path.read_text(errors='replace') for path in work.glob('strace.log.*')]
    if not logs or (b'ptrace' in done.stderr.lower() and done.returncode):
        return None, [], []
    lines = next((text for text in logs if '"%s' % BEGIN in text), '').split('\n')
    at = {text: i for i, line in enumerate(lines) for text in (BEGIN, END) if '"%s' % text in line}
    records = [json.loads(line) for line in audit.read_text().splitlines()] if audit.exists() else []
    if len(at) < 2:
        return done.returncode, None, done.stderr
    return done.returncode, lines[at[BEGIN] + 1:at[END]], records


def changes_beneath(lines, host):
    """What changed the directory beneath an overlay."""
    for line in lines:
        found = re.match(r'(?:\d+\s+)?(\w+)\((.*)\)\s+= (-?\d+|\?)', line)
        if found and found.group(1) in NAMED and changes_file(found.group(1), line):
            arguments = split_arguments(found.group(2))
            if any((name_of(arguments, index) or '').startswith('%s/inside' % host) for index in NAMED[found.group(1)]):
                yield 'the directory beneath the overlay was changed: %s' % line


def problems_of(lines, records, work, host):
    done, steps, network, other = seen_by_kernel(lines, host)
    logged = {os.path.normpath(os.path.join(work, record['host'])): record for record in records
              if record['record'] == 'use' and record['host'] and record['decision'] == 'allow' and record['result'] == 'OK'}
    # A link in a path: the log has the name that was asked for, the kernel what it led to.
    resolved = {os.path.realpath(path) for path in logged} | set(logged)
    # Why a name was refused is found out by looking at it.
    refused = {os.path.normpath(os.path.join(work, record['host'])) for record in records
               if record['record'] == 'use' and record['host'] and record['decision'] == 'deny'}
    # The names in an overlay are described one by one, because no layer tells all of them.
    listed = {path for path, record in logged.items() if record['call'] == 'fd_readdir'}
    for path, line in done.items():
        if os.path.dirname(path) in listed and 'newfstatat(' in line:
            continue
        if path in refused and re.search(r'\b(newfstatat|statx)\(', line):
            continue
        if path not in resolved and os.path.realpath(path) not in resolved:
            yield 'the kernel saw what the log does not tell: %s' % line
    seen = {os.path.realpath(path) for path in [*done, *steps]} | set(done) | set(steps)
    for path, record in logged.items():
        by_handle = record['call'] in ('fd_readdir', 'fd_filestat_set_times')
        if path not in seen and os.path.realpath(path) not in seen and not by_handle:
            yield 'the log tells what the kernel did not see: %s' % record
    accepted = [record for record in records if record.get('right') == ['accept'] and record['decision'] == 'allow']
    if len(network) != len(accepted) or not accepted:
        yield 'the kernel saw %s, the log tells %s' % (network, accepted)
    for record in accepted:
        if record['rule'] != '--listen ' + record['listener'] or not re.fullmatch(r'127\.0\.0\.1:\d+', record['object']):
            yield 'the log does not tell who connected, and where: %s' % record
    for line in other:
        yield 'a system call that fits nowhere: %s' % line
    denied = [record for record in records if record.get('decision') == 'deny']
    wanted = sum(step.gives in ('NOTCAPABLE', 'ROFS') for step in STEPS)
    if len(denied) != wanted:
        yield '%d denials in the log, expected %d' % (len(denied), wanted)


def main():
    if not shutil.which('strace') or os.environ.get('CAY_SANITIZED'):
        print('skipped: %s\n0 passed, 0 failed, 1 skipped' % ('no strace' if not shutil.which('strace') else 'sanitizers make calls'))
        return 0
    problems = []
    for has_overlay in (False, True):
        with tempfile.TemporaryDirectory(prefix='cay-audit-') as name:
            work = pathlib.Path(name).resolve()
            host = work / 'host'
            host.mkdir()
            build(host)
            code, lines, records = trace(work, host, 'overlay=%s/changes' % host if has_overlay else 'rw')
            if code is None:
                print('skipped: strace may not trace here\n0 passed, 0 failed, 1 skipped')
                return 0
            if code or lines is None:
                problems.append('the program ended with %d: %s' % (code, records))
                continue
            problems += problems_of(lines, records, work, host)
            problems += changes_beneath(lines, host) if has_overlay else []
    for problem in problems:
        print('FAILED: %s' % problem)
    print('%d passed, %d failed' % (0 if problems else 2, len(problems)))
    return len(problems) != 0


if __name__ == '__main__':
    sys.exit(main())
