# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Grants of less than a folder: making new files only, growing up to a quota, devices."""
from handles import CALLS, LISTING
from paths import USES
from row import (ALL, CREAT, DIR, DIRECTORY, EXCL, FOLLOW, NOFOLLOW, NONE, READ, READ_WRITE, TRUNC, WRITE, Load, Named, Out, Row,
                 Seen, Step, opened)

CREATE_ONLY, QUOTA = 'folder, create-only', 'folder, quota of 8 bytes'
NEW = CREAT | EXCL
LISTING_ALL = Named('ALL but FD_WRITE', ALL & ~WRITE)
# What is not NOTCAPABLE: for a file that is there, for a folder, for a name that is free.
OF_FILES = {'open directory': 'NOTDIR', 'create new': 'EXIST', 'make directory': 'EXIST'}
OF_FOLDERS = {'open directory': 'SUCCESS', 'create new': 'EXIST', 'make directory': 'EXIST'}
OF_FREE = {'open directory': 'NOENT', 'create': 'SUCCESS', 'create new': 'SUCCESS', 'make directory': 'SUCCESS'}


def create_only():
    area = 'making new files only'
    for use in USES:
        for path in ('file', 'dir/file', 'in', 'indir/file', 'hard'):
            yield Row(area, CREATE_ONLY, [USES[use](path, OF_FILES.get(use, 'NOTCAPABLE'))])
        for path in ('.', 'dir', 'dir/sub/..'):
            yield Row(area, CREATE_ONLY, [USES[use](path, OF_FOLDERS.get(use, 'NOTCAPABLE'))])
        gives = OF_FREE.get(use, 'NOTCAPABLE')
        yield Row(area, CREATE_ONLY, [USES[use]('new', gives)], may_change=gives == 'SUCCESS')
        if use in ('rename to', 'link to'):
            continue
        for path in ('../secret', 'rel', 'abs', 'outdir/secret'):
            if use in ('create new', 'make directory', 'open directory') and '/' not in path:
                continue
            yield Row(area, CREATE_ONLY, [USES[use](path, 'NOTCAPABLE')])
    made = Step('path_open', DIR, NOFOLLOW, 'new', NEW, READ_WRITE | ALL, ALL, NONE, Out('fd'))
    close = Step('fd_close', Load('fd'))
    wrote = Step('fd_write', Load('fd'), 'abc', Out('count'))
    for again in (opened('new', READ).arguments, opened('new', WRITE).arguments, opened('new', READ_WRITE, TRUNC).arguments):
        yield Row(area, CREATE_ONLY, [made, wrote, close, Step('path_open', *again, gives='NOTCAPABLE')], may_change=True,
                  meant='what it made itself is not its own afterwards')
    yield Row(area, CREATE_ONLY, [made, close, Step('path_unlink_file', DIR, 'new', gives='NOTCAPABLE')], may_change=True)
    yield Row(area, CREATE_ONLY, [made, close, Step('path_rename', DIR, 'new', DIR, 'newer', gives='NOTCAPABLE')], may_change=True)
    folder = opened('dir', LISTING, DIRECTORY)
    for call in ('fd_readdir', 'path_filestat_get', 'path_unlink_file', 'path_open', 'path_readlink', 'path_remove_directory'):
        if call in ('path_open', 'fd_readdir'):
            yield Row(area, CREATE_ONLY, [folder, CALLS[call](Load('fd'), 'NOTCAPABLE')])
        yield Row(area, CREATE_ONLY, [CALLS[call](DIR, 'NOTCAPABLE')])


def quota():
    area = 'quotas'

    def write(label, count, gives='SUCCESS'):
        return Step('fd_write', Load(label), 'x' * count, Out('count'), gives=gives)

    def make(name, label):
        return opened(name, READ_WRITE | ALL, CREAT, label=label)

    def row(*steps, **more):
        says = 'the quota of its grant is used up.*\n.*\n  to allow more: --dir .*quota=16 ' if steps[-1].gives == 'DQUOT' else None
        return Row(area, QUOTA, list(steps), may_change=True, says=says, **more)
    yield row(make('a', 'a'), write('a', 8))
    yield row(make('a', 'a'), write('a', 8), write('a', 1, 'DQUOT'))
    yield row(make('a', 'a'), make('b', 'b'), write('a', 5), write('b', 3), write('b', 1, 'DQUOT'))
    yield row(make('a', 'a'), Step('fd_pwrite', Load('a'), 'x', 8, Out('count'), gives='DQUOT'))
    yield row(make('a', 'a'), Step('fd_pwrite', Load('a'), 'x', 1 << 40, Out('count'), gives='DQUOT'))
    yield row(make('a', 'a'), Step('fd_filestat_set_size', Load('a'), 8))
    yield row(make('a', 'a'), Step('fd_filestat_set_size', Load('a'), 9, gives='DQUOT'))
    yield row(make('a', 'a'), Step('fd_filestat_set_size', Load('a'), 1 << 62, gives='DQUOT'))
    yield row(make('a', 'a'), Step('fd_allocate', Load('a'), 0, 9, gives='DQUOT'))
    yield row(make('a', 'a'), Step('fd_allocate', Load('a'), 1 << 40, 1, gives='DQUOT'))
    yield row(make('a', 'a'), Step('fd_seek', Load('a'), 100, 0, Out('position')), write('a', 1, 'DQUOT'))
    yield row(opened('file', READ_WRITE | ALL), write('fd', 4))
    yield row(opened('file', READ_WRITE | ALL), write('fd', 12), write('fd', 1, 'DQUOT'))
    yield row(opened('dir', LISTING_ALL, DIRECTORY, label='d'),
              Step('path_open', Load('d'), NOFOLLOW, 'a', CREAT, READ_WRITE, ALL, NONE, Out('a')), write('a', 8), write('a', 1, 'DQUOT'))
    # Nothing gives back what still takes room.
    yield row(make('a', 'a'), write('a', 8), Step('path_unlink_file', DIR, 'a'), make('b', 'b'), write('b', 8, 'DQUOT'),
              meant='a file that is open takes room after its name is gone')
    yield row(make('a', 'a'), write('a', 8), Step('path_link', DIR, NOFOLLOW, 'a', DIR, 'b'), Step('path_unlink_file', DIR, 'b'),
              make('c', 'c'), write('c', 1, 'DQUOT'))
    yield row(make('a', 'a'), write('a', 8), Step('path_link', DIR, NOFOLLOW, 'a', DIR, 'b'), Step('path_unlink_file', DIR, 'a'),
              Step('fd_close', Load('a')), make('c', 'c'), write('c', 1, 'DQUOT'))
    yield row(Step('path_link', DIR, NOFOLLOW, 'hard', DIR, 'b'), Step('path_unlink_file', DIR, 'b'), make('c', 'c'), write('c', 8),
              write('c', 1, 'DQUOT'))
    yield row(make('a', 'a'), write('a', 8), make('b', 'b'), Step('path_rename', DIR, 'b', DIR, 'a'), write('b', 8, 'DQUOT'))
    yield row(make('a', 'a'), write('a', 8), Step('fd_renumber', Load('a'), 1), make('b', 'b'), write('b', 1, 'DQUOT'))


def devices():
    area = 'devices'
    for name in ('null', 'zero', 'full', 'urandom'):
        yield Row(area, '/dev', [Step('path_open', DIR, NOFOLLOW, name, NONE, READ, ALL, NONE, Out('fd'), gives='NOTCAPABLE')],
                  says=r'is a device')
        yield Row(area, '/dev', [Step('path_open', DIR, FOLLOW, name, NONE, WRITE, ALL, NONE, Out('fd'), gives='NOTCAPABLE')],
                  says=r'is a device')
    yield Row(area, '/dev/null', [opened('null', READ_WRITE), Step('fd_write', Load('fd'), 'abc', Out('count'))])
    yield Row(area, '/dev/null, ro', [opened('null', READ), Step('fd_read', Load('fd'), Seen('bytes', 8), Out('count'))])
    yield Row(area, '/dev/null, ro', [Step('path_open', DIR, NOFOLLOW, 'null', NONE, WRITE, ALL, NONE, Out('fd'), gives='ROFS')])
    for name in ('zero', '../zero', 'null/../zero', '/dev/zero'):
        gives = {'zero': 'NOENT', 'null/../zero': 'NOTDIR'}.get(name, 'NOTCAPABLE')
        yield Row(area, '/dev/null', [Step('path_open', DIR, NOFOLLOW, name, NONE, READ, ALL, NONE, Out('fd'), gives=gives)])
    for use in ('unlink', 'rename from', 'link from', 'make directory', 'symlink'):
        yield Row(area, '/dev/null', [USES[use]('null', 'ROFS')])


def rows():
    for table in (create_only, quota, devices):
        yield from table()
