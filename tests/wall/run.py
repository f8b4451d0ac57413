#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The second wall around the command, from outside.

usage: run.py CAY BUILD_FOLDER CC

1. The hole: the command is linked once more from its own objects, with a host function that tries what an attacker would
   (hole.c). The kernel stops each attempt; with --isolate none it does not, so that this test can fail. As if its program
   made sockets, what the grants name can be connected to and looked up, and nothing else.
2. strace: between the system call that closes the wall (seccomp) and the end of the process, a run without grants opens,
   asks about and connects to nothing. With grants and --audit, what is opened is what the log says, and the reverse.
3. A single granted file that is replaced: behind the wall the new one is refused, without it is reached.
4. A module whose file is written over while it runs: messages tell lines of the one that runs.
5. Calls that fail (strace, too): the run goes on, and what the wall lacks is said, or the run refused."""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent

CAY, BUILD, CC = os.path.abspath(sys.argv[1]), Path(sys.argv[2]).resolve(), sys.argv[3]
GUEST = r'''
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <wasi/api.h>
int main(int argc, char **argv) {
  unsigned char byte;
  if (__wasi_random_get(&byte, 1)) return 3;
  if (argc > 2 && strcmp(argv[1], "read") == 0) {
    for (int i = 2; i < argc; i++) {
      FILE *file = fopen(argv[i], "r");
      if (file) fclose(file);
    }
    return 0;
  }
  if (argc > 2 && strcmp(argv[1], "write") == 0) return fopen(argv[2], "w") == NULL;
  if (argc > 2 && strcmp(argv[1], "again") == 0) {
    for (int i = 0; i < 2; i++) {
      char line[32];
      FILE *file = fopen(argv[2], "r");
      puts(file && fgets(line, sizeof line, file) ? line : strerror(errno));
      fflush(stdout);
      if (file) fclose(file);
      if (i == 0) getchar();
    }
    return 0;
  }
  time_t now = time(NULL);
  printf("%d\n", now > 0);
  return 0;
}
'''
STOPPED = {'open': 'Operation not permitted', 'write': 'Operation not permitted', 'stat': 'Operation not permitted',
           'memory': 'Operation not permitted', 'connect': 'Operation not permitted', 'map': 'Operation not permitted',
           'mapall': 'Operation not permitted', 'protect': 'Operation not permitted', 'fork': 'Operation not permitted',
           'exec': None}  # None: the process ends by SIGSYS
WRAPPED = 'host_random_fill', 'api_run_makes_sockets', 'host_network_set_resolver'
# Of a run whose program makes sockets: what is granted, what is attempted, what comes of it. Nobody listens at port 9.
WITH_SOCKETS = [([], 'dial', 'Operation not permitted'), ([], 'lookup', 'Operation not permitted'),
                (['connect:tcp:localhost:9'], 'dial', 'Connection refused'),
                (['connect:tcp:localhost:10'], 'dial', 'Permission denied'),
                (['connect:tcp:localhost'], 'dial', 'Connection refused'),
                (['listen:udp:127.0.0.1:9'], 'dial', 'Permission denied'),
                (['deny:connect:tcp:localhost:9'], 'dial', 'Operation not permitted'),
                (['connect:tcp:localhost:9'], 'netlink', 'Operation not permitted'),
                (['connect:tcp:localhost:9'], 'open', 'Operation not permitted'),
                (['connect:tcp:localhost:9'], 'lookup', None),
                (['connect:tcp:localhost:9'], 'lookup-other', 'No such file or directory'),
                (['connect:tcp:127.0.0.1'], 'lookup', 'No such file or directory')]
BY_NAME = re.compile(r'^(?:\d+ +)?(open|openat|openat2|creat|stat|lstat|newfstatat|statx|access|faccessat2?|readlink|'
                     r'readlinkat|execve|socket|connect|bind|sendto|sendmsg|mkdirat?|unlinkat?|renameat2?|linkat|symlinkat)\(')
passed = failed = skipped = 0


def compiler():
    for name in filter(None, [os.environ.get('CAY_TEST_CC'), CC, 'clang']):
        probe = subprocess.run([name, '--target=wasm32-wasi', '-x', 'c', '-', '-o', '/dev/null'], text=True,
                               input='int main(void) { return 0; }', capture_output=True)
        if probe.returncode == 0:
            return name
    return None


def tiers():
    return json.loads(subprocess.run([CAY, 'version', '--format', 'json'], check=True, capture_output=True).stdout)['tiers']


def check(what, is_right, found=''):
    global passed, failed
    passed, failed = passed + bool(is_right), failed + (not is_right)
    if not is_right:
        print('FAILED', what, found)


def skip(what, why):
    global skipped
    skipped += 1
    print('skipped %s: %s' % (what, why))


def link_hole(folder):
    """The command's own link, with one more object and --wrap."""
    shown = subprocess.run(['ninja', '-C', str(BUILD), '-t', 'commands', '-s', 'cay'], check=True, capture_output=True,
                           text=True).stdout
    command = shown.strip().splitlines()[-1]
    out, source = folder / 'holed', HERE / 'hole.c'
    subprocess.run([CC, '-O1', '-c', str(source), '-o', str(folder / 'hole.o')], check=True)
    command = re.sub(r'(\s-o )cay\b', r'\1%s %s %s' % (out, ' '.join('-Wl,--wrap=' + name for name in WRAPPED), folder / 'hole.o'),
                     command)
    subprocess.run(command, shell=True, check=True, cwd=BUILD)
    return out


def run(folder, command, **variables):
    return subprocess.run(command, cwd=folder, env=dict(os.environ, **variables), capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, timeout=120)


def test_sockets(folder, holed):
    for grants, what, expected in WITH_SOCKETS:
        options = [word for grant in grants for word in ('--net', grant)]
        got = run(folder, [holed, 'run', '--isolate', 'wall', *options, 'guest.wasm'], CAY_HOLE=what, CAY_HOLE_SOCKETS='1')
        told = 'stopped: %s: %s\n' % (what, expected) if expected else 'holed: %s' % what
        check('sockets: %s with %s' % (what, grants), told in got.stderr, got)
    # WASI 0.1 makes none, whatever is granted.
    got = run(folder, [holed, 'run', '--isolate', 'wall', '--net', 'connect:tcp:localhost:9', 'guest.wasm'], CAY_HOLE='dial')
    check('no sockets in WASI 0.1', 'stopped: dial: Operation not permitted' in got.stderr, got)


def test_fast_open(folder, holed):
    """A granted listener is not turned into a connection."""
    for isolate, told in ('wall', 'stopped: fastopen: Operation not permitted\n'), ('none', 'holed: fastopen'):
        got = run(folder, [holed, 'run', '--isolate', isolate, '--listen', '127.0.0.1:0', 'guest.wasm'], CAY_HOLE='fastopen')
        check('fastopen with %s' % isolate, told in got.stderr, got)


def injected(folder, inject, *command, **variables):
    """A run some of whose system calls fail."""
    return run(folder, ['strace', '-f', '-o', '/dev/null', '-e', 'trace=' + inject.split(':')[0], '-e', 'inject=' + inject, *command],
               **variables)


def test_failures(folder):
    """Without a call that the system may lack the run goes on, to its end, or says what is missing."""
    if not shutil.which('strace'):
        skip('failures', 'strace is not installed')
        return
    for isolate in 'wall', 'process':
        got = injected(folder, 'close_range:error=ENOSYS', CAY, 'run', '--isolate', isolate, 'guest.wasm')
        check('no close_range, %s' % isolate, got.stdout == '1\n' and got.returncode == 0, got)
    # What came along is closed, wherever it stands and whatever the limits are.
    script = 'exec 40</etc/passwd; ulimit -n %d; exec strace -f -o log -e trace=read,close,close_range %s "$0" run --isolate process guest.wasm'
    for limit in 30, 256:
        for inject in '', '-e inject=close_range:error=ENOSYS':
            got = run(folder, ['bash', '-c', script % (limit, inject), CAY])
            log = (folder / 'log').read_text()
            check('40 closed, limit %d %s' % (limit, inject), got.returncode == 0 and re.search(r'close\(40\) += 0', log),
                  (got, log[-3000:]))
    for part, inject in ('Landlock', 'landlock_create_ruleset:error=EOPNOTSUPP'), ('seccomp', 'seccomp:error=EINVAL'):
        said = 'the wall around cay\'s own process lacks ' + part
        got = injected(folder, inject, CAY, 'run', 'guest.wasm')
        check('%s is missing' % part, got.stdout == '1\n' and got.returncode == 0 and said in got.stderr and '--isolate none' in got.stderr, got)
        got = injected(folder, inject, CAY, 'run', '--isolate', 'none', 'guest.wasm')
        check('%s is not wanted' % part, got.stdout == '1\n' and got.returncode == 0 and got.stderr == '', got)
        for isolate in 'wall', 'process':
            got = injected(folder, inject, CAY, 'run', '--isolate', isolate, 'guest.wasm')
            check('no %s with %s' % (part, isolate), got.stdout == '' and got.returncode == 125 and said in got.stderr, got)
    got = injected(folder, 'clone,clone3,fork:error=EAGAIN', CAY, 'run', '--isolate', 'wall', 'guest.wasm')
    check('no broker', got.stdout == '1\n' and got.returncode == 0 and 'the broker cannot be started' in got.stderr, got)


def test_hole(folder):
    holed = link_hole(folder)
    test_sockets(folder, holed)
    test_fast_open(folder, holed)
    for tier in tiers():
        for what, expected in STOPPED.items():
            got = run(folder, [holed, 'run', '--isolate', 'wall', 'guest.wasm'], CAY_HOLE=what, CAY_TIER=tier)
            if expected:
                check('hole %s %s' % (tier, what), got.stderr == 'stopped: %s: %s\n' % (what, expected), got)
            else:
                check('hole %s %s' % (tier, what), got.returncode == -31 and 'holed' not in got.stderr, got)
            check('hole %s, in a process of its own' % what, 'holed' not in
                  run(folder, [holed, 'run', '--isolate=process', 'guest.wasm'], CAY_HOLE=what, CAY_TIER=tier).stderr)
    for what in STOPPED:
        got = run(folder, [holed, 'run', '--isolate', 'none', 'guest.wasm'], CAY_HOLE=what)
        check('hole %s without the wall' % what, 'holed: %s' % what in got.stderr, got)


def traced(folder, options, arguments):
    """System calls by name after the wall is closed, as (name, the rest of the line), of the guest's process only."""
    log = folder / 'strace'
    got = run(folder, ['strace', '-o', str(log), CAY, 'run'] + options + ['guest.wasm'] + arguments)
    lines = log.read_text().splitlines()
    marks = [i for i, line in enumerate(lines) if 'SECCOMP_SET_MODE_FILTER' in line and line.endswith(' = 0')]
    check('the wall is closed', len(marks) == 1, lines[-5:])
    after = lines[marks[0] + 1:] if marks else []
    # What goes over a socket that is connected names nobody.
    return got, [(m.group(1), line) for line in after if (m := BY_NAME.match(line)) and 'MSG_NOSIGNAL, NULL, 0)' not in line], after


def test_strace(folder):
    if not shutil.which('strace'):
        skip('strace', 'it is not installed')
        return
    for tier in tiers():
        if tier == 'optimized':  # its helper is another process, which loads libraries meanwhile
            continue
        got, calls, after = traced(folder, ['--tier', tier], [])
        check('a run without grants', got.stdout == '1\n' and got.returncode == 0, got)
        check('nothing by name without grants', not calls, calls)
        check('to the end', any('exit_group' in line for line in after), after[-3:])
    (folder / 'd/sub').mkdir(parents=True)
    for name in ('a', 'b', 'sub/c', 'unread'):
        (folder / 'd' / name).write_text('x')
    got, calls, _ = traced(folder, ['--dir', 'd::/d::ro', '--audit', 'log'], ['read', '/d/a', '/d/sub/c', '/d/gone'])
    opened = {re.search(r'"([^"]*)"', line).group(1) for name, line in calls if name in ('openat', 'openat2')}
    check('no other call', {name for name, _ in calls} <= {'openat', 'openat2', 'newfstatat', 'sendto'}, calls)
    told = set()
    for line in (folder / 'log').read_text().splitlines():
        entry = json.loads(line)
        if str(entry.get('call')) == 'path_open':
            told.add(entry['object'].removeprefix('/d/'))
    check('what was opened is what the log says', opened == told == {'a', 'sub/c', 'gone'}, (opened, told))


def test_replaced(folder):
    """A single granted file that another one replaces, as host_grant_file and docs/capabilities.md tell."""
    for isolate, second in (('none', 'new'), ('wall', 'Permission denied'), ('process', 'Permission denied')):
        (folder / 'single').write_text('old')
        guest = subprocess.Popen([CAY, 'run', '--isolate', isolate, '--dir', 'single::/single::ro', 'guest.wasm', 'again',
                                  '/single'], cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        first = guest.stdout.readline()
        (folder / 'other').write_text('new')
        (folder / 'other').rename(folder / 'single')
        rest, _ = guest.communicate('\n', timeout=120)
        check('a replaced file, --isolate %s' % isolate, [first.strip(), rest.strip()] == ['old', second], (first, rest))


def test_module_replaced(folder):
    """Positions are those of the module that runs, whatever its file has become."""
    (folder / 'trap.c').write_text('#include <stdio.h>\nint main(void) {\n  puts("up");\n  fflush(stdout);\n  getchar();\n'
                                   '  __builtin_trap();\n}\n')
    subprocess.run([compiler(), '--target=wasm32-wasi', '-Wno-deprecated', '-g', 'trap.c', '-o', 'trap.wasm'], check=True,
                   cwd=folder)
    guest = subprocess.Popen([CAY, 'run', '--isolate', 'wall', 'trap.wasm'], cwd=folder, stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    guest.stdout.readline()
    with (folder / 'trap.wasm').open('r+b') as module:
        module.write(bytes((folder / 'trap.wasm').stat().st_size))
    _, told = guest.communicate('\n', timeout=120)
    check('positions of a module whose file was written over', 'trap.c:6' in told, told)


def main():
    cc = compiler()
    if not cc:
        skip('everything', 'there is no compiler for wasm32-wasi')
    with tempfile.TemporaryDirectory(prefix='cay-wall-') as name:
        folder = Path(name)
        if cc:
            (folder / 'guest.c').write_text(GUEST)
            subprocess.run([cc, '--target=wasm32-wasi', '-Wno-deprecated', '-O1', 'guest.c', '-o', 'guest.wasm'],
                           check=True, cwd=folder)
            checks = json.loads(subprocess.run([CAY, 'doctor', '--format', 'json'], capture_output=True).stdout)
            holds = {c['check']: c['ok'] for c in checks}
            if os.environ.get('CAY_SANITIZED'):
                skip('everything', 'a build with sanitizers has no wall')
            elif not (holds.get('wall: Landlock') and holds.get('wall: seccomp')):
                skip('everything', 'this system has no Landlock or no seccomp')
            else:
                test_hole(folder)
                test_strace(folder)
                test_replaced(folder)
                test_module_replaced(folder)
                test_failures(folder)
    print('%d passed, %d failed, %d skipped' % (passed, failed, skipped))
    return failed != 0


if __name__ == '__main__':
    sys.exit(main())
