// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Memories of all kinds: their addresses, loads and stores, bulk instructions and atomics.

use super::*;

const ATOMIC: u8 = 0xFE;
const I64_ADD_OP: u8 = 0x7C;
const I64_AND: u8 = 0x83;
const I64_SHL: u8 = 0x86;
/// The data segments: an active one, and a passive one of so many bytes.
pub const SEGMENTS: u32 = 2;
pub const PASSIVE_SEGMENT: u32 = 1;
const PASSIVE_BYTES: u64 = 64;

pub struct Memory {
    is_64: bool,
    is_shared: bool,
    has_small_pages: bool,
    min: u32,
    max: u32,
}

impl Memory {
    fn draw(random: &mut Random, proposals: Proposals) -> Memory {
        let has_small_pages = proposals.has(CUSTOM_PAGE_SIZES) && !random.one_in(3);
        let (min, max) =
            if has_small_pages { random.pick(&[(4096, 4096), (5000, 5100), (65537, 70000), (8, 100)]) } else { (1, 2) };
        Memory {
            is_64: proposals.has(MEMORY64) && !random.one_in(3),
            is_shared: proposals.has(THREADS) && random.one_in(2),
            has_small_pages,
            min,
            max,
        }
    }

    pub fn write(&self, out: &mut Vec<u8>) {
        let flags = [true, self.is_shared, self.is_64, self.has_small_pages];
        out.push((0..4).map(|bit| u8::from(flags[bit]) << bit).sum());
        write_leb(self.min, out);
        write_leb(self.max, out);
        if self.has_small_pages {
            out.push(0);
        }
    }

    fn address_type(&self) -> Type {
        if self.is_64 {
            I64
        } else {
            I32
        }
    }
}

pub fn draw(random: &mut Random, proposals: Proposals) -> Vec<Memory> {
    let count = if proposals.has(MULTI_MEMORY) { random.below(4) + 1 } else { 1 };
    (0..count).map(|_| Memory::draw(random, proposals)).collect()
}

/// The data section's contents.
pub fn segments(random: &mut Random, memory: &Memory) -> Vec<u8> {
    let words = if memory.min < 4096 && memory.has_small_pages { 1 } else { 512 };
    let contents: Vec<u8> = (0..words).flat_map(|_| random.next().to_le_bytes()).collect();
    let mut out = vec![SEGMENTS as u8, 0, if memory.is_64 { 0x42 } else { 0x41 }, 0, END];
    write_sized(&contents, &mut out);
    out.push(1);
    let passive: Vec<u8> = (0..PASSIVE_BYTES / 8).flat_map(|_| random.next().to_le_bytes()).collect();
    write_sized(&passive, &mut out);
    out
}

impl Body<'_> {
    pub fn memory(&mut self) -> usize {
        self.random.below(self.plan.memories.len() as u64) as usize
    }

    fn address_const(&mut self, of: Type, value: i64) {
        self.op(if of == I64 { 0x42 } else { 0x41 });
        write_signed_leb(value, &mut self.out);
    }

    /// Of `of`, and small.
    fn masked(&mut self, of: Type, mask: i64, depth: usize) {
        self.expr(of, depth);
        if !self.random.one_in(30) {
            self.address_const(of, mask);
            self.op(if of == I64 { I64_AND } else { I32_AND });
        }
    }

    /// Mostly inside of the first page.
    pub fn address(&mut self, memory: usize, depth: usize) {
        let of = self.plan.memories[memory].address_type();
        let (add, shl) = if of == I64 { (I64_ADD_OP, I64_SHL) } else { (I32_ADD, I32_SHL) };
        if of == I64 && self.random.one_in(4) {
            self.masked(I32, 0xFFF, depth.min(1));
            self.op(I64_EXTEND_I32_U);
        } else {
            self.masked(of, 0xFFF, depth.min(1));
        }
        match self.random.below(4) {
            0 => {
                self.masked(of, 0xFF, 0);
                self.op(add);
            }
            1 | 2 => {
                // base + (index << distance)
                let exchanged = self.random.one_in(2);
                let base = self.hidden_local(of);
                self.indexed(LOCAL_SET, base);
                if exchanged {
                    self.indexed(LOCAL_GET, base);
                }
                let index = self.hidden_local(of);
                self.masked(of, 0xFF, 0);
                self.indexed(LOCAL_TEE, index);
                let distance = self.random.pick(&[0, 1, 2, 3, 3, 4, 7, 8, 33]);
                self.address_const(of, distance);
                self.op(shl);
                if !exchanged {
                    self.indexed(LOCAL_GET, base);
                }
                self.op(add);
            }
            _ => (),
        }
    }

    fn write_memarg(&mut self, memory: usize, align: u8, offset: u64) {
        if memory != 0 || (self.plan.proposals.has(MULTI_MEMORY) && self.random.one_in(8)) {
            self.op(align | 0x40);
            write_leb(memory as u32, &mut self.out);
        } else {
            self.op(align);
        }
        write_leb(offset, &mut self.out);
    }

    pub fn memarg(&mut self, memory: usize) {
        let offset = self.random.pick(&[0, 0, 0, 4, 8, 100, 8191, 8192, 40000, 65535, 65536, 131_070, u32::MAX]);
        let mut offset = u64::from(if offset > 40000 && !self.random.one_in(8) { 16 } else { offset });
        if self.plan.memories[memory].is_64 && self.random.one_in(30) {
            offset = self.random.pick(&[1 << 32, u64::MAX, u64::MAX - 4096, 1 << 63, (1 << 48) + 8]);
        }
        self.write_memarg(memory, 0, offset);
    }

    pub fn load(&mut self, of: Type, depth: usize) {
        let memory = self.memory();
        self.address(memory, depth);
        let op = match of {
            I32 => self.random.pick(&[0x28, 0x28, 0x2C, 0x2D, 0x2E, 0x2F]),
            I64 => self.random.pick(&[0x29, 0x30, 0x31, 0x32, 0x33, 0x34, 0x35]),
            F32 => 0x2A,
            _ => 0x2B,
        };
        self.op(op);
        self.memarg(memory);
    }

    pub fn store(&mut self) {
        let of = self.number_type();
        let memory = self.memory();
        self.address(memory, 1);
        self.expr(of, 2);
        self.canonical(of);
        let op = match of {
            I32 => self.random.pick(&[0x36, 0x36, 0x3A, 0x3B]),
            I64 => self.random.pick(&[0x37, 0x3C, 0x3D, 0x3E]),
            F32 => 0x38,
            _ => 0x39,
        };
        self.op(op);
        self.memarg(memory);
    }

    /// As an i32.
    pub fn memory_size(&mut self) {
        let memory = self.memory();
        self.indexed(MEMORY_SIZE, memory as u32);
        if self.plan.memories[memory].is_64 {
            self.op(0xA7);
        }
    }

    fn grow(&mut self) {
        let memory = self.memory();
        let of = self.plan.memories[memory].address_type();
        let pages = self.random.pick(&[0, 1, 1, 2, 50, -1]);
        self.address_const(of, pages);
        self.indexed(MEMORY_GROW, memory as u32);
        self.op(DROP);
    }

    pub fn bulk(&mut self) {
        let (to, from) = (self.memory(), self.memory());
        match self.random.below(6) {
            0 => self.grow(),
            1 | 2 => {
                let both_64 = self.plan.memories[to].is_64 && self.plan.memories[from].is_64;
                self.address(to, 1);
                self.address(from, 1);
                self.masked(if both_64 { I64 } else { I32 }, 63, 0);
                self.out.extend([BULK, 10, to as u8, from as u8]);
            }
            3 => {
                self.address(to, 1);
                self.masked(I32, 63, 0);
                self.masked(I32, 63, 0);
                self.out.extend([BULK, 8, PASSIVE_SEGMENT as u8, to as u8]);
            }
            4 if self.random.one_in(20) => self.out.extend([BULK, 9, PASSIVE_SEGMENT as u8]),
            _ => {
                self.address(to, 1);
                self.leaf(I32);
                self.masked(self.plan.memories[to].address_type(), 63, 0);
                self.out.extend([BULK, 11, to as u8]);
            }
        }
    }

    /// The four instructions on 128 bits; what is left is an i64.
    pub fn wide(&mut self, depth: usize) {
        let op = self.random.pick(&[19, 20, 21, 22]);
        for _ in 0..if op < 21 { 4 } else { 2 } {
            self.expr(I64, depth.min(2));
        }
        self.out.extend([BULK, op]);
        match self.random.below(3) {
            0 => self.op(DROP),
            1 => self.op(I64_XOR),
            _ => {
                let high = self.hidden_local(I64);
                self.indexed(LOCAL_SET, high);
                self.op(DROP);
                self.indexed(LOCAL_GET, high);
            }
        }
    }

    // ---- Atomics ----------------------------------------------------------------------------------------------------

    /// An address, mostly aligned.
    fn aligned_address(&mut self, memory: usize) {
        let of = self.plan.memories[memory].address_type();
        let mask = if self.random.one_in(12) { 0xFFF } else { 0xFF8 };
        self.masked(of, mask, 1);
    }

    fn atomic(&mut self, memory: usize, op: u8, align: u8) {
        let offset = self.random.pick(&[0, 0, 8, 8, 64, 4096, 65528]);
        let offset = if self.random.one_in(30) { offset + 1 } else { offset };
        self.out.extend([ATOMIC, op]);
        self.write_memarg(memory, align, offset);
    }

    /// The number, from 0 to 6, of an access among i32, i64, i32.8, i32.16, i64.8, i64.16, i64.32; and its alignment.
    fn access(&mut self, of: Type) -> (u8, u8) {
        if of == I32 {
            self.random.pick(&[(0, 2), (0, 2), (2, 0), (3, 1)])
        } else {
            self.random.pick(&[(1, 3), (1, 3), (4, 0), (5, 1), (6, 2)])
        }
    }

    pub fn atomic_expr(&mut self, of: Type, depth: usize) {
        let memory = self.memory();
        let (access, align) = self.access(of);
        self.aligned_address(memory);
        match self.random.below(8) {
            0 | 1 => self.atomic(memory, 0x10 + access, align),
            2 if of == I32 => {
                self.leaf(I32);
                self.atomic(memory, 0, 2);
            }
            3 if of == I32 => {
                let (op, expected) = self.random.pick(&[(1, I32), (2, I64)]);
                self.leaf(expected);
                let timeout = self.random.pick(&[0, 1, 1000]);
                self.address_const(I64, timeout);
                self.atomic(memory, op, op + 1);
            }
            4 | 5 => {
                self.expr(of, depth.min(1));
                self.expr(of, depth.min(1));
                self.atomic(memory, 0x48 + access, align);
            }
            _ => {
                self.expr(of, depth.min(2));
                let kind = self.random.below(6) as u8;
                self.atomic(memory, 0x1E + 7 * kind + access, align);
            }
        }
    }

    pub fn atomic_statement(&mut self) {
        let of = self.random.pick(&[I32, I64]);
        match self.random.below(6) {
            0 => self.out.extend([ATOMIC, 3, 0]),
            1..=3 => {
                let memory = self.memory();
                let (access, align) = self.access(of);
                self.aligned_address(memory);
                self.expr(of, 2);
                self.atomic(memory, 0x17 + access, align);
            }
            _ => {
                self.atomic_expr(of, 2);
                self.op(DROP);
            }
        }
    }
}
