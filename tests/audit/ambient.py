# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What a process has without being asked: its variables, its arguments, the streams that it was started with, a working
folder, clocks. The program gets what it was granted of them, and of a stream only the stream."""
from row import (ALL, CREAT, DIR, DIRECTORY, MTIM, NOFOLLOW, NONE, READ, READ_WRITE, TRUNC, WRITE, Load, Out, Raw, Row, Seen,
                 Step, opened)

NO_STRINGS = bytes(8)


def count_of(call):
    """Prints the number of strings and their bytes together: 8 bytes."""
    return [Step(call, Out('counts', 4), Out('counts2', 4)), Step('fd_write', 1, Seen('counts', 4), Out('done')),
            Step('fd_write', 1, Seen('counts2', 4), Out('done'))]


def variables():
    """The command's own environment holds NOT_GRANTED=SECRET."""
    area = 'variables and arguments'
    yield Row(area, 'nothing', count_of('environ_sizes_get'), output=NO_STRINGS)
    yield Row(area, 'variables', count_of('environ_sizes_get'), output=b'\1\0\0\0\x0c\0\0\0')
    yield Row(area, 'variables', [Step('environ_get', Out('pointers', 64), Out('text', 64)),
                                  Step('fd_write', 1, Seen('text', 64), Out('done'))], output=b'GRANTED=yes\0' + bytes(52))
    yield Row(area, 'nothing', [Step('environ_get', Out('pointers', 64), Out('text', 64)),
                                Step('fd_write', 1, Seen('text', 64), Out('done'))], output=bytes(64))
    yield Row(area, 'nothing', count_of('environ_sizes_get'), options=['--env', 'NOT_THERE'], output=NO_STRINGS)
    yield Row(area, 'nothing', count_of('args_sizes_get'), output=b'\1\0\0\0\x0d\0\0\0')
    yield Row(area, 'nothing', [Step('args_get', Out('pointers', 64), Out('text', 64)),
                                Step('fd_write', 1, Seen('text', 64), Out('done'))], output=b'attempt.wasm\0' + bytes(51))


def working_folder():
    """The command runs in a folder with a file `file`; that is none of the program's business."""
    area = 'the working folder'
    for path in ('.', 'file', './file', 'attempt.wasm'):
        for fd in (3, 4, (1 << 32) - 100):  # AT_FDCWD is -100
            yield Row(area, 'nothing', [Step('path_open', fd, NOFOLLOW, path, NONE, READ, NONE, NONE, Out('fd'), gives='BADF')])
    for stream in range(3):
        yield Row(area, 'nothing', [Step('path_open', stream, NOFOLLOW, 'file', NONE, READ, NONE, NONE, Out('fd'), gives='NOTDIR')])


def streams():
    """Standard streams that are more than streams: a folder, a file with contents of others, one opened to append."""
    area = 'streams that are files'
    for path in ('.', 'secret', '..'):
        yield Row(area, 'nothing', [Step('path_open', 0, NOFOLLOW, path, NONE, READ, NONE, NONE, Out('fd'), gives='NOTCAPABLE')],
                  stdin='folder')
    yield Row(area, 'nothing', [Step('fd_readdir', 0, Out('entries', 256), 256, 0, Out('count'), gives='NOTCAPABLE')], stdin='folder')
    yield Row(area, 'nothing', [Step('path_filestat_get', 0, NOFOLLOW, 'secret', Out('stat', 64), gives='NOTCAPABLE')], stdin='folder')
    yield Row(area, 'nothing', [Step('fd_prestat_get', 0, Out('stat'), gives='BADF')], stdin='folder')
    for step in (Step('fd_write', 0, 'abc', Out('count'), gives='NOTCAPABLE'),
                 Step('fd_pwrite', 0, 'abc', 0, Out('count'), gives='NOTCAPABLE'),
                 Step('fd_filestat_set_size', 0, 0, gives='NOTCAPABLE'), Step('fd_allocate', 0, 0, 100, gives='NOTCAPABLE'),
                 Step('fd_filestat_set_times', 0, 0, 5, MTIM, gives='NOTCAPABLE')):
        yield Row(area, 'nothing', [step], stdin='file')
    # What stood in the file before is not the program's to take away.
    for step in (Step('fd_filestat_set_size', 1, 0, gives='NOTCAPABLE'), Step('fd_allocate', 1, 0, 100, gives='NOTCAPABLE'),
                 Step('fd_filestat_set_times', 1, 0, 5, MTIM, gives='NOTCAPABLE'),
                 Step('fd_read', 1, Seen('bytes', 8), Out('count'), gives='NOTCAPABLE'),
                 Step('fd_pread', 1, Seen('bytes', 8), 0, Out('count'), gives='NOTCAPABLE'),
                 Step('fd_fdstat_set_flags', 1, 0, gives='NOTSUP')):
        yield Row(area, 'nothing', [step], stdin='append')


def clocks():
    area = 'clocks and random'
    for clock in (4, 5, 100, (1 << 31) - 1, 1 << 31, (1 << 32) - 1):
        yield Row(area, 'nothing', [Step('clock_time_get', clock, 0, Out('time'), gives='INVAL')])
        yield Row(area, 'nothing', [Step('clock_res_get', clock, Out('time'), gives='INVAL')])


def signals():
    """A signal of the program's is its own end, not one of the process."""
    for signal in (18, 19, 20, 21):  # stop, tstp, ttin, ttou
        yield Row('signals', 'nothing', [Step('proc_raise', signal, gives='NOTSUP')])


def rows():
    for table in (variables, working_folder, streams, clocks, signals):
        yield from table()
