#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The cache of kept code (docs/cache.md), used, damaged, raced for and out of reach.

usage: run.py CAY

Every case runs in a fresh folder with a HOME of its own. Without the tier "optimized" there is nothing to keep, and all are
skipped."""
import contextlib
import fcntl
import json
import os
import re
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / 'cli')]
from binary_format import HEADER, leb, section, text  # noqa: E402
import run as cli  # noqa: E402

CAY = os.path.abspath(sys.argv[1])
I32 = 0x7F


def module(functions=1, body_adds=1):
    """Exports f: (i32) -> i32, which adds to its argument; and more functions like it."""
    code = bytes([0, 0x20, 0]) + bytes([0x41, 1, 0x6A]) * body_adds + b'\x0b'
    bodies = b''.join(leb(len(code)) + code for _ in range(functions))
    return (HEADER + section(1, b'\x01\x60\x01\x7f\x01\x7f') + section(3, leb(functions) + b'\0' * functions)
            + section(7, b'\x01' + text('f') + b'\0\0') + section(10, leb(functions) + bodies))


def busy_module():
    """Exports f and g: (i32) -> i32, which count up to their argument."""
    code = b'\x01\x01\x7f\x03\x40\x20\x01\x41\x01\x6a\x22\x01\x20\x00\x49\x0d\x00\x0b\x20\x01\x0b'
    exports = b'\x02' + text('f') + b'\0\0' + text('g') + b'\0\x01'
    return (HEADER + section(1, b'\x01\x60\x01\x7f\x01\x7f') + section(3, b'\x02\0\0') + section(7, exports)
            + section(10, b'\x02' + (leb(len(code)) + code) * 2))


def calling_module():
    """Exports f: (i32) -> i32, which counts up to its argument and then calls m.g with it."""
    code = b'\x01\x01\x7f\x03\x40\x20\x01\x41\x01\x6a\x22\x01\x20\x00\x49\x0d\x00\x0b\x20\x01\x10\x00\x0b'
    return (HEADER + section(1, b'\x01\x60\x01\x7f\x01\x7f') + section(2, b'\x01' + text('m') + text('g') + b'\0\0')
            + section(3, b'\x01\0') + section(7, b'\x01' + text('f') + b'\0\x01') + section(10, b'\x01' + leb(len(code)) + code))


def nested_module():
    """Exports f: (i32) -> i32, whose loop calls so many times what computes for a part of a millisecond. Before that it calls once
    what is so long that not all that ran is kept for having run (are_few_only_called)."""
    rounds = leb(300000)
    inner = (b'\x01\x02\x7f\x03\x40\x20\x01\x41\x05\x6c\x20\x00\x6a\x21\x01'  # x = x * 5 + seed, which no optimizer does at once
             b'\x20\x02\x41\x01\x6a\x22\x02\x41' + rounds + b'\x49\x0d\x00\x0b\x20\x01\x0b')
    outer = (b'\x01\x01\x7f\x20\x00\x10\x02\x1a'
             b'\x03\x40\x20\x01\x10\x01\x1a\x20\x01\x41\x01\x6a\x22\x01\x20\x00\x49\x0d\x00\x0b\x20\x01\x0b')
    long = b'\0' + b'\x20\x00\x41\x05\x6c\x21\x00' * 10000 + b'\x20\x00\x0b'  # x = x * 5
    return (HEADER + section(1, b'\x01\x60\x01\x7f\x01\x7f') + section(3, b'\x03\0\0\0') + section(7, b'\x01' + text('f') + b'\0\0')
            + section(10, b'\x03' + b''.join(leb(len(code)) + code for code in (outer, inner, long))))


def entered_module():
    """Exports f: (i32) -> i32, which calls once what counts up to its argument."""
    outer, inner = b'\0\x20\x00\x10\x01\x0b', b'\x01\x01\x7f\x03\x40\x20\x01\x41\x01\x6a\x22\x01\x20\x00\x49\x0d\x00\x0b\x20\x01\x0b'
    return (HEADER + section(1, b'\x01\x60\x01\x7f\x01\x7f') + section(3, b'\x02\0\0') + section(7, b'\x01' + text('f') + b'\0\0')
            + section(10, b'\x02' + b''.join(leb(len(code)) + code for code in (outer, inner))))


def finding_module():
    """Exports f and g: (i32) -> i32, which count up to their argument by a function that they find in a table."""
    code = b'\x01\x01\x7f\x03\x40\x20\x01\x41\x00\x11\x00\x00\x22\x01\x20\x00\x49\x0d\x00\x0b\x20\x01\x0b'
    add = b'\x00\x20\x00\x41\x01\x6a\x0b'
    exports = b'\x02' + text('f') + b'\0\0' + text('g') + b'\0\x01'
    return (HEADER + section(1, b'\x01\x60\x01\x7f\x01\x7f') + section(3, b'\x03\0\0\0') + section(4, b'\x01\x70\x00\x01')
            + section(7, exports) + section(9, b'\x01\x00\x41\x00\x0b\x01\x02')
            + section(10, b'\x03' + (leb(len(code)) + code) * 2 + leb(len(add)) + add))


def slow_module(functions=600):
    """Takes LLVM some seconds, at least. Exports f: (i32) -> i32."""
    step = bytes([0x20, 0, 0x41, 3, 0x6A, 0x21, 0, 0x20, 0, 0x20, 0, 0x41, 7, 0x6A, 0x6F, 0x6A])  # a remainder, which may trap
    code = bytes([0, 0x20, 0]) + step * 150 + b'\x0b'
    bodies = b''.join(leb(len(code)) + code for _ in range(functions))
    return (HEADER + section(1, b'\x01\x60\x01\x7f\x01\x7f') + section(3, leb(functions) + b'\0' * functions)
            + section(7, b'\x01' + text('f') + b'\0\0') + section(10, leb(functions) + bodies))


class Case:
    def __init__(self, folder):
        self.folder = folder
        self.home = folder / 'home'
        self.home.mkdir()
        self.cache = self.home / '.cache/cay'
        self.module = folder / 'm.wasm'
        self.module.write_bytes(module())
        self.variables = {'PATH': os.environ.get('PATH', '/usr/bin:/bin'), 'HOME': str(self.home)}

    def start(self, *words, **how):
        return subprocess.Popen([CAY, *words], env=dict(self.variables, **how), cwd=self.folder, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def cay(self, *words, code=0, **how):
        process = self.start(*words, **how)
        out, err = process.communicate(timeout=120)
        assert process.returncode == code, '%s: exit code %d, expected %d\n%s%s' % (words, process.returncode, code, out, err)
        return out, err

    def run(self, *options, **how):
        """What --verbose says about the code."""
        out, err = self.cay('run', '--tier', 'optimized', '-v', *options, '--invoke', 'f', str(self.module), '41', **how)
        assert out == '42\n', out
        return err

    def codes(self):
        return sorted(self.cache.glob('*.code'))

    def run_busy(self, *options, function='f', count=2000000000, **how):
        """The same of a run of the tier that is taken when none is named, so long that the helper's answer comes while it runs."""
        out, err = self.cay('run', '-v', *options, '--invoke', function, str(self.module), str(count), **how)
        assert out == '%d\n' % count, out
        return err

    def hits(self, *options, **how):
        return 'kept in the cache' in self.run(*options, **how)


def the_second_run_takes_what_the_first_has_made(case):
    assert not case.hits()
    assert case.hits() and case.hits()
    assert case.cache.stat().st_mode & 0o7777 == 0o700
    assert [path.stat().st_mode & 0o7777 for path in case.codes()] == [0o400]
    # In another file it is the same module.
    other = case.folder / 'other.wasm'
    other.write_bytes(case.module.read_bytes())
    case.module = other
    assert case.hits()


def other_bytes_and_options_are_other_code(case):
    assert not case.hits()
    case.module.write_bytes(module(body_adds=2))
    out, err = case.cay('run', '--tier', 'optimized', '-v', '--invoke', 'f', str(case.module), '40')
    assert out == '42\n' and 'kept' not in err
    assert len(case.codes()) == 2
    case.module.write_bytes(module())
    assert case.hits()
    assert not case.hits('--fuel', '1000') and case.hits('--fuel', '1000')
    assert not case.hits('--proposals', '2.0') and case.hits('--proposals', '2.0')
    assert len(case.codes()) == 4


def a_file_that_changed_in_place_is_hashed_anew(case):
    old = time.time() - 100
    os.utime(case.module, (old, old))
    time.sleep(2.1)  # until then a change might not show
    assert not case.hits()
    assert len(list(case.cache.glob('at-*'))) == 1
    assert case.hits()
    status = case.module.stat()
    changed = bytearray(case.module.read_bytes())
    changed[changed.rindex(b'\x41\x01\x6a') + 1] = 2
    with open(case.module, 'r+b') as file:
        file.write(changed)
    os.utime(case.module, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert case.module.stat().st_size == status.st_size and case.module.stat().st_mtime_ns == status.st_mtime_ns
    out, err = case.cay('run', '--tier', 'optimized', '-v', '--invoke', 'f', str(case.module), '40')
    assert out == '42\n' and 'kept' not in err, out + err


def off_keeps_nothing(case):
    assert not case.hits('--cache', 'off') and not case.hits('--cache', 'off')
    assert not case.hits(CAY_CACHE='off')
    assert not case.cache.exists()
    assert not case.hits('--cache', 'here') and case.hits(CAY_CACHE='here')
    assert not case.cache.exists() and list((case.folder / 'here').glob('*.code'))
    xdg = str(case.folder / 'xdg')
    assert not case.hits(XDG_CACHE_HOME=xdg) and case.hits(XDG_CACHE_HOME=xdg)
    assert not case.cache.exists()
    case.cay('run', '--tier', 'baseline', '--invoke', 'f', str(case.module), '41')
    assert not case.cache.exists()  # other tiers do not look for it


def is_distrusted(case, why):
    """The one file is not used, said to be so, and written anew."""
    out, err = case.cay('cache', 'verify', code=1)
    assert why in err and out == '0 of 1 files are whole\n', out + err
    assert why in case.cay('cache', 'list')[0]
    assert not case.hits()
    assert case.cay('cache', 'verify')[0] == '1 of 1 files are whole\n'
    assert case.hits()


def damaged_and_foreign_files_are_written_anew(case):
    case.run()
    path, = case.codes()
    content = path.read_bytes()
    for i in range(0, len(content), 97):
        path.chmod(0o600)
        path.write_bytes(content[:i] + bytes([content[i] ^ 1]) + content[i + 1:])
        path.chmod(0o400)
        assert 'damaged' in case.cay('cache', 'verify', code=1)[1]
    is_distrusted(case, 'damaged')
    for cut in 0, 1, 100, len(content) - 1:
        path.chmod(0o600)
        path.write_bytes(content[:cut])
        path.chmod(0o400)
        is_distrusted(case, 'damaged')
    for mode in 0o600, 0o440, 0o420, 0o404:
        path.chmod(mode)
        is_distrusted(case, 'mode')
    os.link(path, case.home / 'also')
    is_distrusted(case, 'several names')
    path.unlink()
    path.symlink_to(case.home / 'also')
    is_distrusted(case, 'cannot be opened')
    if os.geteuid() == 0:
        os.chown(path, 12345, -1)
        is_distrusted(case, 'somebody else')
    path.unlink()
    os.mkfifo(path, 0o400)
    is_distrusted(case, 'regular')


def code_under_another_name_is_none(case):
    case.run()
    first, = case.codes()
    case.run('--fuel', '1000')
    second, = set(case.codes()) - {first}
    os.replace(second, first)
    assert 'what another file should be' in case.cay('cache', 'verify', code=1)[1]
    assert not case.hits() and case.hits()


def a_folder_that_others_may_change_is_not_used(case):
    case.run()
    for mode in 0o770, 0o755, 0o777, 0o1700:
        case.cache.chmod(mode)
        err = case.run()
        assert 'not trusted' in err and 'its mode is not 0700' in err and 'kept' not in err, err
        assert 'not trusted' in case.cay('cache', 'list', code=125)[1]
    case.cache.chmod(0o700)
    assert case.hits()
    case.cache.rename(case.home / 'moved')
    case.cache.symlink_to(case.home / 'moved')
    assert not case.hits()
    if os.geteuid() == 0:
        case.cache.unlink()
        (case.home / 'moved').rename(case.cache)
        os.chown(case.cache, 12345, -1)
        assert 'it belongs to somebody else' in case.run()


def a_folder_whose_files_get_its_group_is_used(case):
    case.cache.parent.mkdir(parents=True, exist_ok=True)
    case.cache.parent.chmod(0o2755)
    case.run()
    assert case.cache.stat().st_mode & 0o7777 == 0o2700
    assert case.hits()


def without_a_place_the_program_runs(case):
    del case.variables['HOME']
    err = case.run()
    assert 'neither XDG_CACHE_HOME nor HOME' in err and 'optimized 1 of 1' in err, err
    for home in '/proc/nowhere', '/dev/null', 'relative':
        assert 'optimized 1 of 1' in case.run(HOME=home)


def many_at_once_do_no_harm(case):
    case.module.write_bytes(module(functions=400, body_adds=50))
    words = 'run', '--tier', 'optimized', '--invoke', 'f', str(case.module), '0'
    processes = [case.start(*words) for _ in range(6)]
    for process in processes:
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0 and out == '50\n', out + err
    case.cay('cache', 'wait')
    assert len(case.codes()) == 1 and not list(case.cache.glob('new-*'))
    assert case.cay('cache', 'verify')[0] == '1 of 1 files are whole\n'


def kills_leave_nothing_broken(case):
    """At any moment: the command, and everything that it has started."""
    case.module.write_bytes(module(functions=600, body_adds=60))
    words = 'run', '--tier', 'optimized', '--invoke', 'f', str(case.module), '0'
    for i in range(12):
        process = case.start(*words)
        time.sleep(0.02 * i)
        if i % 2:
            for pid in keepers_of(process.pid):
                os.kill(pid, signal.SIGKILL)
        process.kill()
        process.communicate()
        case.cay('cache', 'wait')
        case.cay('cache', 'verify')
    out, _ = case.cay(*words)
    assert out == '60\n'
    case.cay('cache', 'wait')
    assert not list(case.cache.glob('new-*')), 'what was killed is removed by the next'
    assert case.cay('cache', 'verify')[0] == '1 of 1 files are whole\n'


def keepers_of(parent):
    found = []
    for folder in Path('/proc').glob('[0-9]*'):
        try:
            fields = (folder / 'stat').read_text().rpartition(')')[2].split()
        except OSError:
            continue
        if int(fields[1]) == parent:
            found.append(int(folder.name))
    return found


def what_a_short_program_leaves_is_finished(case):
    case.module.write_bytes(module(functions=600, body_adds=60))
    process = case.start('run', '--tier', 'optimized', '--invoke', 'f', str(case.module), '0')
    deadline = time.time() + 30
    while not list(case.cache.glob('new-*')) and not case.codes() and time.time() < deadline:
        time.sleep(0.005)
    process.kill()
    process.communicate(timeout=5)  # nobody else has its streams
    case.cay('cache', 'wait')
    assert len(case.codes()) == 1
    assert case.cay('cache', 'verify')[0] == '1 of 1 files are whole\n'


def the_oldest_go_when_there_is_too_much(case):
    case.run()
    size = case.codes()[0].stat().st_size
    most = str(size * 14 // 5)
    for options in ('--relaxed-simd', 'deterministic'), ('--fuel', '1000'):
        assert not case.hits('--cache-size', most, *options)
        case.cay('cache', 'wait')
    assert sum(path.stat().st_size for path in case.cache.iterdir()) <= int(most)
    assert len(case.codes()) == 2
    assert case.hits('--fuel', '1000') and case.hits('--relaxed-simd', 'deterministic')
    # What is too large by itself is not kept, and the program runs.
    assert not case.hits('--cache-size', '10') and not case.hits('--cache-size', '10')


def list_and_clear(case):
    assert case.cay('cache', 'list') == ('', '')
    assert json.loads(case.cay('cache', 'list', '--format', 'json')[0]) == []
    assert case.cay('cache', 'verify')[0] == '0 of 0 files are whole\n'
    case.run()
    entry, = json.loads(case.cay('cache', 'list', '--format', 'json')[0])
    assert entry['ok'] and entry['current'] and not entry['part'] and entry['functions'] == 1 and len(entry['module']) == 64
    assert '1 functions' in case.cay('cache', 'list')[0]
    assert json.loads(case.cay('cache', 'verify', '--format', 'json')[0]) == {'files': 1, 'damaged': 0}
    assert case.cay('cache', 'clear')[0] == '1 files removed\n'
    assert not case.codes() and not case.hits()
    case.cay('cache', 'list', 'more', code=125)
    case.cay('cache', code=125)


def no_grant_reaches_it(case):
    folder = case.folder / 'guests'
    folder.mkdir()
    missing = cli.build_guests(folder)
    if 'reach.wasm' in missing:
        print('skipped: no compiler for guests')
        return
    case.run()
    reach, before = str(folder / 'reach.wasm'), [(path.name, path.read_bytes()) for path in case.codes()]
    inside = case.cache / before[0][0]
    above = [('/', str(case.cache)[1:]), (str(case.folder), 'home/.cache/cay'), (str(case.home), '.cache/cay'),
             (str(case.home / '.cache'), 'cay')]
    (case.home / 'link').symlink_to('.cache/cay')
    above.append((str(case.home), 'link'))
    for tier in 'baseline', 'optimized':
        for granted, path in above:
            out, err = case.cay('run', '--tier', tier, '--dir', granted + '::/g', reach, '/g/' + path, before[0][0])
            assert 'reached' not in out and 'refused' in out, (granted, out, err)
    for granted in str(case.cache), str(inside):
        _, err = case.cay('run', '--dir', granted + '::/g', reach, '/g', 'x', code=125)
        assert 'no program is given' in err, err
    assert [(path.name, path.read_bytes()) for path in case.codes() if path.name == before[0][0]] == before
    (case.home / 'beside').mkdir()
    assert 'reached' in case.cay('run', '--dir', str(case.home) + '::/g', reach, '/g/beside', 'new')[0]


def a_full_disk_ends_the_writing_only(case):
    small = case.folder / 'small'
    small.mkdir()
    if os.geteuid() != 0 or subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=16k,mode=700', 'none', str(small)],
                                           capture_output=True).returncode:
        print('skipped: no small file system can be mounted')
        return
    try:
        case.module.write_bytes(module(functions=600, body_adds=60))
        for _ in range(2):
            out, err = case.cay('run', '--tier', 'optimized', '-v', '--cache', str(small / 'cay'), '--invoke', 'f',
                                str(case.module), '0')
            assert out == '60\n' and 'optimized 600 of 600' in err and 'kept' not in err, err
        case.cay('cache', 'wait', CAY_CACHE=str(small / 'cay'))
        assert not list((small / 'cay').glob('*.code')) and not list((small / 'cay').glob('new-*'))
    finally:
        subprocess.run(['umount', '-l', str(small)], check=True)


def a_home_that_cannot_be_written_is_told(case):
    if os.geteuid() == 0:
        if subprocess.run(['mount', '-t', 'tmpfs', '-o', 'ro', 'none', str(case.home)], capture_output=True).returncode:
            print('skipped: no file system for reading only can be mounted')
            return
    else:
        case.home.chmod(0o500)
    try:
        err = case.run()
        assert 'cannot be used' in err and 'optimized 1 of 1' in err, err
    finally:
        if os.geteuid() == 0:
            subprocess.run(['umount', '-l', str(case.home)], check=True)
        else:
            case.home.chmod(0o700)


def what_is_busy_is_kept(case):
    for isolate in 'none', 'wall', 'process':
        case.module.write_bytes(busy_module())
        err = case.run_busy('--isolate', isolate)
        assert 'optimized 1 of 2 functions while it ran, and moved 1 times' in err, err
        case.cay('cache', 'wait')
        entry, = json.loads(case.cay('cache', 'list', '--format', 'json')[0])
        assert entry['part'] and 'part of 2 functions' in case.cay('cache', 'list')[0]
        assert len(case.codes()) == 1 and not list(case.cache.glob('new-*'))
        err = case.run_busy('--isolate', isolate)
        assert 'optimized 1 of 2 functions while it ran, and moved 0 times (kept in the cache)' in err, err
        case.cay('cache', 'wait')
        assert 'kept' not in case.run_busy('--tier', 'optimized'), 'which takes all of the module'
        assert 'optimized 2 of 2 functions (kept in the cache)' in case.run_busy('--isolate', isolate)
        case.cay('cache', 'clear')
        case.run_busy('--isolate', isolate, '--cache', 'off')
        case.cay('cache', 'wait')
        assert not case.codes()


def what_later_runs_add_is_kept_with_it(case):
    case.module.write_bytes(busy_module())
    assert 'optimized 1 of 2 functions while it ran, and moved 1' in case.run_busy()
    case.cay('cache', 'wait')
    before = case.codes()[0].read_bytes()
    err = case.run_busy()
    assert 'optimized 1 of 2 functions while it ran, and moved 0 times (kept in the cache)' in err, err
    err = case.run_busy(function='g')
    assert 'optimized 2 of 2 functions while it ran, and moved 1 times (kept in the cache)' in err, err
    case.cay('cache', 'wait')
    after = case.codes()[0].read_bytes()
    assert len(case.codes()) == 1 and len(after) > len(before)
    for function in 'f', 'g':
        err = case.run_busy(function=function)
        assert 'optimized 2 of 2 functions while it ran, and moved 0 times (kept in the cache)' in err, err
    # The tier that has all compiled at first makes all of it.
    err = case.cay('run', '-v', '--tier', 'optimized', '--invoke', 'f', str(case.module), '7')[1]
    assert 'optimized 2 of 2 functions' in err and 'kept' not in err, err
    assert 'optimized 2 of 2 functions (kept in the cache)' in case.run_busy(function='g')
    path, = case.codes()
    path.chmod(0o600)
    path.write_bytes(before[:-1] + bytes([before[-1] ^ 1]))
    path.chmod(0o400)
    assert 'moved 1 times' in case.run_busy()
    case.cay('cache', 'wait')
    assert path.read_bytes() == before


def what_runs_around_optimized_code_is_kept_after_one_run(case):
    """It counts little, since what takes the time does not count any more."""
    case.module.write_bytes(nested_module())
    case.run_busy(count=8000)
    case.cay('cache', 'wait')
    before = case.codes()[0].read_bytes()
    err = case.run_busy(count=8000)
    assert 'optimized 2 of 3 functions while it ran, and moved 0 times (kept in the cache)' in err, err
    case.cay('cache', 'wait')
    assert case.codes()[0].read_bytes() == before


def of_a_small_program_all_that_ran_is_kept(case):
    case.module.write_bytes(entered_module())
    case.run_busy()
    case.cay('cache', 'wait')
    err = case.run_busy()
    assert 'optimized 2 of 2 functions while it ran, and moved 0 times (kept in the cache)' in err, err


def profile_in(path):
    """How many calls the answers in a file say something of."""
    found = re.findall(b'cayO(.{24})', path.read_bytes(), re.DOTALL)  # struct wire_batch
    return sum(struct.unpack('<6I', head)[5] for head in found)


def the_profile_is_kept_with_the_code(case):
    case.module.write_bytes(finding_module())
    for function, functions in ('f', 2), ('g', 3):  # and what they call
        case.run_busy(function=function)
        case.cay('cache', 'wait')
        path, = case.codes()
        assert profile_in(path) == functions - 1, profile_in(path)
    assert 'optimized 3 of 3 functions while it ran, and moved 0 times (kept in the cache)' in case.run_busy()


@contextlib.contextmanager
def turn_of_another(case):
    with open(case.cache / 'turn') as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        yield


def who_compiles_afresh_takes_turns(case):
    case.module.write_bytes(busy_module())
    case.run_busy()
    case.cay('cache', 'wait')
    case.cay('cache', 'clear')
    with turn_of_another(case):
        case.run_busy()
        assert until(lambda: case.codes())
        err = case.run_busy()
    assert 'optimized 1 of 2 functions while it ran, and moved 0 times (kept in the cache)' in err, err


def contents(case):
    return [path.read_bytes() for path in case.codes()]


def are_all_others(before, after):
    return len(before) == len(after) == 2 and all(one != other for one, other in zip(before, after))


def the_programs_of_a_pipe_are_both_compiled_afresh(case):
    case.module.write_bytes(busy_module())
    case.run_busy()
    case.cay('cache', 'wait')
    case.cay('cache', 'clear')
    with turn_of_another(case):
        case.run_busy()
        case.run_busy('--canonical-nans')
        assert until(lambda: len(case.codes()) == 2)
        before = contents(case)
    case.cay('cache', 'wait')
    assert are_all_others(before, contents(case))


def what_runs_at_once_have_made_is_joined(case):
    case.module.write_bytes(busy_module())
    case.run_busy()
    case.cay('cache', 'wait')
    case.cay('cache', 'clear')
    with turn_of_another(case):
        longer = case.start('run', '--invoke', 'g', str(case.module), '4294967295')
        assert until(lambda: helpers_below(longer.pid))
        case.run_busy()
        assert until(lambda: case.codes()) and longer.poll() is None
        first = contents(case)
        longer.communicate(timeout=60)
        assert until(lambda: contents(case) != first)
        for function in 'f', 'g':
            err = case.run_busy(function=function)
            assert 'optimized 2 of 2 functions while it ran, and moved 0 times (kept in the cache)' in err, err


def modules_that_take_turns_are_all_compiled_afresh(case):
    other = case.folder / 'other.wasm'
    other.write_bytes(busy_module())
    case.module.write_bytes(calling_module())
    preload = '--preload', 'm=%s' % other
    case.run_busy(*preload)
    case.cay('cache', 'wait')
    case.cay('cache', 'clear')
    with turn_of_another(case):
        case.run_busy(*preload)
        assert until(lambda: len(case.codes()) == 2)
        before = contents(case)
    case.cay('cache', 'wait')
    assert are_all_others(before, contents(case))


def helpers_below(process):
    """Of any depth."""
    found = []
    for pid in keepers_of(process):
        try:
            name = Path('/proc/%d/comm' % pid).read_text().strip()
        except OSError:
            continue
        found += [pid] * (name == 'cay-llvm') + helpers_below(pid)
    return found


def until(condition, seconds=60):
    deadline = time.time() + seconds
    while not condition() and time.time() < deadline:
        time.sleep(0.01)
    return condition()


def programs_that_run_are_not_waited_for(case):
    case.module.write_bytes(busy_module())
    process = case.start('run', '--invoke', 'f', str(case.module), '4294967295')
    try:
        assert until(lambda: helpers_below(process.pid))
        process.send_signal(signal.SIGSTOP)  # it lives, however long this takes
        case.cay('cache', 'wait')
        assert not case.codes()
    finally:
        process.kill()
        process.communicate()
    case.cay('cache', 'wait')
    assert len(case.codes()) == 1


def default_tier_says_that_the_cache_is_not_trusted(case):
    case.module.write_bytes(busy_module())
    assert 'trusted' not in case.run_busy()
    case.cay('cache', 'wait')
    case.cache.chmod(0o755)
    assert 'not trusted' in case.run_busy()
    case.cache.chmod(0o700)
    del case.variables['HOME']
    assert 'neither' not in case.run_busy()


def compiled_with(case, jobs):
    """The file, and how many helpers have made it at once."""
    output = case.folder / ('%s.cay' % jobs)
    process = case.start('compile', '--jobs', jobs, str(case.module), '-o', str(output))
    most = 0
    while process.poll() is None:
        most = max(most, len(helpers_below(process.pid)))
        time.sleep(0.005)
    assert process.returncode == 0, process.communicate()[1]
    process.communicate()
    return output.read_bytes(), most


def any_number_of_helpers_makes_the_same(case):
    case.module.write_bytes(module(functions=500, body_adds=200))
    one, helpers = compiled_with(case, '1')
    assert helpers == 1, helpers
    for jobs in '2', '3':
        other, helpers = compiled_with(case, jobs)
        assert other == one and helpers == int(jobs), helpers
    words = '-v', '--tier', 'optimized', '--invoke', 'f', str(case.module), '0'
    kept = []
    for jobs in '1', '3':
        out, err = case.cay('run', '--jobs', jobs, *words)
        assert out == '200\n' and 'optimized 500 of 500' in err, err
        case.cay('cache', 'wait')
        kept.append(case.codes()[0].read_bytes())
        case.cay('cache', 'clear')
        out, err = case.cay('run', '--jobs', jobs, '--cache', 'off', *words)
        assert out == '200\n' and 'optimized 500 of 500' in err, err
    assert kept[0] == kept[1]


def any_number_of_helpers_compiles_afresh(case):
    padding = b'\0' + leb(2 + 400000) + b'\x01p' + bytes(400000)  # so that the module is worth several
    case.module.write_bytes(busy_module() + padding)
    kept = []
    for jobs in '1', '3':
        case.run_busy('--jobs', jobs)
        case.cay('cache', 'wait')
        assert 'moved 0 times (kept in the cache)' in case.run_busy('--jobs', jobs)
        kept.append(case.codes()[0].read_bytes())
        case.cay('cache', 'clear')
    assert kept[0] == kept[1]


def stats_tell_where_code_has_come_from(case):
    def cache_of(*options):
        err = case.cay('run', '--stats', '--format', 'json', *options, '--invoke', 'f', str(case.module), '2000000000')[1]
        return json.loads(err.splitlines()[-1])['cache']
    case.module.write_bytes(busy_module())
    assert cache_of('--cache', 'off') == 'off'
    assert cache_of() == 'miss'
    case.cay('cache', 'wait')
    assert cache_of() == 'part'
    assert cache_of('--tier', 'optimized') == 'miss' and cache_of('--tier', 'optimized') == 'hit'
    case.cache.chmod(0o755)
    assert cache_of() == 'unusable'


def a_limit_of_time_ends_compiling(case):
    case.module.write_bytes(slow_module())
    for options in ('--cache', 'off'), (), ('--isolate', 'none', '--cache', 'off'):
        begin = time.time()
        _, err = case.cay('run', '-v', '--tier', 'optimized', '--timeout', '500ms', *options, '--invoke', 'f',
                          str(case.module), '1', code=124)
        assert 'the rest is not: compiling was interrupted' in err and 'stopped after 500ms' in err, err
        assert time.time() - begin < 5, time.time() - begin


def who_ends_compiling_finds_nothing_left(case):
    case.module.write_bytes(slow_module())
    for number in signal.SIGINT, signal.SIGTERM:
        before = sorted(case.folder.iterdir())
        process = case.start('compile', str(case.module), '-o', str(case.folder / 'out.cay'))
        helpers = []
        assert until(lambda: helpers.extend(helpers_below(process.pid)) or helpers)
        time.sleep(0.5)
        process.send_signal(number)
        process.communicate(timeout=5)
        assert process.returncode == -number
        assert sorted(case.folder.iterdir()) == before
        assert until(lambda: not any(Path('/proc/%d' % pid).exists() for pid in helpers), 5), 'a helper goes on'


def a_cache_that_cannot_be_written_keeps_nothing_else(case):
    if os.geteuid() != 0 or subprocess.run(['mount', '-t', 'tmpfs', 'none', str(case.home)], capture_output=True).returncode:
        print('skipped: no file system can be mounted')
        return
    try:
        case.cache.mkdir(parents=True, mode=0o700)
        subprocess.run(['mount', '-o', 'remount,ro', str(case.home)], check=True)
        case.module.write_bytes(busy_module())
        err = case.run_busy()
        assert 'optimized 1 of 2 functions while it ran, and moved 1 times' in err, err
    finally:
        subprocess.run(['umount', '-l', str(case.home)], check=True)


def kills_while_it_runs_leave_nothing_broken(case):
    case.module.write_bytes(busy_module())
    for i in range(12):
        process = case.start('run', '--invoke', 'f', str(case.module), '4000000000')
        time.sleep(0.02 * i)
        if i % 2:
            for broker in keepers_of(process.pid):
                for pid in [*keepers_of(broker), broker]:
                    os.kill(pid, signal.SIGKILL)
        process.kill()
        process.communicate()
        case.cay('cache', 'wait')
        case.cay('cache', 'verify')
    case.run_busy()
    case.cay('cache', 'wait')
    assert not list(case.cache.glob('new-*')) and len(case.codes()) == 1


CASES = (the_second_run_takes_what_the_first_has_made, other_bytes_and_options_are_other_code,
         a_file_that_changed_in_place_is_hashed_anew, off_keeps_nothing, damaged_and_foreign_files_are_written_anew,
         code_under_another_name_is_none, a_folder_that_others_may_change_is_not_used, a_folder_whose_files_get_its_group_is_used, without_a_place_the_program_runs,
         many_at_once_do_no_harm, kills_leave_nothing_broken, what_a_short_program_leaves_is_finished,
         the_oldest_go_when_there_is_too_much, list_and_clear, no_grant_reaches_it, a_full_disk_ends_the_writing_only,
         a_home_that_cannot_be_written_is_told, what_is_busy_is_kept,
         what_later_runs_add_is_kept_with_it, what_runs_around_optimized_code_is_kept_after_one_run, of_a_small_program_all_that_ran_is_kept,
         the_profile_is_kept_with_the_code, who_compiles_afresh_takes_turns, kills_while_it_runs_leave_nothing_broken,
         a_cache_that_cannot_be_written_keeps_nothing_else, the_programs_of_a_pipe_are_both_compiled_afresh,
         what_runs_at_once_have_made_is_joined, modules_that_take_turns_are_all_compiled_afresh, programs_that_run_are_not_waited_for,
         default_tier_says_that_the_cache_is_not_trusted, any_number_of_helpers_makes_the_same,
         any_number_of_helpers_compiles_afresh, stats_tell_where_code_has_come_from, a_limit_of_time_ends_compiling, who_ends_compiling_finds_nothing_left)


def main():
    if 'optimized' not in cli.tiers_of(CAY):
        print('skipped: this build has no tier "optimized"')
        sys.exit(77)
    wanted, failed = sys.argv[2:], 0
    for case in CASES:
        if wanted and case.__name__ not in wanted:
            continue
        # A keeper may still be writing to it when the case is over.
        with tempfile.TemporaryDirectory(prefix='cay-cache-', ignore_cleanup_errors=True) as name:
            try:
                case(Case(Path(name).resolve()))
                print('ok %s' % case.__name__)
            except (AssertionError, ValueError, subprocess.TimeoutExpired, OSError) as problem:
                failed += 1
                print('FAILED %s: %s' % (case.__name__, problem or 'at line %d' % problem.__traceback__.tb_next.tb_lineno))
    print('%d cases failed' % failed)
    sys.exit(failed > 0)


if __name__ == '__main__':
    main()
