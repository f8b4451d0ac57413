# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Handles: numbers that are none, handles of another kind, rights that were given up, and tricks with renumbering.

A step for each function that takes a handle stands in CALLS, with everything but the handle right, so that the handle
alone decides."""
from row import (ALL, CREAT, DIR, DIR2, DIRECTORY, EXCL, FOLLOW, MTIM, NOFOLLOW, NONE, READ, READ_WRITE, RIGHTS, TRUNC, WRITE,
                 Load, Named, Out, Row, Seen, Step, opened)


def read_into(size=8):
    return Seen('bytes', size)


# name: a step with the handle in the place of `fd`
CALLS = {
    'fd_advise': lambda fd, gives: Step('fd_advise', fd, 0, 0, 0, gives=gives),
    'fd_allocate': lambda fd, gives: Step('fd_allocate', fd, 0, 1, gives=gives),
    'fd_close': lambda fd, gives: Step('fd_close', fd, gives=gives),
    'fd_datasync': lambda fd, gives: Step('fd_datasync', fd, gives=gives),
    'fd_fdstat_get': lambda fd, gives: Step('fd_fdstat_get', fd, Out('stat', 24), gives=gives),
    'fd_fdstat_set_flags': lambda fd, gives: Step('fd_fdstat_set_flags', fd, 0, gives=gives),
    'fd_fdstat_set_rights': lambda fd, gives: Step('fd_fdstat_set_rights', fd, 0, 0, gives=gives),
    'fd_filestat_get': lambda fd, gives: Step('fd_filestat_get', fd, Out('stat', 64), gives=gives),
    'fd_filestat_set_size': lambda fd, gives: Step('fd_filestat_set_size', fd, 0, gives=gives),
    'fd_filestat_set_times': lambda fd, gives: Step('fd_filestat_set_times', fd, 0, 5, MTIM, gives=gives),
    'fd_pread': lambda fd, gives: Step('fd_pread', fd, read_into(), 0, Out('count'), gives=gives),
    'fd_prestat_get': lambda fd, gives: Step('fd_prestat_get', fd, Out('stat', 8), gives=gives),
    'fd_prestat_dir_name': lambda fd, gives: Step('fd_prestat_dir_name', fd, Out('name', 64), 64, gives=gives),
    'fd_pwrite': lambda fd, gives: Step('fd_pwrite', fd, 'abc', 0, Out('count'), gives=gives),
    'fd_read': lambda fd, gives: Step('fd_read', fd, read_into(), Out('count'), gives=gives),
    'fd_readdir': lambda fd, gives: Step('fd_readdir', fd, Out('entries', 256), 256, 0, Out('count'), gives=gives),
    'fd_renumber from': lambda fd, gives: Step('fd_renumber', fd, 0, gives=gives),
    'fd_renumber to': lambda fd, gives: Step('fd_renumber', 0, fd, gives=gives),
    'fd_renumber both': lambda fd, gives: Step('fd_renumber', fd, fd, gives=gives),
    'fd_seek': lambda fd, gives: Step('fd_seek', fd, 1, 0, Out('position'), gives=gives),
    'fd_sync': lambda fd, gives: Step('fd_sync', fd, gives=gives),
    'fd_tell': lambda fd, gives: Step('fd_tell', fd, Out('position'), gives=gives),
    'fd_write': lambda fd, gives: Step('fd_write', fd, 'abc', Out('count'), gives=gives),
    'path_create_directory': lambda fd, gives: Step('path_create_directory', fd, 'x', gives=gives),
    'path_filestat_get': lambda fd, gives: Step('path_filestat_get', fd, NOFOLLOW, 'file', Out('stat', 64), gives=gives),
    'path_filestat_set_times': lambda fd, gives: Step('path_filestat_set_times', fd, NOFOLLOW, 'file', 0, 5, MTIM, gives=gives),
    'path_link from': lambda fd, gives: Step('path_link', fd, NOFOLLOW, 'file', DIR, 'x', gives=gives),
    'path_link to': lambda fd, gives: Step('path_link', DIR, NOFOLLOW, 'file', fd, 'x', gives=gives),
    'path_open': lambda fd, gives: Step('path_open', fd, NOFOLLOW, 'file', NONE, READ, NONE, NONE, Out('new'), gives=gives),
    'path_readlink': lambda fd, gives: Step('path_readlink', fd, 'in', Out('text', 64), 64, Out('count'), gives=gives),
    'path_remove_directory': lambda fd, gives: Step('path_remove_directory', fd, 'empty', gives=gives),
    'path_rename from': lambda fd, gives: Step('path_rename', fd, 'file', DIR, 'x', gives=gives),
    'path_rename to': lambda fd, gives: Step('path_rename', DIR, 'file', fd, 'x', gives=gives),
    'path_symlink': lambda fd, gives: Step('path_symlink', 'file', fd, 'x', gives=gives),
    'path_unlink_file': lambda fd, gives: Step('path_unlink_file', fd, 'file', gives=gives),
    'sock_accept': lambda fd, gives: Step('sock_accept', fd, NONE, Out('new'), gives=gives),
    'sock_recv': lambda fd, gives: Step('sock_recv', fd, read_into(), 0, Out('count'), Out('flags'), gives=gives),
    'sock_send': lambda fd, gives: Step('sock_send', fd, 'abc', 0, Out('count'), gives=gives),
    'sock_shutdown': lambda fd, gives: Step('sock_shutdown', fd, 1, gives=gives),
}

LISTING = READ | RIGHTS['PATH_OPEN'] | RIGHTS['FD_READDIR']
NUMBERS = [DIR, 4, 5, 9, 63, 1000000, (1 << 31) - 1, 1 << 31, (1 << 32) - 1]


def guessed():
    """Numbers that were never given, with and without descriptors that the command itself inherited under them."""
    for call, step in CALLS.items():
        two_handles = call in ('path_link to', 'path_rename to')
        for fd in NUMBERS:
            if not two_handles:
                yield Row('guessed handles', 'nothing', [step(fd, 'BADF')])
        for fd in (4, 5, 9, 20):
            yield Row('descriptors that the command inherited', 'folder', [step(fd, 'BADF')], inherited=(4, 5, 9, 20))


def closed():
    for call, step in CALLS.items():
        yield Row('closed handles', 'folder', [opened('file', READ_WRITE), Step('fd_close', Load('fd')), step(Load('fd'), 'BADF')])
        yield Row('closed handles', 'folder', [Step('fd_close', DIR), step(DIR, 'BADF')])


def closed_streams():
    """A stream that the command does not have is none for the program, and no file takes its place."""
    for stream in '012':
        for call in ('fd_read', 'fd_write', 'fd_fdstat_get', 'fd_filestat_get', 'fd_close', 'sock_recv', 'sock_send'):
            yield Row('closed streams', 'nothing', [CALLS[call](int(stream), 'BADF')], streams='012'.replace(stream, ''))
    for left in ('', '0', '1', '2', '01', '12'):
        # What the command itself says (here: that a change was denied) must not reach a file that the program opened.
        yield Row('closed streams', 'folder and another, ro',
                  [opened('file', READ_WRITE), Step('path_unlink_file', DIR2, 'file', gives='ROFS')], streams=left,
                  meant='the message about it is written nowhere')


# ---- Handles of another kind ------------------------------------------------------------------------------------------------

OF_DIRECTORIES = [call for call in CALLS if call.startswith('path_') or call == 'fd_readdir']
OF_FILES = ['fd_advise', 'fd_allocate', 'fd_filestat_set_size', 'fd_pread', 'fd_pwrite', 'fd_read', 'fd_seek', 'fd_tell', 'fd_write']
OF_SOCKETS = ['sock_accept', 'sock_recv', 'sock_send', 'sock_shutdown']


def wrong_kinds():
    area = 'handles of another kind'
    for call in OF_DIRECTORIES:
        yield Row(area, 'folder', [opened('file', READ_WRITE), CALLS[call](Load('fd'), 'NOTDIR')])
        yield Row(area, 'folder', [CALLS[call](1, 'NOTDIR')])
        if not call.endswith(' to'):
            yield Row(area, 'listener', [CALLS[call](DIR, 'NOTDIR')])
    for call in OF_FILES:
        yield Row(area, 'folder', [CALLS[call](DIR, 'ISDIR')])
        yield Row(area, 'folder', [opened('dir', LISTING, DIRECTORY), CALLS[call](Load('fd'), 'ISDIR')])
    for call in OF_SOCKETS:
        yield Row('files as sockets', 'folder', [CALLS[call](DIR, 'NOTSOCK')])
        yield Row('files as sockets', 'folder', [opened('file', READ_WRITE), CALLS[call](Load('fd'), 'NOTSOCK')])
        for stream in range(3):
            yield Row('files as sockets', 'nothing', [CALLS[call](stream, 'NOTSOCK')])
    for call in ('fd_prestat_get', 'fd_prestat_dir_name'):
        for fd in range(3):
            yield Row(area, 'folder', [CALLS[call](fd, 'BADF')])
        yield Row(area, 'folder', [opened('dir', LISTING, DIRECTORY), CALLS[call](Load('fd'), 'BADF')])
        yield Row(area, 'folder', [opened('.', LISTING, DIRECTORY), CALLS[call](Load('fd'), 'BADF')])
    for call, gives in {'sock_recv': 'NOTCONN', 'fd_read': 'NOTCONN', 'sock_send': 'NOTCAPABLE', 'fd_write': 'NOTCAPABLE'}.items():
        yield Row('listeners as connections', 'listener', [CALLS[call](DIR, gives)])


# ---- Rights that were given up ------------------------------------------------------------------------------------------------

# The right that each call needs of a file or directory.
FILE_NEEDS = {'fd_advise': 'FD_ADVISE', 'fd_allocate': 'FD_ALLOCATE', 'fd_datasync': 'FD_DATASYNC',
              'fd_fdstat_set_flags': 'FD_FDSTAT_SET_FLAGS', 'fd_filestat_get': 'FD_FILESTAT_GET',
              'fd_filestat_set_size': 'FD_FILESTAT_SET_SIZE', 'fd_filestat_set_times': 'FD_FILESTAT_SET_TIMES',
              'fd_pread': 'FD_READ', 'fd_pwrite': 'FD_WRITE', 'fd_read': 'FD_READ', 'fd_seek': 'FD_SEEK', 'fd_sync': 'FD_SYNC',
              'fd_tell': 'FD_TELL', 'fd_write': 'FD_WRITE'}
DIRECTORY_NEEDS = {'fd_readdir': 'FD_READDIR', 'fd_datasync': 'FD_DATASYNC', 'fd_sync': 'FD_SYNC',
                   'fd_fdstat_set_flags': 'FD_FDSTAT_SET_FLAGS', 'fd_filestat_get': 'FD_FILESTAT_GET',
                   'fd_filestat_set_times': 'FD_FILESTAT_SET_TIMES', 'path_create_directory': 'PATH_CREATE_DIRECTORY',
                   'path_filestat_get': 'PATH_FILESTAT_GET', 'path_filestat_set_times': 'PATH_FILESTAT_SET_TIMES',
                   'path_link from': 'PATH_LINK_SOURCE', 'path_link to': 'PATH_LINK_TARGET', 'path_open': 'PATH_OPEN',
                   'path_readlink': 'PATH_READLINK', 'path_remove_directory': 'PATH_REMOVE_DIRECTORY',
                   'path_rename from': 'PATH_RENAME_SOURCE', 'path_rename to': 'PATH_RENAME_TARGET',
                   'path_symlink': 'PATH_SYMLINK', 'path_unlink_file': 'PATH_UNLINK_FILE'}
FILE_RIGHTS = ('FD_DATASYNC FD_READ FD_SEEK FD_FDSTAT_SET_FLAGS FD_SYNC FD_TELL FD_WRITE FD_ADVISE FD_ALLOCATE '
               'FD_FILESTAT_GET FD_FILESTAT_SET_SIZE FD_FILESTAT_SET_TIMES POLL_FD_READWRITE').split()
DIRECTORY_RIGHTS = [right for right in RIGHTS if right.startswith('PATH_')] + [
    'FD_DATASYNC', 'FD_FDSTAT_SET_FLAGS', 'FD_SYNC', 'FD_READDIR', 'FD_FILESTAT_GET', 'FD_FILESTAT_SET_TIMES']


def all_but(rights, right):
    return Named('all but %s' % right, sum(RIGHTS[name] for name in rights if name != right))


def given_up():
    area = 'rights that were given up'
    for call, right in FILE_NEEDS.items():
        less = all_but(FILE_RIGHTS, right)
        yield Row(area, 'folder', [opened('file'), Step('fd_fdstat_set_rights', Load('fd'), less, 0), CALLS[call](Load('fd'), 'NOTCAPABLE')])
        yield Row(area, 'folder', [opened('file', less), CALLS[call](Load('fd'), 'NOTCAPABLE')])
    for call, right in DIRECTORY_NEEDS.items():
        less = all_but(DIRECTORY_RIGHTS, right)
        yield Row(area, 'folder', [Step('fd_fdstat_set_rights', DIR, less, ALL & 0x0FFFFFFF)] + [CALLS[call](DIR, 'NOTCAPABLE')]
                  if call not in ('path_link to', 'path_rename to') else
                  [opened('dir', less, DIRECTORY), CALLS[call](Load('fd'), 'NOTCAPABLE')])
    yield Row(area, 'folder', [Step('fd_fdstat_set_rights', DIR, all_but(DIRECTORY_RIGHTS, 'PATH_CREATE_FILE'), READ),
                               opened('new', READ, CREAT)][:1] +
              [Step('path_open', DIR, NOFOLLOW, 'new', CREAT, READ, NONE, NONE, Out('fd'), gives='NOTCAPABLE')])
    yield Row(area, 'folder', [Step('fd_fdstat_set_rights', DIR, all_but(DIRECTORY_RIGHTS, 'PATH_FILESTAT_SET_SIZE'), READ_WRITE),
                               Step('path_open', DIR, NOFOLLOW, 'file', TRUNC, WRITE, NONE, NONE, Out('fd'), gives='NOTCAPABLE')])


def regained():
    """A right does not come back: not by asking, not by opening again what the directory may not pass on."""
    area = 'rights asked for again'
    for right in FILE_RIGHTS:
        less = all_but(FILE_RIGHTS, right)
        yield Row(area, 'folder', [opened('file'), Step('fd_fdstat_set_rights', Load('fd'), less, 0),
                                   Step('fd_fdstat_set_rights', Load('fd'), RIGHTS[right], 0, gives='NOTCAPABLE')])
        yield Row(area, 'folder', [Step('fd_fdstat_set_rights', DIR, RIGHTS['PATH_OPEN'], less),
                                   Step('path_open', DIR, NOFOLLOW, 'file', NONE, RIGHTS[right], NONE, NONE, Out('fd'),
                                        gives='NOTCAPABLE')])
    for right in DIRECTORY_RIGHTS:
        less = all_but(DIRECTORY_RIGHTS, right)
        yield Row(area, 'folder', [Step('fd_fdstat_set_rights', DIR, less, 0),
                                   Step('fd_fdstat_set_rights', DIR, RIGHTS[right], 0, gives='NOTCAPABLE')])
        yield Row(area, 'folder', [Step('fd_fdstat_set_rights', DIR, RIGHTS['PATH_OPEN'], less),
                                   Step('path_open', DIR, NOFOLLOW, 'dir', DIRECTORY, RIGHTS[right], NONE, NONE, Out('fd'),
                                        gives='NOTCAPABLE')])
    for bits in (1 << 30, 1 << 32, 1 << 63, (1 << 64) - 1):
        yield Row(area, 'folder', [Step('fd_fdstat_set_rights', DIR, bits, 0, gives='NOTCAPABLE')])
        yield Row(area, 'folder', [Step('fd_fdstat_set_rights', DIR, 0, bits, gives='NOTCAPABLE')])


# ---- Renumbering ---------------------------------------------------------------------------------------------------------------

def renumbered():
    area = 'renumbering'
    only_read = [opened('file', READ, label='a'), opened('dir/file', READ_WRITE, label='b')]
    for call in ('fd_write', 'fd_pwrite', 'fd_filestat_set_size', 'fd_allocate'):
        yield Row(area, 'folder', [*only_read, Step('fd_renumber', Load('a'), Load('b')), CALLS[call](Load('b'), 'NOTCAPABLE')],
                  meant='the rights move with the handle')
    yield Row(area, 'folder', [*only_read, Step('fd_renumber', Load('a'), Load('b')), CALLS['fd_read'](Load('a'), 'BADF')])
    yield Row(area, 'folder', [opened('dir', LISTING, DIRECTORY, label='a'), Step('fd_renumber', Load('a'), DIR),
                               Step('path_open', DIR, NOFOLLOW, '../file', NONE, READ, NONE, NONE, Out('fd'), gives='NOTCAPABLE')],
              says=r'is not granted\n  path_open: ')
    yield Row(area, 'folder', [opened('dir', LISTING, DIRECTORY, label='a'), Step('fd_renumber', Load('a'), DIR),
                               CALLS['fd_prestat_get'](DIR, 'BADF')])
    yield Row(area, 'folder and another, ro', [Step('fd_renumber', DIR2, DIR), Step('path_unlink_file', DIR, 'file', gives='ROFS')],
              says=r'was granted for reading only')
    yield Row(area, 'folder, ro, and another', [Step('fd_renumber', DIR, DIR2), Step('path_unlink_file', DIR2, 'file', gives='ROFS')],
              says=r'was granted for reading only')
    for stream in range(3):
        yield Row(area, 'folder', [Step('fd_renumber', stream, DIR), CALLS['path_open'](DIR, 'NOTDIR')])
        yield Row(area, 'folder', [Step('fd_renumber', DIR, stream), CALLS['path_open'](DIR, 'BADF')])
    yield Row(area, 'folder', [Step('fd_renumber', DIR, 5, gives='BADF')])
    yield Row(area, 'folder', [Step('fd_renumber', 1, 2), CALLS['fd_write'](1, 'BADF')])


def rows():
    for table in (guessed, closed, closed_streams, wrong_kinds, given_up, regained, renumbered):
        yield from table()
