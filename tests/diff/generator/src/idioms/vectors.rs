// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! SIMD: loops over arrays, chains of floating-point lanes, shuffles, conversions, lanes in and out.
//!
//! Whoever takes a vector may look at its bits, so a chain of floating-point instructions ends in lanes without NaNs
//! other than the canonical one. Within the chain they stay as they are.

use super::*;

const VECTOR: u8 = 0xFD;

/// Integer instructions of two vectors.
const BINARY: &[u32] = &[
    14, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62,
    63, 64, 78, 79, 80, 81, 101, 102, 110, 111, 112, 113, 114, 115, 118, 119, 120, 121, 123, 130, 133, 134, 142, 143,
    144, 145, 146, 147, 149, 150, 151, 152, 153, 155, 156, 157, 158, 159, 174, 177, 181, 182, 183, 184, 185, 186, 188,
    189, 190, 191, 206, 209, 213, 214, 215, 216, 217, 218, 219, 220, 221, 222, 223,
];
/// Of one; the conversions from floating point among them give no NaNs.
const UNARY: &[u32] = &[
    77, 96, 97, 98, 124, 125, 126, 127, 128, 129, 135, 136, 137, 138, 160, 161, 167, 168, 169, 170, 192, 193, 199, 200,
    201, 202, 248, 249, 252, 253, 250, 251, 254, 255,
];
const SHIFTS: &[u32] = &[107, 108, 109, 139, 140, 141, 171, 172, 173, 203, 204, 205];
/// (opcode, lanes, type) of extract_lane.
const EXTRACTS: &[(u32, u64, Type)] =
    &[(21, 16, I32), (22, 16, I32), (24, 8, I32), (25, 8, I32), (27, 4, I32), (29, 2, I64), (31, 4, F32), (33, 2, F64)];
const REPLACES: &[(u32, u64, Type)] =
    &[(23, 16, I32), (26, 8, I32), (28, 4, I32), (30, 2, I64), (32, 4, F32), (34, 2, F64)];
const SPLATS: &[(u32, Type)] = &[(15, I32), (16, I32), (17, I32), (18, I64), (19, F32), (20, F64)];

/// Instructions of floating-point lanes.
struct Lanes {
    unary: [u32; 7],
    binary: [u32; 8],
    compare: u32, // the first of six
    relaxed_ternary: [u32; 2],
    relaxed_binary: [u32; 2],
    nan: [u8; 8],
}
const F32X4: Lanes = Lanes {
    unary: [103, 104, 105, 106, 224, 225, 227],
    binary: [228, 229, 230, 231, 232, 233, 234, 235],
    compare: 65,
    relaxed_ternary: [261, 262],
    relaxed_binary: [269, 270],
    nan: [0, 0, 0xC0, 0x7F, 0, 0, 0xC0, 0x7F],
};
const F64X2: Lanes = Lanes {
    unary: [116, 117, 122, 148, 236, 237, 239],
    binary: [240, 241, 242, 243, 244, 245, 246, 247],
    compare: 71,
    relaxed_ternary: [263, 264],
    relaxed_binary: [271, 272],
    nan: [0, 0, 0, 0, 0, 0, 0xF8, 0x7F],
};

impl Body<'_> {
    fn vector_op(&mut self, op: u32) {
        self.op(VECTOR);
        write_leb(op, &mut self.out);
    }

    pub fn vector_constant(&mut self) {
        self.vector_op(12);
        let (a, b) = (self.random.next(), self.random.next());
        match self.random.below(4) {
            0 => self.out.extend([a as u8 & 15; 16]),
            1 => (0..4).for_each(|i| self.out.extend(((a >> (4 * i) & 15) as f32 - 4.0).to_le_bytes())),
            2 => (0..2).for_each(|i| self.out.extend(((a >> (4 * i) & 15) as f64 / 2.0).to_le_bytes())),
            _ => self.out.extend([a.to_le_bytes(), b.to_le_bytes()].concat()),
        }
    }

    /// Floating-point instructions whose intermediate NaNs nobody sees.
    fn float_chain(&mut self, lanes: &Lanes, depth: usize) {
        if depth == 0 || self.random.one_in(4) {
            return self.expr(V128, depth.min(1));
        }
        let depth = depth - 1;
        let is_relaxed = self.plan.proposals.has(RELAXED_SIMD) && self.random.one_in(3);
        self.float_chain(lanes, depth);
        if self.random.one_in(4) {
            let op = self.random.pick(&lanes.unary);
            return self.vector_op(op);
        }
        self.float_chain(lanes, depth);
        let op = if is_relaxed && self.random.one_in(2) {
            self.float_chain(lanes, depth.min(1));
            self.random.pick(&lanes.relaxed_ternary)
        } else {
            self.random.pick(if is_relaxed { &lanes.relaxed_binary } else { &lanes.binary[..] })
        };
        self.vector_op(op);
    }

    /// Each lane that is a NaN becomes the canonical one.
    fn canonical_lanes(&mut self, lanes: &Lanes) {
        let position = self.hidden.iter().position(|&hidden| hidden == V128).unwrap();
        let local = (self.locals.len() + position) as u32;
        self.indexed(LOCAL_TEE, local);
        self.vector_op(12);
        self.out.extend([lanes.nan, lanes.nan].concat());
        self.indexed(LOCAL_GET, local);
        self.indexed(LOCAL_GET, local);
        self.vector_op(lanes.compare);
        self.vector_op(82);
    }

    fn float_vector(&mut self, depth: usize) {
        let lanes = if self.random.one_in(2) { &F32X4 } else { &F64X2 };
        self.float_chain(lanes, depth);
        if self.random.one_in(6) {
            self.float_chain(lanes, depth);
            let comparison = self.random.below(6) as u32;
            return self.vector_op(lanes.compare + comparison);
        }
        if self.random.one_in(6) {
            // Promotes or demotes; anything else between lanes of two widths would show NaNs.
            let (op, made) = if lanes.nan == F32X4.nan { (95, &F64X2) } else { (94, &F32X4) };
            self.vector_op(op);
            return self.canonical_lanes(made);
        }
        self.canonical_lanes(lanes);
    }

    /// Loads that extend, splat, zero or replace a lane; where they load from memory.
    fn vector_load(&mut self, depth: usize) {
        let memory = self.memory();
        self.address(memory, depth);
        if self.random.one_in(4) {
            self.expr(V128, depth.min(1));
            let size = self.random.below(4) as u32;
            self.vector_op(84 + size);
            self.memarg(memory);
            let lane = self.random.below(16 >> size) as u8;
            return self.op(lane);
        }
        let op = self.random.pick(&[0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 92, 93]);
        self.vector_op(op);
        self.memarg(memory);
    }

    fn scalar(&mut self, of: Type, depth: usize) {
        self.expr(of, depth);
        self.canonical(of);
    }

    fn relaxed_integer(&mut self, depth: usize) {
        let (op, count) = self.random.pick(&[
            (256, 2),
            (257, 1),
            (258, 1),
            (259, 1),
            (260, 1),
            (265, 3),
            (266, 3),
            (267, 3),
            (268, 3),
            (273, 2),
            (274, 2),
            (275, 3),
        ]);
        for _ in 0..count {
            self.expr(V128, depth.min(2));
        }
        self.vector_op(op);
    }

    pub fn vector(&mut self, depth: usize) {
        match self.random.below(14) {
            0..=3 => {
                self.expr(V128, depth);
                self.expr(V128, depth);
                let op = self.random.pick(BINARY);
                self.vector_op(op);
            }
            4 => {
                self.expr(V128, depth);
                let op = self.random.pick(UNARY);
                self.vector_op(op);
            }
            5 => {
                self.expr(V128, depth);
                self.expr(I32, depth.min(1));
                let op = self.random.pick(SHIFTS);
                self.vector_op(op);
            }
            6 | 7 => self.float_vector(depth),
            8 => self.vector_load(depth),
            9 => {
                let (op, from) = self.random.pick(SPLATS);
                self.scalar(from, depth);
                self.vector_op(op);
            }
            10 => {
                let (op, lanes, from) = self.random.pick(REPLACES);
                self.expr(V128, depth);
                self.scalar(from, depth.min(1));
                self.vector_op(op);
                let lane = self.random.below(lanes) as u8;
                self.op(lane);
            }
            11 => {
                self.expr(V128, depth);
                self.expr(V128, depth.min(1));
                self.vector_op(13);
                let random = &mut self.random;
                let lanes: Vec<u8> = (0..16).map(|_| random.below(32) as u8).collect();
                self.out.extend(lanes);
            }
            12 if self.plan.proposals.has(RELAXED_SIMD) => self.relaxed_integer(depth),
            _ => {
                (0..3).for_each(|_| self.expr(V128, depth.min(2)));
                self.vector_op(82);
            }
        }
    }

    /// A number out of a vector.
    pub fn lane(&mut self, of: Type, depth: usize) {
        self.expr(V128, depth);
        if of == I32 && self.random.one_in(2) {
            let op = self.random.pick(&[83, 99, 131, 163, 195, 100, 132, 164, 196]);
            return self.vector_op(op);
        }
        let choices: Vec<_> = EXTRACTS.iter().copied().filter(|extract| extract.2 == of).collect();
        let (op, lanes, _) = self.random.pick(&choices);
        self.vector_op(op);
        let lane = self.random.below(lanes) as u8;
        self.op(lane);
    }

    fn vector_store(&mut self) {
        let memory = self.memory();
        self.address(memory, 1);
        self.expr(V128, 3);
        if self.random.one_in(3) {
            let size = self.random.below(4) as u32;
            self.vector_op(88 + size);
            self.memarg(memory);
            let lane = self.random.below(16 >> size) as u8;
            return self.op(lane);
        }
        self.vector_op(11);
        self.memarg(memory);
    }

    pub fn vector_statement(&mut self) {
        match (self.local(V128), self.random.below(3)) {
            (Some(local), 0) => {
                // sum = op(sum, value), as in the body of a loop
                self.indexed(LOCAL_GET, local);
                self.expr(V128, 2);
                let op = self.random.pick(BINARY);
                self.vector_op(op);
                self.indexed(LOCAL_SET, local);
            }
            (Some(local), 1) => {
                self.expr(V128, 3);
                self.indexed(LOCAL_SET, local);
            }
            _ => self.vector_store(),
        }
    }
}
