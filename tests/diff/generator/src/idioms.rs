// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Modules out of what compilers emit: counted loops, arrays, inner products, chains of comparisons, calls through
//! tables. Instructions drawn one by one hardly ever stand next to each other in these ways, and it is just these
//! neighbours that a translator joins.
//!
//! The bits of NaNs never show: wherever they would (stores, globals, results, copysign, reinterpretation), a NaN is
//! replaced by the canonical one first.

use crate::bytes::*;
use crate::random::Random;

const I32: u8 = 0x7F;
const I64: u8 = 0x7E;
const F32: u8 = 0x7D;
const F64: u8 = 0x7C;
const TYPES: [u8; 4] = [I32, I64, F32, F64];
const NO_RESULT: u8 = 0x40;

const UNREACHABLE: u8 = 0x00;
const BLOCK: u8 = 0x02;
const LOOP: u8 = 0x03;
const IF: u8 = 0x04;
const ELSE: u8 = 0x05;
const END: u8 = 0x0B;
const BR: u8 = 0x0C;
const BR_IF: u8 = 0x0D;
const BR_TABLE: u8 = 0x0E;
const RETURN: u8 = 0x0F;
const CALL: u8 = 0x10;
const CALL_INDIRECT: u8 = 0x11;
const RETURN_CALL: u8 = 0x12;
const RETURN_CALL_INDIRECT: u8 = 0x13;
const DROP: u8 = 0x1A;
const SELECT: u8 = 0x1B;
const LOCAL_GET: u8 = 0x20;
const LOCAL_SET: u8 = 0x21;
const LOCAL_TEE: u8 = 0x22;
const GLOBAL_GET: u8 = 0x23;
const GLOBAL_SET: u8 = 0x24;
const MEMORY_SIZE: u8 = 0x3F;
const MEMORY_GROW: u8 = 0x40;
const I32_EQZ: u8 = 0x45;
const I32_ADD: u8 = 0x6A;
const I32_SUB: u8 = 0x6B;
const I32_AND: u8 = 0x71;
const I32_SHL: u8 = 0x74;
const I64_ADD: u8 = 0x7C;
const BULK: u8 = 0xFC;

const FUEL_GLOBAL: u32 = 4; // after one global of each type
const TABLE_SIZE: u32 = 8;
const MAX_DEPTH: usize = 12;

#[derive(Clone)]
struct FuncType {
    params: Vec<u8>,
    results: Vec<u8>,
}

struct Body<'a> {
    random: &'a mut Random,
    types: &'a [FuncType],
    funcs: &'a [usize], // the type of each
    own_type: usize,
    out: Vec<u8>,
    locals: Vec<u8>,   // parameters first; only these are drawn
    hidden: Vec<u8>,   // after them: temporaries of NaNs, counters and indices, which only what declares them uses
    labels: Vec<bool>, // whether a branch to it takes no value; innermost last
    budget: usize,     // statements that may still be written
}

impl Body<'_> {
    fn op(&mut self, op: u8) {
        self.out.push(op);
    }

    fn indexed(&mut self, op: u8, index: u32) {
        self.out.push(op);
        write_leb(index, &mut self.out);
    }

    fn i32_const(&mut self, value: i32) {
        self.out.push(0x41);
        write_signed_leb(i64::from(value), &mut self.out);
    }

    fn constant(&mut self, of: u8) {
        let small = self.random.below(20) as i64 - 4;
        let any = self.random.next();
        let far = self.random.one_in(4);
        match of {
            I32 => self.i32_const(if far { any as i32 } else { small as i32 }),
            I64 => {
                self.op(0x42);
                write_signed_leb(if far { any as i64 } else { small }, &mut self.out);
            }
            F32 => {
                self.op(0x43);
                let bits = if far { any as u32 } else { (small as f32 / 2.0).to_bits() };
                self.out.extend(bits.to_le_bytes());
            }
            _ => {
                self.op(0x44);
                let bits = if far { any } else { (small as f64 / 2.0).to_bits() };
                self.out.extend(bits.to_le_bytes());
            }
        }
    }

    /// A local of the type to read or write.
    fn local(&mut self, of: u8) -> Option<u32> {
        let all: Vec<u32> = (0..self.locals.len() as u32).filter(|&i| self.locals[i as usize] == of).collect();
        (!all.is_empty()).then(|| self.random.pick(&all))
    }

    fn hidden_local(&mut self, of: u8) -> u32 {
        self.hidden.push(of);
        (self.locals.len() + self.hidden.len() - 1) as u32
    }

    /// Makes a NaN on the stack the canonical one.
    fn canonical(&mut self, of: u8) {
        if of != F32 && of != F64 {
            return;
        }
        let position = self.hidden.iter().position(|&hidden| hidden == of).unwrap();
        let local = (self.locals.len() + position) as u32;
        self.indexed(LOCAL_SET, local);
        self.indexed(LOCAL_GET, local);
        if of == F32 {
            self.op(0x43);
            self.out.extend(f32::from_bits(0x7FC0_0000).to_le_bytes());
        } else {
            self.op(0x44);
            self.out.extend(f64::from_bits(0x7FF8_0000_0000_0000).to_le_bytes());
        }
        self.indexed(LOCAL_GET, local);
        self.indexed(LOCAL_GET, local);
        self.op(if of == F32 { 0x5B } else { 0x61 });
        self.op(SELECT);
    }

    // ---- Expressions ------------------------------------------------------------------------------------------------

    fn leaf(&mut self, of: u8) {
        if let (Some(local), true) = (self.local(of), !self.random.one_in(4)) {
            self.indexed(LOCAL_GET, local);
        } else if self.random.one_in(4) {
            self.indexed(GLOBAL_GET, u32::from(I32 - of));
        } else {
            self.constant(of);
        }
    }

    fn expr(&mut self, of: u8, depth: usize) {
        if depth == 0 || self.random.one_in(5) {
            return self.leaf(of);
        }
        let depth = depth - 1;
        match self.random.below(22) {
            0..=6 => self.binary(of, depth),
            7 | 8 => self.unary(of, depth),
            9 => self.convert(of, depth),
            10..=13 => self.load(of, depth),
            14 => {
                self.expr(of, depth);
                self.expr(of, depth);
                self.expr(I32, depth);
                self.op(SELECT);
            }
            15 => {
                self.expr(of, depth);
                if let Some(local) = self.local(of) {
                    self.indexed(LOCAL_TEE, local);
                }
            }
            16 => self.if_expr(of, depth),
            17 => self.block_expr(of, depth),
            18 if of == I32 => self.out.extend([MEMORY_SIZE, 0]),
            18 if of == F32 || of == F64 => self.inner_product(of, depth),
            19 => self.call_expr(of, depth),
            _ if of == I32 => self.compare(depth),
            _ => self.binary(of, depth),
        }
    }

    fn binary(&mut self, of: u8, depth: usize) {
        let (first, count) = match of {
            I32 => (0x6A, 15),
            I64 => (0x7C, 15),
            F32 => (0x92, 7),
            _ => (0xA0, 7),
        };
        let number = self.random.below(count) as u8;
        let is_division = count == 15 && (3..=6).contains(&number);
        self.expr(of, depth);
        self.expr(of, depth);
        if is_division && !self.random.one_in(8) {
            // Seldom by zero.
            self.out.extend(if of == I32 { [0x41, 3, 0x72] } else { [0x42, 3, 0x84] });
        }
        if count == 7 && number == 6 {
            self.canonical(of); // copysign
        }
        self.op(first + number);
    }

    fn unary(&mut self, of: u8, depth: usize) {
        self.expr(of, depth);
        let op = match of {
            I32 => self.random.pick(&[0x67, 0x68, 0x69, 0xC0, 0xC1]),
            I64 => self.random.pick(&[0x79, 0x7A, 0x7B, 0xC2, 0xC3, 0xC4]),
            F32 => 0x8B + self.random.below(7) as u8,
            _ => 0x99 + self.random.below(7) as u8,
        };
        self.op(op);
    }

    fn compare(&mut self, depth: usize) {
        let of = self.random.pick(&TYPES);
        self.expr(of, depth);
        if of <= I32 && of >= I64 && self.random.one_in(4) {
            return self.op(if of == I32 { I32_EQZ } else { 0x50 });
        }
        self.expr(of, depth);
        let op = match of {
            I32 => 0x46 + self.random.below(10) as u8,
            I64 => 0x51 + self.random.below(10) as u8,
            F32 => 0x5B + self.random.below(6) as u8,
            _ => 0x61 + self.random.below(6) as u8,
        };
        self.op(op);
    }

    fn convert(&mut self, to: u8, depth: usize) {
        let choices: &[(u8, &[u8])] = match to {
            I32 => &[
                (I64, &[0xA7]),
                (F32, &[BULK, 0]),
                (F32, &[BULK, 1]),
                (F64, &[BULK, 2]),
                (F64, &[BULK, 3]),
                (F32, &[0xBC]),
                (F32, &[0xA8]),
                (F32, &[0xA9]),
                (F64, &[0xAA]),
                (F64, &[0xAB]),
            ],
            I64 => &[
                (I32, &[0xAC]),
                (I32, &[0xAD]),
                (F32, &[BULK, 4]),
                (F32, &[BULK, 5]),
                (F64, &[BULK, 6]),
                (F64, &[BULK, 7]),
                (F64, &[0xBD]),
                (F32, &[0xAE]),
                (F32, &[0xAF]),
                (F64, &[0xB0]),
                (F64, &[0xB1]),
            ],
            F32 => &[(I32, &[0xB2]), (I32, &[0xB3]), (I64, &[0xB4]), (I64, &[0xB5]), (F64, &[0xB6]), (I32, &[0xBE])],
            _ => &[(I32, &[0xB7]), (I32, &[0xB8]), (I64, &[0xB9]), (I64, &[0xBA]), (F32, &[0xBB]), (I64, &[0xBF])],
        };
        let (from, ops) = self.random.pick(choices);
        self.expr(from, depth);
        if ops[0] == 0xBC || ops[0] == 0xBD {
            self.canonical(from);
        }
        self.out.extend(ops);
    }

    /// Mostly inside of the first page.
    fn address(&mut self, depth: usize) {
        self.expr(I32, depth.min(1));
        if !self.random.one_in(30) {
            self.i32_const(0xFFF);
            self.op(I32_AND);
        }
        match self.random.below(4) {
            0 => {
                self.leaf(I32);
                self.i32_const(0xFF);
                self.op(I32_AND);
                self.op(I32_ADD);
            }
            1 | 2 => {
                // base + (index << distance)
                let exchanged = self.random.one_in(2);
                let base = self.hidden_local(I32);
                self.indexed(LOCAL_SET, base);
                if exchanged {
                    self.indexed(LOCAL_GET, base);
                }
                let index = self.hidden_local(I32);
                self.leaf(I32);
                self.i32_const(0xFF);
                self.op(I32_AND);
                self.indexed(LOCAL_TEE, index);
                let distance = self.random.pick(&[0, 1, 2, 3, 3, 4, 7, 8, 33]);
                self.i32_const(distance);
                self.op(I32_SHL);
                if !exchanged {
                    self.indexed(LOCAL_GET, base);
                }
                self.op(I32_ADD);
            }
            _ => (),
        }
    }

    fn memarg(&mut self) {
        let offset = self.random.pick(&[0, 0, 0, 4, 8, 100, 8191, 8192, 40000, 65535, 65536, 131_070, u32::MAX]);
        let offset = if offset > 40000 && !self.random.one_in(8) { 16 } else { offset };
        self.op(0);
        write_leb(offset, &mut self.out);
    }

    fn load(&mut self, of: u8, depth: usize) {
        self.address(depth);
        let op = match of {
            I32 => self.random.pick(&[0x28, 0x28, 0x2C, 0x2D, 0x2E, 0x2F]),
            I64 => self.random.pick(&[0x29, 0x30, 0x31, 0x32, 0x33, 0x34, 0x35]),
            F32 => 0x2A,
            _ => 0x2B,
        };
        self.op(op);
        self.memarg();
    }

    /// a * b + c, a * b - c or c - a * b
    fn inner_product(&mut self, of: u8, depth: usize) {
        let (add, multiply) = if of == F32 { (0x92, 0x94) } else { (0xA0, 0xA2) };
        let sum_first = self.random.one_in(2);
        if sum_first {
            self.expr(of, depth);
        }
        self.expr(of, depth);
        self.expr(of, depth);
        self.op(multiply);
        if !sum_first {
            self.expr(of, depth.min(1));
        }
        let subtract = self.random.below(2) as u8;
        self.op(add + subtract);
    }

    fn if_expr(&mut self, of: u8, depth: usize) {
        self.expr(I32, depth);
        self.out.extend([IF, of]);
        self.labels.push(false);
        self.expr(of, depth);
        self.op(ELSE);
        self.expr(of, depth);
        self.op(END);
        self.labels.pop();
    }

    fn block_expr(&mut self, of: u8, depth: usize) {
        self.out.extend([BLOCK, of]);
        self.labels.push(false);
        self.expr(of, depth);
        self.expr(I32, depth);
        self.indexed(BR_IF, 0);
        self.op(DROP);
        self.expr(of, depth);
        self.op(END);
        self.labels.pop();
    }

    fn call_expr(&mut self, of: u8, depth: usize) {
        let callees: Vec<usize> =
            (0..self.funcs.len()).filter(|&func| self.types[self.funcs[func]].results == [of]).collect();
        if callees.is_empty() {
            return self.leaf(of);
        }
        let callee = self.random.pick(&callees);
        self.args(self.funcs[callee], depth.min(1));
        self.indexed(CALL, callee as u32);
    }

    fn args(&mut self, of_type: usize, depth: usize) {
        for param in self.types[of_type].params.clone() {
            self.expr(param, depth);
        }
    }

    // ---- Statements -------------------------------------------------------------------------------------------------

    fn use_fuel(&mut self) {
        self.indexed(GLOBAL_GET, FUEL_GLOBAL);
        self.op(I32_EQZ);
        self.out.extend([IF, NO_RESULT, UNREACHABLE, END]);
        self.indexed(GLOBAL_GET, FUEL_GLOBAL);
        self.i32_const(1);
        self.op(I32_SUB);
        self.indexed(GLOBAL_SET, FUEL_GLOBAL);
    }

    fn statements(&mut self, count: u64) {
        for _ in 0..self.random.below(count) + 1 {
            if self.budget == 0 || self.labels.len() >= MAX_DEPTH {
                return;
            }
            self.budget -= 1;
            self.statement();
        }
    }

    fn statement(&mut self) {
        match self.random.below(24) {
            0..=4 => self.assign(),
            5 | 6 => self.step(),
            7..=9 => self.store(),
            10 => {
                let of = self.random.pick(&TYPES);
                self.expr(of, 2);
                self.canonical(of);
                self.indexed(GLOBAL_SET, u32::from(I32 - of));
            }
            11 | 12 => self.if_statement(),
            13..=15 => self.counted_loop(),
            16 => self.switch(),
            17 => self.branch(),
            18 | 19 => self.call_statement(),
            20 => self.indirect_call(),
            21 => self.leave(),
            22 => self.bulk(),
            _ => {
                let of = self.random.pick(&TYPES);
                self.expr(of, 3);
                self.op(DROP);
            }
        }
    }

    fn assign(&mut self) {
        let of = self.random.pick(&TYPES);
        let Some(local) = self.local(of) else { return };
        self.expr(of, 3);
        self.indexed(LOCAL_SET, local);
    }

    /// local += constant
    fn step(&mut self) {
        let of = self.random.pick(&[I32, I64]);
        let Some(local) = self.local(of) else { return };
        self.indexed(LOCAL_GET, local);
        self.constant(of);
        self.op(if of == I32 { I32_ADD } else { I64_ADD });
        self.indexed(LOCAL_SET, local);
    }

    fn store(&mut self) {
        let of = self.random.pick(&TYPES);
        self.address(1);
        self.expr(of, 2);
        self.canonical(of);
        let op = match of {
            I32 => self.random.pick(&[0x36, 0x36, 0x3A, 0x3B]),
            I64 => self.random.pick(&[0x37, 0x3C, 0x3D, 0x3E]),
            F32 => 0x38,
            _ => 0x39,
        };
        self.op(op);
        self.memarg();
    }

    fn if_statement(&mut self) {
        self.expr(I32, 2);
        self.out.extend([IF, NO_RESULT]);
        self.labels.push(true);
        self.statements(3);
        if self.random.one_in(2) {
            self.op(ELSE);
            self.statements(3);
        }
        self.op(END);
        self.labels.pop();
    }

    fn counted_loop(&mut self) {
        let counter = match (self.local(I32), self.random.one_in(3)) {
            (Some(local), true) => local,
            _ => self.hidden_local(I32),
        };
        let step = self.random.pick(&[-1, -1, 1, 1, 2, 4, -3, 40000]);
        let start = self.random.below(12) as i32;
        self.i32_const(start);
        self.indexed(LOCAL_SET, counter);
        self.out.extend([LOOP, NO_RESULT]);
        self.labels.push(true);
        self.use_fuel();
        self.statements(3);
        self.indexed(LOCAL_GET, counter);
        self.i32_const(step);
        self.op(I32_ADD);
        self.loop_condition(counter);
        self.indexed(BR_IF, 0);
        self.op(END);
        self.labels.pop();
    }

    /// With the counter's new value on the stack.
    fn loop_condition(&mut self, counter: u32) {
        let form = self.random.below(5);
        if form == 0 {
            self.indexed(LOCAL_TEE, counter);
            return;
        }
        if form == 1 {
            self.indexed(LOCAL_SET, counter);
            self.leaf(I32);
            self.indexed(LOCAL_GET, counter);
        } else if form == 2 {
            self.indexed(LOCAL_SET, counter);
            self.indexed(LOCAL_GET, counter);
            self.leaf(I32);
        } else {
            self.indexed(LOCAL_TEE, counter);
            let limit = self.random.pick(&[0, 1, 5, 20, -1, 32767, 32768, -32768, 65535]);
            self.i32_const(limit);
        }
        let op = 0x46 + self.random.below(10) as u8;
        self.op(op);
        if self.random.one_in(5) {
            self.op(I32_EQZ);
        }
    }

    fn switch(&mut self) {
        let arms = self.random.below(4) as u32 + 1;
        for _ in 0..arms {
            self.out.extend([BLOCK, NO_RESULT]);
            self.labels.push(true);
        }
        self.leaf(I32);
        if self.random.one_in(2) {
            self.i32_const(3);
            self.op(I32_AND);
        }
        self.indexed(BR_TABLE, arms);
        for _ in 0..=arms {
            let arm = self.random.below(u64::from(arms)) as u32;
            write_leb(arm, &mut self.out);
        }
        for _ in 0..arms {
            self.op(END);
            self.labels.pop();
            self.statements(2);
        }
    }

    fn branch(&mut self) {
        let depths: Vec<u32> =
            (0..self.labels.len() as u32).filter(|&i| self.labels[self.labels.len() - 1 - i as usize]).collect();
        if depths.is_empty() {
            return;
        }
        let depth = self.random.pick(&depths);
        if self.random.one_in(8) {
            return self.indexed(BR, depth);
        }
        self.expr(I32, 2);
        self.indexed(BR_IF, depth);
    }

    fn take_results(&mut self, of_type: usize) {
        for result in self.types[of_type].results.clone().into_iter().rev() {
            match (self.local(result), self.random.one_in(4)) {
                (Some(local), false) => self.indexed(LOCAL_SET, local),
                _ => self.op(DROP),
            }
        }
    }

    fn call_statement(&mut self) {
        let callee = self.random.below(self.funcs.len() as u64) as usize;
        self.args(self.funcs[callee], 2);
        self.indexed(CALL, callee as u32);
        self.take_results(self.funcs[callee]);
    }

    /// Element i of the table is function i modulo their number: mostly of the type that is expected.
    fn table_index(&mut self, of_type: usize) {
        let element = (0..self.funcs.len()).find(|&func| self.funcs[func] == of_type);
        match element {
            Some(element) if !self.random.one_in(10) => self.i32_const(element as i32),
            _ => self.leaf(I32),
        }
    }

    fn indirect_call(&mut self) {
        let of_type = self.random.below(self.types.len() as u64) as usize;
        self.args(of_type, 1);
        self.table_index(of_type);
        self.indexed(CALL_INDIRECT, of_type as u32);
        self.op(0);
        self.take_results(of_type);
    }

    /// On a condition, out of the function: by return or a tail call.
    fn leave(&mut self) {
        self.expr(I32, 2);
        self.out.extend([IF, NO_RESULT]);
        self.labels.push(false);
        let results = &self.types[self.own_type].results;
        let callees: Vec<usize> =
            (0..self.funcs.len()).filter(|&func| self.types[self.funcs[func]].results == *results).collect();
        let callee = self.random.pick(&callees);
        match self.random.below(3) {
            0 => {
                self.results();
                self.op(RETURN);
            }
            1 => {
                self.args(self.funcs[callee], 2);
                self.indexed(RETURN_CALL, callee as u32);
            }
            _ => {
                let of_type = self.funcs[callee];
                self.args(of_type, 2);
                self.table_index(of_type);
                self.indexed(RETURN_CALL_INDIRECT, of_type as u32);
                self.op(0);
            }
        }
        self.op(END);
        self.labels.pop();
    }

    fn bulk(&mut self) {
        if self.random.one_in(4) {
            self.i32_const(1);
            self.out.extend([MEMORY_GROW, 0, DROP]);
            return;
        }
        self.address(1);
        self.address(1);
        self.leaf(I32);
        self.i32_const(63);
        self.op(I32_AND);
        let ops: &[u8] = self.random.pick(&[&[BULK, 10, 0, 0], &[BULK, 11, 0]]);
        self.out.extend(ops);
    }

    fn results(&mut self) {
        for result in self.types[self.own_type].results.clone() {
            self.expr(result, 3);
            self.canonical(result);
        }
    }
}

fn body(random: &mut Random, types: &[FuncType], funcs: &[usize], own_type: usize) -> Vec<u8> {
    let mut locals = types[own_type].params.clone();
    let param_count = locals.len();
    locals.extend((0..random.below(6)).map(|_| random.pick(&TYPES)));
    locals.push(I32);
    let budget = random.pick(&[5, 20, 60]);
    let mut body = Body {
        random,
        types,
        funcs,
        own_type,
        out: Vec::new(),
        locals,
        hidden: vec![F32, F64],
        labels: Vec::new(),
        budget,
    };
    body.use_fuel();
    body.statements(12);
    body.results();
    body.op(END);
    let mut out = Vec::new();
    let declared: Vec<u8> = body.locals[param_count..].iter().chain(&body.hidden).copied().collect();
    write_leb(declared.len() as u32, &mut out);
    for local in declared {
        out.extend([1, local]);
    }
    out.extend(body.out);
    out
}

fn func_type(random: &mut Random) -> FuncType {
    let mut list = |most: u64| (0..random.below(most + 1)).map(|_| random.pick(&TYPES)).collect();
    FuncType { params: list(5), results: list(2) }
}

fn vector<T>(items: &[T], mut write: impl FnMut(&T, &mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    write_leb(items.len() as u32, &mut out);
    items.iter().for_each(|item| write(item, &mut out));
    out
}

fn exports(func_count: u32) -> Vec<u8> {
    let mut out = Vec::new();
    write_leb(func_count + 7, &mut out);
    for func in 0..func_count {
        write_export(format!("f{func}").as_bytes(), 0, func, &mut out);
    }
    write_export(b"table", 1, 0, &mut out);
    write_export(b"memory", 2, 0, &mut out);
    for global in 0..FUEL_GLOBAL {
        write_export(format!("g{global}").as_bytes(), 3, global, &mut out);
    }
    write_export(FUEL, 3, FUEL_GLOBAL, &mut out);
    out
}

pub fn generate(random: &mut Random) -> Vec<u8> {
    let types: Vec<FuncType> = (0..random.below(4) + 2).map(|_| func_type(random)).collect();
    let funcs: Vec<usize> = (0..random.below(6) + 2).map(|_| random.below(types.len() as u64) as usize).collect();
    let bodies: Vec<Vec<u8>> = funcs.iter().map(|&of_type| body(random, &types, &funcs, of_type)).collect();
    let elements: Vec<u32> = (0..TABLE_SIZE - 1).map(|i| i % funcs.len() as u32).collect();

    let mut out = b"\0asm\x01\0\0\0".to_vec();
    write_section(
        1,
        &vector(&types, |func_type, out| {
            out.push(0x60);
            write_sized(&func_type.params, out);
            write_sized(&func_type.results, out);
        }),
        &mut out,
    );
    write_section(3, &vector(&funcs, |&of_type, out| write_leb(of_type as u32, out)), &mut out);
    write_section(4, &[1, 0x70, 1, TABLE_SIZE as u8, TABLE_SIZE as u8], &mut out);
    write_section(5, &[1, 1, 1, 2], &mut out);
    let mut globals = vec![5, I32, 1, 0x41, 7, END, I64, 1, 0x42, 9, END, F32, 1, 0x43, 0, 0, 0, 0x40, END];
    globals.extend([F64, 1, 0x44, 0, 0, 0, 0, 0, 0, 0, 0x40, END, I32, 1, 0x41, 50, END]);
    write_section(6, &globals, &mut out);
    write_section(7, &exports(funcs.len() as u32), &mut out);
    let mut segments = vec![1, 0, 0x41, 0, END];
    segments.extend(vector(&elements, |&func, out| write_leb(func, out)));
    write_section(9, &segments, &mut out);
    write_section(10, &vector(&bodies, |body, out| write_sized(body, out)), &mut out);
    let contents: Vec<u8> = (0..512).flat_map(|_| random.next().to_le_bytes()).collect();
    let mut data = vec![1, 0, 0x41, 0, END];
    write_sized(&contents, &mut data);
    write_section(11, &data, &mut out);
    out
}
