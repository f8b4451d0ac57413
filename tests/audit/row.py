# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What a row of the audit is, the host that it finds, and the names that the tables use."""
import os
import socket

from calls import Bytes, Load, Named, Out, Raw, Seen, Step, Vectors  # noqa: F401 (for the tables)

# ---- Names of WASI 0.1 ----------------------------------------------------------------------------------------------------

NOFOLLOW, FOLLOW = Named('0', 0), Named('FOLLOW', 1)
NONE, CREAT, DIRECTORY, EXCL, TRUNC = (Named(name, value) for name, value in
                                       {'0': 0, 'CREAT': 1, 'DIRECTORY': 2, 'EXCL': 4, 'TRUNC': 8}.items())
RIGHTS = {name: Named(name, 1 << i) for i, name in enumerate(
    'FD_DATASYNC FD_READ FD_SEEK FD_FDSTAT_SET_FLAGS FD_SYNC FD_TELL FD_WRITE FD_ADVISE FD_ALLOCATE PATH_CREATE_DIRECTORY '
    'PATH_CREATE_FILE PATH_LINK_SOURCE PATH_LINK_TARGET PATH_OPEN FD_READDIR PATH_READLINK PATH_RENAME_SOURCE '
    'PATH_RENAME_TARGET PATH_FILESTAT_GET PATH_FILESTAT_SET_SIZE PATH_FILESTAT_SET_TIMES FD_FILESTAT_GET '
    'FD_FILESTAT_SET_SIZE FD_FILESTAT_SET_TIMES PATH_SYMLINK PATH_REMOVE_DIRECTORY PATH_UNLINK_FILE POLL_FD_READWRITE '
    'SOCK_SHUTDOWN SOCK_ACCEPT'.split())}
READ, WRITE = RIGHTS['FD_READ'], RIGHTS['FD_WRITE']
READ_WRITE = READ | WRITE
ALL = Named('ALL', (1 << 30) - 1)
MTIM = Named('MTIM', 4)
DIR, DIR2 = 3, 4  # the first and the second preopened directory


def opened(path, rights=ALL, oflags=NONE, directory=DIR, label='fd', lookup=NOFOLLOW):
    """The step that opens what later steps use as Load(label)."""
    return Step('path_open', directory, lookup, path, oflags, rights, ALL, NONE, Out(label))


class Row:
    """An attempt: the last of `steps`, which has to give what it says, after the others gave what they say."""
    def __init__(self, area, grants, steps, says=None, may_change=False, options=(), surface=None, streams='012', inherited=(),
                 stdin=None, output=None, meant=''):
        self.area, self.grants, self.steps, self.says = area, grants, steps, says
        self.may_change, self.options, self.surface = may_change, options, surface
        self.streams, self.inherited, self.stdin, self.output = streams, inherited, stdin, output
        self.meant = meant  # why the outcome is right, where it is not plain

    @property
    def last(self):
        return self.steps[-1]

    @property
    def is_denial(self):
        """Whether the outcome is the lack of a right, which the audit log tells of. What a guest asks for a handle that
        has less is not: nothing was used. A name that is none of the granted files is."""
        if self.last.name == 'fd_fdstat_set_rights':
            return False
        grows = self.last.name in ('fd_write', 'fd_pwrite', 'fd_allocate', 'fd_filestat_set_size')
        if grows and self.last.gives == 'DQUOT':
            return True
        return self.last.gives in ('NOTCAPABLE', 'ROFS') or (self.last.gives == 'NOENT' and self.grants.startswith(('file', '/dev/null')))

    def text(self):
        return '; '.join(str(step) for step in self.steps)


# ---- The host ----------------------------------------------------------------------------------------------------------------

# What a row may be granted: options of `run`, {work} being the folder that build() filled.
GRANTS = {
    'nothing': [],
    'folder': ['--dir', '{work}/inside::/d'],
    'folder, ro': ['--dir', '{work}/inside::/d::ro'],
    'file, ro': ['--dir', '{work}/inside/file::/d/file::ro'],
    'file': ['--dir', '{work}/inside/file::/d/file'],
    'folder and another, ro': ['--dir', '{work}/inside::/d', '--dir', '{work}/other::/o::ro'],
    'folder, ro, and another': ['--dir', '{work}/inside::/d::ro', '--dir', '{work}/other::/o'],
    'folder, create-only': ['--dir', '{work}/inside::/d::create-only'],
    'folder, quota of 8 bytes': ['--dir', '{work}/inside::/d::quota=8'],
    '/dev': ['--dir', '/dev::/d'],
    '/dev/null': ['--device', '/dev/null::/d/null'],
    '/dev/null, ro': ['--device', '/dev/null::/d/null::ro'],
    '/proc, ro': ['--dir', '/proc::/proc::ro'],
    'variables': ['--env', 'GRANTED=yes'],
    'listener': ['--listen', '127.0.0.1:0'],
}

# Links in the granted folder: name -> target. Those of OUT lead out of it.
LINKS_IN = {'in': 'file', 'indir': 'dir', 'chain': 'in', 'self': '.', 'dangling': 'nowhere', 'loop': 'loop2', 'loop2': 'loop',
            'dir/up': '../file'}
LINKS_OUT = {'rel': '../secret', 'outdir': '..', 'abs': '{work}/secret', 'absdir': '{work}/folder', 'slash': '/',
             'chain_out': 'rel', 'chain_abs': 'abs', 'chain_dir': 'outdir', 'deep': 'dir/../../secret',
             'through': 'outdir/secret', 'out_new': '../made', 'out_and_in': '../inside/file', 'etc': '/etc/passwd',
             'proc_fd': '/proc/self/fd/0', 'proc_cwd': '/proc/self/cwd', 'proc_root': '/proc/self/root',
             'dots': './././../secret', 'dir/rel': '../../secret'}


def build(work):
    """The folder of one row: `inside` may be granted, what lies beside it never is."""
    inside = work / 'inside'
    for name in ('inside/dir/sub', 'inside/empty', 'folder/sub', 'other/dir'):
        (work / name).mkdir(parents=True)
    for name, content in {'secret': 'SECRET', 'folder/secret': 'SECRET', 'other/file': 'other', 'inside/file': 'file',
                          'inside/dir/file': 'file', 'linked': 'SECRET'}.items():
        (work / name).write_text(content)
    for name, target in {**LINKS_IN, **LINKS_OUT}.items():
        (inside / name).symlink_to(target.format(work=work))
    os.link(work / 'linked', inside / 'hard')
    os.mkfifo(inside / 'fifo')
    folder = os.open(inside, os.O_PATH)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind('/proc/self/fd/%d/socket' % folder)  # the path itself may be too long for a socket
    os.close(folder)


def snapshot(folder, without=None):
    """Everything about every name below a folder that a guest could have changed."""
    seen, waiting = {}, [str(folder)]
    while waiting:
        path = waiting.pop()
        if without and path == str(without):
            continue
        about = os.lstat(path)
        kind = about.st_mode & 0o170000
        content = None
        if kind == 0o120000:
            content = os.readlink(path)
        elif kind == 0o100000:
            with open(path, 'rb') as file:
                content = file.read()
        elif kind == 0o040000:
            waiting += [entry.path for entry in os.scandir(path)]
        seen[path] = (about.st_mode, about.st_ino, about.st_nlink, about.st_mtime_ns, content)
    return seen
