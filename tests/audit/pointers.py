# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Pointers, lengths and counts: every pointer that every call takes, at the end of memory, across it, and beyond.

CALLS has a call that works for each function; `sizes` is how many bytes each of its pointers needs. The attempts are
those calls with one pointer replaced. Buffers and paths have their own kinds of wrong."""
from calls import FUNCTIONS, MEMORY_BYTES
from row import ALL, DIR, MTIM, NOFOLLOW, NONE, READ, READ_WRITE, Load, Out, Raw, Row, Seen, Step, Vectors, opened

FILE = opened('file', READ_WRITE | ALL)


class Call:
    def __init__(self, arguments, sizes, before=(), grants='folder', stdin=None):
        self.arguments, self.sizes, self.before, self.grants, self.stdin = arguments, sizes, before, grants, stdin


def of_file(*arguments, sizes=()):
    return Call([Load('fd'), *arguments], dict(sizes), before=[FILE])


def out(size=8):
    return Out('out%d' % size, size)


# sizes: argument number -> bytes that are written or read there
CALLS = {
    'args_get': Call([out(), Out('bytes', 64)], {0: 4, 1: 13}),
    'args_sizes_get': Call([Out('a'), Out('b')], {0: 4, 1: 4}),
    'environ_get': Call([out(), Out('bytes', 64)], {0: 4, 1: 12}, grants='variables'),
    'environ_sizes_get': Call([Out('a'), Out('b')], {0: 4, 1: 4}),
    'clock_res_get': Call([0, out()], {1: 8}),
    'clock_time_get': Call([0, 0, out()], {2: 8}),
    'fd_advise': of_file(0, 0, 0),
    'fd_allocate': of_file(0, 1),
    'fd_close': of_file(),
    'fd_datasync': of_file(),
    'fd_fdstat_get': of_file(out(24), sizes={1: 24}),
    'fd_fdstat_set_flags': of_file(0),
    'fd_fdstat_set_rights': of_file(0, 0),
    'fd_filestat_get': of_file(out(64), sizes={1: 64}),
    'fd_filestat_set_size': of_file(1),
    'fd_filestat_set_times': of_file(0, 5, MTIM),
    'fd_pread': of_file(Seen('bytes', 8), 0, Out('count'), sizes={3: 4}),
    'fd_prestat_get': Call([DIR, out()], {1: 8}),
    'fd_prestat_dir_name': Call([DIR, Out('name', 16), 2], {1: 2}),
    'fd_pwrite': of_file('abc', 0, Out('count'), sizes={3: 4}),
    'fd_read': of_file(Seen('bytes', 8), Out('count'), sizes={2: 4}),
    'fd_readdir': Call([DIR, Out('entries', 512), 512, 0, Out('count')], {1: 512, 4: 4}),
    'fd_renumber': of_file(1),
    'fd_seek': of_file(1, 0, out(), sizes={3: 8}),
    'fd_sync': of_file(),
    'fd_tell': of_file(out(), sizes={1: 8}),
    'fd_write': of_file('abc', Out('count'), sizes={2: 4}),
    'path_create_directory': Call([DIR, 'x'], {}),
    'path_filestat_get': Call([DIR, NOFOLLOW, 'file', out(64)], {3: 64}),
    'path_filestat_set_times': Call([DIR, NOFOLLOW, 'file', 0, 5, MTIM], {}),
    'path_link': Call([DIR, NOFOLLOW, 'file', DIR, 'x'], {}),
    'path_open': Call([DIR, NOFOLLOW, 'file', NONE, READ, NONE, NONE, Out('new')], {7: 4}),
    'path_readlink': Call([DIR, 'in', Out('text', 64), 64, Out('count')], {2: 64, 4: 4}),
    'path_remove_directory': Call([DIR, 'empty'], {}),
    'path_rename': Call([DIR, 'file', DIR, 'x'], {}),
    'path_symlink': Call(['file', DIR, 'x'], {}),
    'path_unlink_file': Call([DIR, 'file'], {}),
    'poll_oneoff': Call([Out('subscriptions', 48), Out('events', 32), 1, Out('count')], {0: 48, 1: 32, 3: 4}),
    'proc_exit': Call([0], {}),
    'proc_raise': Call([0], {}),
    'random_get': Call([Out('bytes', 64), 64], {0: 64}),
    'sched_yield': Call([], {}),
    'sock_accept': Call([DIR, NONE, Out('new')], {2: 4}, grants='listener'),
    'sock_recv': Call([0, Seen('bytes', 8), 0, Out('count'), Out('flags')], {3: 4, 4: 2}, stdin='socket'),
    'sock_send': Call([1, 'abc', 0, Out('count')], {3: 4}, stdin='socket'),
    'sock_shutdown': Call([0, 1], {}, stdin='socket'),
}
# Waits for a connection that nobody makes.
NEVER_DONE = {'sock_accept'}
TOP = 1 << 32


def made(name, call, arguments, gives, area):
    return Row(area, call.grants, [*call.before, Step(name, *arguments, gives=gives)], stdin=call.stdin,
               may_change=gives == 'SUCCESS')


def replaced(call, index, value):
    return [value if i == index else argument for i, argument in enumerate(call.arguments)]


def working():
    """Each call as it is, so that the others fail for their pointer and nothing else."""
    for name, call in CALLS.items():
        if name not in NEVER_DONE:
            yield made(name, call, call.arguments, 'SUCCESS', 'calls that work')


def wrong_places(size):
    """Pointers from which `size` bytes are not all inside."""
    places = {MEMORY_BYTES - size + 1, MEMORY_BYTES - 1 if size > 1 else MEMORY_BYTES, MEMORY_BYTES, MEMORY_BYTES + 1, 1 << 31,
              TOP - size, TOP - 1}
    return sorted(places)


def results():
    for name, call in CALLS.items():
        for index, size in call.sizes.items():
            for place in wrong_places(size):
                yield made(name, call, replaced(call, index, place), 'FAULT', 'results outside of memory')
            if name not in NEVER_DONE:
                yield made(name, call, replaced(call, index, MEMORY_BYTES - size), 'SUCCESS', 'results at the end of memory')


def texts():
    for name, call in CALLS.items():
        for index, (_, kind) in enumerate(FUNCTIONS[name][2]):
            if kind != 'p':
                continue
            for place, length in [(MEMORY_BYTES - 3, 4), (MEMORY_BYTES, 1), (MEMORY_BYTES + 1, 0), (0, MEMORY_BYTES + 1),
                                  (0, TOP - 1), (1, TOP - 1), (1 << 31, 1 << 31), (TOP - 1, 1), (TOP - 1, TOP - 1), (TOP - 4, 4)]:
                yield made(name, call, replaced(call, index, Raw(place, length)), 'FAULT', 'paths outside of memory')
            yield made(name, call, replaced(call, index, Raw(MEMORY_BYTES, 0)), 'NOENT', 'paths outside of memory')


# Lists of buffers that lie about where they are, how many they are and how long.
def wrong_buffers():
    inside = (Out('bytes', 8), 8)
    yield Raw(MEMORY_BYTES - 4, 1)
    yield Raw(MEMORY_BYTES - 8, 2)
    yield Raw(MEMORY_BYTES, 1)
    yield Raw(TOP - 8, 1)
    yield Raw(TOP - 1, 1)
    yield Raw(TOP - 8, 2)
    yield Raw(0, MEMORY_BYTES // 8 + 1)
    yield Raw(0, 1 << 29)
    yield Raw(8, 1 << 29)
    yield Raw(0, (1 << 29) + 1)
    yield Raw(0, TOP - 1)
    yield Raw(1 << 31, 1 << 28)
    yield Vectors((MEMORY_BYTES, 1))
    yield Vectors((MEMORY_BYTES - 1, 2))
    yield Vectors((0, MEMORY_BYTES + 1))
    yield Vectors((0, TOP - 1))
    yield Vectors((1, TOP - 1))
    yield Vectors((TOP - 1, 1))
    yield Vectors((TOP - 1, TOP - 1))
    yield Vectors((1 << 31, 1 << 31))
    yield Vectors(inside, (MEMORY_BYTES - 1, 2))
    yield Vectors(inside, inside, inside, (0, TOP - 8), count=4)
    yield Vectors(*[inside] * 40, (MEMORY_BYTES, 8))


def buffers():
    for name, call in CALLS.items():
        for index, (_, kind) in enumerate(FUNCTIONS[name][2]):
            if kind != 'v':
                continue
            for wrong in wrong_buffers():
                yield made(name, call, replaced(call, index, wrong), 'FAULT', 'buffers outside of memory')
            # Right, if odd: they overlap each other, themselves as a list, and the count; the most there can be.
            for odd in (Vectors((Out('bytes', 8), 8), (Out('bytes', 8), 8)), Vectors((MEMORY_BYTES, 0)), Vectors(count=0),
                        Vectors((Out('count'), 8), (Out('count'), 8)), Vectors((1024, 4096), (1024, 64), (1032, 8)),
                        Vectors(*[(Out('bytes', 8), 0)] * 2000), Vectors((0, MEMORY_BYTES))):
                yield made(name, call, replaced(call, index, odd), 'SUCCESS', 'buffers that overlap')


def lengths():
    """Lengths that are numbers of their own."""
    area = 'results outside of memory'
    for length in (MEMORY_BYTES, 1 << 31, TOP - 1):
        for name, index, number in (('fd_readdir', 1, 2), ('path_readlink', 2, 3), ('random_get', 0, 1)):
            call = CALLS[name]
            arguments = replaced(call, number, length)
            yield made(name, call, arguments, 'FAULT', area)
            arguments[index] = TOP - length
            yield made(name, call, arguments, 'FAULT', area)
    call = CALLS['poll_oneoff']
    for count, gives in ((0, 'INVAL'), (1 << 27, 'INVAL'), (TOP - 1, 'INVAL'), (4096, 'FAULT'), (89478486, 'INVAL'), (65536, 'FAULT')):
        yield made('poll_oneoff', call, replaced(call, 2, count), gives, area)


def numbers():
    """Offsets and sizes that overflow."""
    area = 'numbers out of range'
    for offset, length in ((1 << 63, 1), ((1 << 63) - 1, (1 << 63) - 1), ((1 << 64) - 1, (1 << 64) - 1), (1, (1 << 63) - 1)):
        gives = 'INVAL' if offset >> 63 else 'FBIG'
        yield made('fd_allocate', of_file(), [Load('fd'), offset, length], gives, area)
    for size in (1 << 63, (1 << 64) - 1):
        yield made('fd_filestat_set_size', of_file(), [Load('fd'), size], 'INVAL', area)
    for offset in (1 << 63, (1 << 64) - 1):
        yield made('fd_pread', of_file(), [Load('fd'), Seen('bytes', 8), offset, Out('count')], 'INVAL', area)
        yield made('fd_pwrite', of_file(), [Load('fd'), 'abc', offset, Out('count')], 'INVAL', area)
    for delta, whence in (((1 << 64) - 1, 0), (1 << 63, 1), ((1 << 63), 2), (0, 3), (0, TOP - 1)):
        yield made('fd_seek', of_file(), [Load('fd'), delta, whence, Out('position')], 'INVAL', area)
    for name, index, value in (('fd_advise', 3, 6), ('fd_advise', 3, TOP - 1), ('fd_fdstat_set_flags', 1, 32),
                               ('fd_filestat_set_times', 3, 16), ('fd_filestat_set_times', 3, 3), ('path_open', 3, 16),
                               ('path_open', 6, 32), ('path_filestat_set_times', 5, 12), ('clock_res_get', 0, 4),
                               ('clock_time_get', 0, TOP - 1), ('sock_send', 2, 1), ('sock_shutdown', 1, 0), ('sock_shutdown', 1, 4),
                               ('proc_raise', 0, 31), ('proc_raise', 0, TOP - 1), ('sock_recv', 2, 4)):
        call = CALLS[name]
        yield made(name, call, replaced(call, index, value), 'INVAL', area)


def rows():
    for table in (working, results, texts, buffers, lengths, numbers):
        yield from table()
