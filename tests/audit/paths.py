# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Paths: every call that takes one, with every path that leads out, is malformed, or ends in a link."""
from row import (ALL, CREAT, DIR, DIR2, DIRECTORY, EXCL, FOLLOW, LINKS_OUT, MTIM, NOFOLLOW, NONE, READ, READ_WRITE, TRUNC,
                 WRITE, Bytes, Load, Named, Out, Row, Step, opened)

WRITE_NEW = CREAT | EXCL
ALL_BUT_WRITE = Named('ALL but FD_WRITE', ALL & ~WRITE)


def open_step(lookup, oflags, rights):
    return lambda path, gives: Step('path_open', DIR, lookup, path, oflags, rights, ALL, NONE, Out('fd'), gives=gives)


# Every use of a path: what it does with the last component's link decides what a link in that place gives.
USES = {
    'open': open_step(NOFOLLOW, NONE, READ),
    'open followed': open_step(FOLLOW, NONE, READ),
    'open to write': open_step(FOLLOW, NONE, READ_WRITE),
    'open directory': open_step(FOLLOW, DIRECTORY, READ),
    'create': open_step(FOLLOW, CREAT, READ_WRITE),
    'create new': open_step(NOFOLLOW, WRITE_NEW, READ_WRITE),
    'truncate': open_step(FOLLOW, TRUNC, READ_WRITE),
    'stat': lambda path, gives: Step('path_filestat_get', DIR, NOFOLLOW, path, Out('stat', 64), gives=gives),
    'stat followed': lambda path, gives: Step('path_filestat_get', DIR, FOLLOW, path, Out('stat', 64), gives=gives),
    'times': lambda path, gives: Step('path_filestat_set_times', DIR, NOFOLLOW, path, 0, 5, MTIM, gives=gives),
    'times followed': lambda path, gives: Step('path_filestat_set_times', DIR, FOLLOW, path, 0, 5, MTIM, gives=gives),
    'make directory': lambda path, gives: Step('path_create_directory', DIR, path, gives=gives),
    'remove directory': lambda path, gives: Step('path_remove_directory', DIR, path, gives=gives),
    'unlink': lambda path, gives: Step('path_unlink_file', DIR, path, gives=gives),
    'rename from': lambda path, gives: Step('path_rename', DIR, path, DIR, 'stolen', gives=gives),
    'rename to': lambda path, gives: Step('path_rename', DIR, 'file', DIR, path, gives=gives),
    'link from': lambda path, gives: Step('path_link', DIR, NOFOLLOW, path, DIR, 'stolen', gives=gives),
    'link from followed': lambda path, gives: Step('path_link', DIR, FOLLOW, path, DIR, 'stolen', gives=gives),
    'link to': lambda path, gives: Step('path_link', DIR, NOFOLLOW, 'file', DIR, path, gives=gives),
    'symlink': lambda path, gives: Step('path_symlink', 'file', DIR, path, gives=gives),
    'readlink': lambda path, gives: Step('path_readlink', DIR, path, Out('text', 256), 256, Out('used'), gives=gives),
}
FOLLOWING = {'open followed', 'open to write', 'open directory', 'create', 'truncate', 'stat followed', 'times followed',
             'link from followed'}

# Out in front of the last component, or in ".." as the last: no call looks at what is there, so it does not matter
# whether anything is.
OUTSIDE = ['/', '//', '/etc/passwd', '/nothing', '//etc//passwd', '{work}/secret', '{work}/inside/file', '..', '../', '../.',
           '../..', '../secret', '../nothing', '../secret/', '../folder', '../folder/secret', '../inside/file', './..',
           './../secret', './/..//secret', 'dir/../..', 'dir/../../secret', 'dir/../../nothing', 'dir/sub/../../../secret',
           'dir/./.././../folder/sub', 'self/../secret', 'indir/../../secret', 'outdir/secret', 'outdir/nothing',
           'outdir/folder/secret', 'outdir/inside/file', 'outdir/../secret', 'outdir/.', 'outdir/..', 'absdir/secret',
           'absdir/sub', 'slash/etc/passwd', 'chain_dir/secret', 'chain_dir/folder/sub', 'out_and_in/../file', 'dir/../outdir/secret',
           'proc_cwd/secret', 'proc_root/etc/passwd', 'proc_fd/0', '../../../../../../../../etc/passwd',
           'dir/sub/../../outdir/../secret', 'self/outdir/self/file']

# Malformed, or not what the call needs; inside of the folder all the same.
MALFORMED = {
    'nothing at all': (Bytes(''), 'NOENT', {}),
    'NUL inside': (Bytes('fi\0le'), 'INVAL', {}),
    'NUL at the end': (Bytes('file\0'), 'INVAL', {}),
    'NUL, then out': (Bytes('file\0/../../secret'), 'INVAL', {}),
    'component of 256': (Bytes('n' * 256), 'NAMETOOLONG', {}),
    'component of 256 in front': (Bytes('n' * 256 + '/x'), 'NAMETOOLONG', {}),
    'path of 4096': (Bytes('./' * 2048), 'NAMETOOLONG', {}),
    'path of 100000': (Bytes('a/' * 50000), 'NAMETOOLONG', {}),
    'file as directory': (Bytes('file/x'), 'NOTDIR', {}),
    'file as directory, back': (Bytes('file/../../secret'), 'NOTDIR', {}),
    'missing, then out': (Bytes('nowhere/../../secret'), 'NOENT', {}),
    'loop in front': (Bytes('loop/x'), 'LOOP', {}),
}

# A link as the last component, for the uses that do not follow it.
UNFOLLOWED = {
    'open': 'LOOP', 'create new': 'EXIST', 'stat': 'SUCCESS', 'times': 'SUCCESS', 'make directory': 'EXIST',
    'remove directory': 'NOTDIR', 'unlink': 'SUCCESS', 'rename from': 'SUCCESS', 'rename to': 'SUCCESS', 'link from': 'SUCCESS',
    'link to': 'EXIST', 'symlink': 'EXIST', 'readlink': 'SUCCESS',
}
# ... with a slash behind it: that follows, or wants a directory and makes none.
SLASHED = {'remove directory': 'NOTDIR', 'rename to': 'NOTDIR', 'rename from': 'NOTDIR', 'unlink': 'NOTDIR', 'link from': 'NOTDIR',
           'link to': 'EXIST', 'symlink': 'EXIST', 'make directory': 'EXIST', 'create new': 'ISDIR'}
SLASHED_FILE = {'link to': 'EXIST', 'symlink': 'EXIST', 'make directory': 'EXIST', 'create new': 'ISDIR'}

# The same uses under grants that allow no change: what each gives for a file that is there and for one that is not.
CHANGING = ['open to write', 'create', 'create new', 'truncate', 'times', 'times followed', 'make directory', 'remove directory',
            'unlink', 'rename from', 'rename to', 'link from', 'link from followed', 'link to', 'symlink']


def says_denied(step, gives):
    """What the command says after the program failed with a denial."""
    if gives == 'NOTCAPABLE':
        return r'is not granted\n  %s: ' % step.name
    return r'was granted for reading only\n  %s would change it\n' % step.name if gives == 'ROFS' else None


def row(area, grants, use, path, gives, **more):
    step = USES[use](path, gives)
    return Row(area, grants, [step], says=says_denied(step, gives), may_change=gives == 'SUCCESS', **more)


def outside():
    for path in OUTSIDE:
        for use in USES:
            yield row('paths that lead out', 'folder', use, path, 'NOTCAPABLE')


def links():
    for link in LINKS_OUT:
        for use in USES:
            yield row('links that lead out', 'folder', use, link, 'NOTCAPABLE' if use in FOLLOWING else UNFOLLOWED[use])


def malformed():
    for path, gives, others in MALFORMED.values():
        for use in USES:
            yield row('malformed paths', 'folder', use, path, others.get(use, gives))


def through(use, directory, path):
    """The same use with a directory handle that an earlier step opened, or by another way to the same name."""
    return [opened(directory, ALL_BUT_WRITE, DIRECTORY, lookup=FOLLOW)] + [
        Step(step.name, *[Load('fd') if argument is DIR else argument for argument in step.arguments], gives=step.gives)
        for step in [USES[use](path, 'ROFS')]]


def read_only():
    area = 'changes of what is read-only'
    for use in CHANGING:
        for path in ('file', 'dir/file', 'indir/file', './dir/../file', 'self/file', 'hard'):
            yield row(area, 'folder, ro', use, path, 'ROFS')
        yield row(area, 'folder, ro', use, 'new', 'ROFS')
        step = USES[use]('file', 'EXIST' if use == 'create new' else 'ROFS')
        yield Row(area, 'file, ro', [step], says=None if use == 'create new' else r'was granted for reading only\n|and not its name\n')
        for directory in ('dir', 'indir', '.'):
            yield Row(area, 'folder, ro', through(use, directory, 'file'), says=r'was granted for reading only\n')
    for use in ('open', 'stat', 'stat followed', 'open followed'):
        yield row('reading of what is read-only', 'folder, ro', use, 'file', 'SUCCESS')
    create_new = Step('path_open', DIR, NOFOLLOW, 'file', CREAT | EXCL, READ, ALL, NONE, Out('fd'), gives='EXIST')
    yield Row(area, 'folder, ro', [create_new])
    opens = opened('file', READ)
    for step in (Step('fd_write', Load('fd'), 'abc', Out('count'), gives='NOTCAPABLE'),
                 Step('fd_pwrite', Load('fd'), 'abc', 0, Out('count'), gives='NOTCAPABLE'),
                 Step('fd_filestat_set_size', Load('fd'), 0, gives='NOTCAPABLE'),
                 Step('fd_allocate', Load('fd'), 0, 100, gives='NOTCAPABLE')):
        for grants in ('folder, ro', 'file, ro'):
            yield Row(area, grants, [opened('file', ALL_BUT_WRITE), step])
    for grants in ('folder, ro', 'file, ro'):
        yield Row(area, grants, [opens, Step('fd_filestat_set_times', Load('fd'), 0, 5, MTIM, gives='NOTCAPABLE')])
        yield Row(area, grants, [opened('file', ALL_BUT_WRITE), Step('fd_filestat_set_times', Load('fd'), 0, 5, MTIM, gives='ROFS')])
    yield Row(area, 'folder, ro', [Step('fd_filestat_set_times', DIR, 0, 5, MTIM, gives='ROFS')])
    # Between two grants: nothing moves to where it could be used with more rights, nor out of what is read-only.
    for grants, here, there in (('folder and another, ro', DIR, DIR2), ('folder, ro, and another', DIR2, DIR)):
        yield Row(area, grants, [Step('path_rename', here, 'file', there, 'new', gives='ROFS')])
        yield Row(area, grants, [Step('path_rename', there, 'file', here, 'new', gives='ROFS')])
        yield Row(area, grants, [Step('path_link', there, NOFOLLOW, 'file', here, 'new', gives='ROFS')])
        yield Row(area, grants, [Step('path_link', here, NOFOLLOW, 'file', there, 'new', gives='ROFS')])


def single_files():
    """A granted file is the only entry of its directory, under its name and no other."""
    area = 'beside a granted file'
    for grants in ('file', 'file, ro'):
        for path, gives in {'secret': 'NOENT', 'dir': 'NOENT', 'dir/file': 'NOENT', '..': 'NOTCAPABLE', '../secret': 'NOTCAPABLE',
                            './../secret': 'NOTCAPABLE', 'file/..': 'NOTDIR', 'file/../dir/file': 'NOTDIR', 'in': 'NOENT',
                            '/etc/passwd': 'NOTCAPABLE', 'FILE': 'NOENT', 'fil': 'NOENT', 'file2': 'NOENT'}.items():
            for use in ('open', 'open followed', 'stat', 'stat followed', 'readlink'):
                yield row(area, grants, use, path, gives)
    for use in ('unlink', 'rename from', 'link from'):
        yield Row(area, 'file', [USES[use]('file', 'ROFS')], says=r'was granted as a file, and not its name\n')
    for use in ('make directory', 'symlink', 'remove directory', 'create'):
        yield Row(area, 'file', [USES[use]('new', 'ROFS')])


def slashes():
    """A slash at the end asks for a directory: it may not make a link be followed out."""
    area = 'slashes at the end'
    for path in ('rel/', 'abs/', 'outdir/', 'absdir/', 'slash/', 'chain_dir/'):
        for use in USES:
            yield row(area, 'folder', use, path, SLASHED.get(use, 'NOTCAPABLE'))
    for path in ('file/', 'in/', 'hard/'):
        for use in USES:
            yield row(area, 'folder', use, path, SLASHED_FILE.get(use, 'NOTDIR'))


# What a terminal obeys, what a reader takes for something else, and what is no text at all.
HOSTILE_NAMES = [b'\x1b[2J\x1b]0;title\x07', b'\x9b2J', b'\xc2\x9b2J', b'\r\ncay: everything is fine', '\u202egnp.exe'.encode(),
                 '\u2028"},{'.encode(), b'", "decision":"allow', b'\\u0000', b'%s%n%1000000d', b"'; rm -rf ~ #", b'$(id)`id`',
                 b'\xed\xa0\x80', b'\xf8\x88\x80\x80\x80', b'\xc0\x80', b'x' * 250] + [
                     bytes(byte for byte in range(start, start + 16) if byte not in b'\0/') for start in range(0, 256, 16)]


def hostile_names():
    """The message and the log are for people and their tools: a name may not act on them."""
    for name in HOSTILE_NAMES:
        for use in ('open', 'unlink', 'rename from'):
            yield row('names that are hostile', 'folder', use, Bytes(b'../' + name), 'NOTCAPABLE')
        yield Row('names that are hostile', 'folder, ro', [USES['make directory'](Bytes(name), 'ROFS')],
                  says=r'was granted for reading only\n')


def rows():
    for table in (outside, links, malformed, slashes, read_only, single_files,
                  hostile_names):
        yield from table()
