#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Runs the command's transcripts: tests/cli/cases/*.txt.

usage: run.py CAY [CASE...]

A transcript is a list of steps. A step starts with its command, which a shell runs in a fresh folder that holds the
guests (tests/cli/guests, tests/cli/modules.py), with `cay` first in the PATH and an empty environment beside it:

  $ cay run nothing.wasm
  > a line that has to be on standard output
  ! a line that has to be on standard error
  = 126                        the exit code, when it is not 0

Transcripts of running programs are run in every tier that the command has, by CAY_TIER.

`...` inside a line stands for any text, and a line `> ...` for any number of lines. Lines starting with # are comments.
CAY_TEST_CC overrides the compiler of the guests; without one for wasm32-wasi, steps that use them are skipped, and so are
those that name a tier which the command does not have."""
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import modules

HERE = Path(__file__).resolve().parent
IN_EVERY_TIER = 'run.txt', 'limits.txt'
AHEAD = 'optimized' # compiles whole programs before they start, a second each: optimized.txt shows it
NOT_SANITIZED = ('isolate.txt',) # behind the wall a sanitizer cannot look for leaks


class Step:
    def __init__(self, where, command):
        self.where, self.command = where, command
        self.out, self.err, self.code = [], [], 0


def read_steps(path):
    steps = []
    for number, line in enumerate(path.read_text(encoding='utf-8').splitlines(), 1):
        mark, rest = line[:1], line[2:]
        if mark == '$':
            steps.append(Step('%s:%d' % (path.name, number), rest))
        elif mark == '>':
            steps[-1].out.append(rest)
        elif mark == '!':
            steps[-1].err.append(rest)
        elif mark == '=':
            steps[-1].code = int(rest)
        elif mark not in ('', '#'):
            sys.exit('%s:%d: a line starts with one of $ > ! = #' % (path, number))
    return steps


def pattern_of(lines):
    out = []
    for line in lines:
        if line == '...':
            out.append(r'(?:.*\n)*')
        else:
            out.append('.*'.join(re.escape(part) for part in line.split('...')) + r'\n')
    return re.compile(''.join(out))


def compiler():
    candidates = [os.environ.get('CAY_TEST_CC')] + ['clang-%d' % n for n in range(24, 13, -1)] + ['clang']
    probe = 'int main(void) { return 0; }'
    for candidate in filter(None, candidates):
        if shutil.which(shlex.split(candidate)[0]):
            command = shlex.split(candidate) + ['--target=wasm32-wasi', '-x', 'c', '-', '-o', '/dev/null']
            if subprocess.run(command, input=probe, text=True, capture_output=True).returncode == 0:
                return shlex.split(candidate)
    return None


def build_guests(folder):
    """Returns the names of the guests that could not be built."""
    for name, content in modules.files().items():
        (folder / name).write_bytes(content)
    (folder / 'receipt').write_text(RECEIPT, encoding='utf-8')
    (folder / 'receipt').chmod(0o755)
    for helper in [*(HERE / 'guests').glob('*.sh'), *(HERE / 'guests').glob('*.py')]:
        shutil.copy(helper, folder)
    sources = sorted((HERE / 'guests').glob('*.c'))
    cc = compiler()
    if not cc:
        return [source.stem + '.wasm' for source in sources]
    for source in sources:
        subprocess.run(cc + ['--target=wasm32-wasi', '-Wno-deprecated', '-O1', '-g', source.name, '-o',
                             str(folder / (source.stem + '.wasm'))], check=True, cwd=source.parent)
    return []


def tiers_of(cay):
    """Names of the command's tiers, the default first."""
    return json.loads(subprocess.run([cay, 'version', '--format', 'json'], check=True, capture_output=True).stdout)['tiers']


def environment(cay, tier, folder):
    kept = ('ASAN_', 'UBSAN_', 'LSAN_', 'TSAN_', 'CAY_SANITIZED')
    keep = {name: os.environ[name] for name in os.environ if name.startswith(kept)}
    path = '%s:%s:%s' % (Path(cay).parent, folder, os.environ.get('PATH', '/usr/bin:/bin'))
    if tier:
        keep.update(CAY_TIER=tier, CAY_CACHE='off')
    return dict(keep, PATH=path, CAY_COMMAND=cay)


RECEIPT = """#!/usr/bin/env python3
import json, sys
receipt = json.load(open(sys.argv[1]))
row = [row for row in receipt['limits'] if row['name'] == sys.argv[2]][0]
assert receipt['limit_met'] == row['name'], receipt['limit_met']
print('%d %s: used %d, peak %d, limit %d' % (receipt['exit_code'], row['name'], row['used'], row['peak'], row['limit']))
"""


def check(step, result):
    problems = []
    if result.returncode != step.code:
        problems.append('exit code %d, expected %d' % (result.returncode, step.code))
    for name, lines, actual in (('output', step.out, result.stdout), ('error', step.err, result.stderr)):
        actual = actual.decode('utf-8', 'replace')
        if not pattern_of(lines).fullmatch(actual + ('' if not actual or actual.endswith('\n') else '\n')):
            problems.append('standard %s is:\n%s' % (name, ''.join('    %s\n' % line for line in actual.splitlines())))
    return problems


def run_step(step, folder, variables):
    result = subprocess.run(['sh', '-c', step.command], cwd=folder, env=variables, stdin=subprocess.DEVNULL,
                            capture_output=True, timeout=120)
    problems = check(step, result)
    if problems:
        print('FAILED %s: %s\n  %s' % (step.where + ' ' + variables['CAY_TIER'], step.command, '\n  '.join(problems)))
    return not problems


def untested_options():
    """Options that no transcript gives: each has to be shown to do something."""
    table = (HERE.parent.parent / 'src/policy/options.def').read_text(encoding='utf-8')
    names = re.findall(r'^POLICY_(?:OPTION\(\w+, \w+|ALIAS\(\w+), "([^"]+)"', table, re.M)
    letters = dict(re.findall(r'^POLICY_OPTION\(\w+, \w+, "([^"]+)", \'(.)\'', table, re.M))
    text = '\n'.join(step.command for path in (HERE / 'cases').glob('*.txt') for step in read_steps(path))
    return [name for name in names
            if not re.search(r'--%s\b' % name, text) and not re.search(r' -%s' % letters.get(name, '!'), text)]


def wrong_exit_codes():
    """What the table of exit codes, the code of the limits, the documentation and the transcripts say differently."""
    root = HERE.parent.parent
    table = (root / 'src/policy/options.def').read_text(encoding='utf-8')
    numbers = {name: int(number) for name, number in re.findall(r'^POLICY_EXIT\((\w+), (\d+),', table, re.M)}
    options = dict(re.findall(r'^POLICY_OPTION\((\w+), \w+, "([^"]+)"', table, re.M))
    rows = (root / 'docs/command.md').read_text(encoding='utf-8').split('## Exit codes')[1].split('##')[0]
    told = {int(number) for number in re.findall(r'^\| (\d+) \|', rows, re.M)}
    for first, last, text in re.findall(r'^\| (\d+) to (\d+) \|(.*)', rows, re.M):
        told |= {int(number) for number in re.findall(r'\b(\d+)\b', text)} & set(range(int(first), int(last) + 1))
    for number in sorted(told ^ set(numbers.values())):
        yield 'docs/command.md and the table of options do not both have the exit code %d' % number
    limits = (root / 'docs/capabilities.md').read_text(encoding='utf-8')
    for option, name in re.findall(r'POLICY_OPTION_(\w+), POLICY_EXIT_(\w+)', (root / 'cli/limits.c').read_text()):
        if not re.search(r'^\| `--%s` \|.*\| %d \|$' % (options[option], numbers[name]), limits, re.M):
            yield 'docs/capabilities.md does not say that --%s ends with %d' % (options[option], numbers[name])
    steps = [step for path in (HERE / 'cases').glob('*.txt') for step in read_steps(path)]
    seen = {step.code for step in steps}
    seen |= {int(number) for step in steps for line in step.out + step.err for number in re.findall(r'^(\d+)\b', line)}
    for number in sorted(set(numbers.values()) - seen):
        yield 'no transcript ends with the exit code %d' % number


def main():
    cay = os.path.abspath(sys.argv[1])
    tiers = tiers_of(cay)
    at_once = [tier for tier in tiers if tier != AHEAD]
    paths = [Path(name) for name in sys.argv[2:]] or sorted((HERE / 'cases').glob('*.txt'))
    passed = failed = skipped = 0
    for path, tier in ((path, tier) for path in paths for tier in (at_once if path.name in IN_EVERY_TIER else [''])):
        with tempfile.TemporaryDirectory(prefix='cay-cli-') as name:
            folder = Path(name)
            missing = build_guests(folder)
            for step in read_steps(path):
                if path.name in NOT_SANITIZED and os.environ.get('CAY_SANITIZED') == 'true':
                    print('skipped %s: this build is sanitized' % step.where)
                    skipped += 1
                    continue
                named_tiers = set(re.findall(r'--tier (auto|baseline|interp|optimized)', step.command))
                if 'cay compile' in step.command:
                    named_tiers.add(AHEAD)
                absent_tiers = named_tiers - set(tiers)
                if absent_tiers:
                    print('skipped %s: this build has no tier %s' % (step.where, ', '.join(absent_tiers)))
                    skipped += 1
                elif any(guest in step.command for guest in missing):
                    print('skipped %s: no compiler for wasm32-wasi' % step.where)
                    skipped += 1
                elif run_step(step, folder, environment(cay, tier, folder)):
                    passed += 1
                else:
                    failed += 1
    for name in untested_options() if len(sys.argv) == 2 else []:
        print('FAILED: no transcript uses --%s' % name)
        failed += 1
    for problem in wrong_exit_codes() if len(sys.argv) == 2 else []:
        print('FAILED: %s' % problem)
        failed += 1
    print('%d passed, %d failed, %d skipped' % (passed, failed, skipped))
    sys.exit(failed != 0)


if __name__ == '__main__':
    main()
