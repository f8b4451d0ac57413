// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

//! Writes through WASI directly: Zig's own library for output changes with every version.
const std = @import("std");

const wasi = std.os.wasi;

pub fn main() void {
    var buffer: [64]u8 = undefined;
    var sum: u64 = 0;
    for (0..1000) |n| sum += n * n;
    const text = std.fmt.bufPrint(&buffer, "hello from Zig, sum of squares {d}\n", .{sum}) catch unreachable;
    const vectors = [_]wasi.ciovec_t{.{ .base = text.ptr, .len = text.len }};
    var written: usize = 0;
    if (wasi.fd_write(1, &vectors, vectors.len, &written) != .SUCCESS) @trap();
}
