// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Modules out of what compilers emit: counted loops, arrays, inner products, chains of comparisons, calls through
//! tables. Instructions drawn one by one hardly ever stand next to each other in these ways, and it is just these
//! neighbours that a translator joins.
//!
//! The bits of NaNs never show: wherever they would (stores, globals, arguments, results, copysign, reinterpretation), a NaN is
//! replaced by the canonical one first.
//!
//! What a proposal adds has a file of its own: vectors, memories and atomics, references and objects, exceptions.

mod exceptions;
mod memory;
mod references;
mod vectors;

use crate::bytes::*;
use crate::proposals::*;
use crate::random::Random;
use memory::Memory;
use references::{write_type, ObjectTypes, Type};

const I32: Type = 0x7F;
const I64: Type = 0x7E;
const F32: Type = 0x7D;
const F64: Type = 0x7C;
const V128: Type = 0x7B;
const NUMBERS: [Type; 4] = [I32, I64, F32, F64];
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
const I64_EXTEND_I32_U: u8 = 0xAD;
const I64_XOR: u8 = 0x85;
const BULK: u8 = 0xFC;

const TABLE_SIZE: u32 = 8;
const MAX_DEPTH: usize = 12;

#[derive(Clone)]
struct FuncType {
    params: Vec<Type>,
    results: Vec<Type>,
}

/// What the bodies have around them.
struct Plan {
    proposals: Proposals,
    values: Vec<Type>, // the types of locals, parameters and results
    types: Vec<FuncType>,
    funcs: Vec<usize>,  // the type of each
    imported: usize,    // how many of them
    globals: Vec<Type>, // one of a type; the last is the fuel
    tags: Vec<usize>,   // the type of each
    memories: Vec<Memory>,
    is_table_64: bool,
    objects: Option<ObjectTypes>,
    is_legacy: bool, // exceptions are written in their legacy form, where the module may have that
}

struct Body<'a> {
    random: &'a mut Random,
    plan: &'a Plan,
    own_type: usize,
    out: Vec<u8>,
    locals: Vec<Type>, // parameters first; only these are drawn
    hidden: Vec<Type>, // after them: temporaries of NaNs, counters and indices, which only what declares them uses
    labels: Vec<bool>, // whether a branch to it takes no value; innermost last
    handlers: usize,   // how many of the labels are there for exceptions only, which depends on their form
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

    fn value_type(&mut self) -> Type {
        self.random.pick(&self.plan.values)
    }

    fn number_type(&mut self) -> Type {
        self.random.pick(&NUMBERS)
    }

    fn global(&self, of: Type) -> Option<u32> {
        let globals = &self.plan.globals[..self.plan.globals.len() - 1];
        globals.iter().position(|&global| global == of).map(|index| index as u32)
    }

    fn constant(&mut self, of: Type) {
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
    fn local(&mut self, of: Type) -> Option<u32> {
        let all: Vec<u32> = (0..self.locals.len() as u32).filter(|&i| self.locals[i as usize] == of).collect();
        (!all.is_empty()).then(|| self.random.pick(&all))
    }

    fn hidden_local(&mut self, of: Type) -> u32 {
        self.hidden.push(of);
        (self.locals.len() + self.hidden.len() - 1) as u32
    }

    /// Makes a NaN on the stack the canonical one.
    fn canonical(&mut self, of: Type) {
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

    fn leaf(&mut self, of: Type) {
        if references::is_reference(of) {
            return self.reference(of, 0);
        }
        if let (Some(local), true) = (self.local(of), !self.random.one_in(4)) {
            self.indexed(LOCAL_GET, local);
        } else if let (Some(global), true) = (self.global(of), self.random.one_in(4)) {
            self.indexed(GLOBAL_GET, global);
        } else if of == V128 {
            self.vector_constant();
        } else {
            self.constant(of);
        }
    }

    fn expr(&mut self, of: Type, depth: usize) {
        if references::is_reference(of) {
            return self.reference(of, depth);
        }
        if depth == 0 || self.random.one_in(5) {
            return self.leaf(of);
        }
        let depth = depth - 1;
        if of == V128 && !self.random.one_in(6) {
            return self.vector(depth);
        }
        if self.plan.objects.is_some() && self.random.one_in(8) {
            return self.field_expr(of, depth);
        }
        if of != V128 && self.plan.proposals.has(SIMD) && self.random.one_in(8) {
            return self.lane(of, depth);
        }
        match self.random.below(22) {
            _ if of == V128 => match self.random.below(3) {
                0 => self.if_expr(of, depth),
                1 => self.block_expr(of, depth),
                _ => self.call_expr(of, depth),
            },
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
            18 if of == I32 => self.memory_size(),
            18 if of == I64 && self.plan.proposals.has(WIDE_ARITHMETIC) => self.wide(depth),
            18 if of == F32 || of == F64 => self.inner_product(of, depth),
            19 => self.call_expr(of, depth),
            20 if of <= I32 && of >= I64 && self.plan.proposals.has(THREADS) => self.atomic_expr(of, depth),
            20 if of == I32 && self.plan.proposals.has(FUNCTION_REFERENCES) => self.reference_test(depth),
            _ if of == I32 => self.compare(depth),
            _ => self.binary(of, depth),
        }
    }

    fn binary(&mut self, of: Type, depth: usize) {
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

    fn unary(&mut self, of: Type, depth: usize) {
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
        let of = self.number_type();
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

    fn convert(&mut self, to: Type, depth: usize) {
        let choices: &[(Type, &[u8])] = match to {
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

    /// a * b + c, a * b - c or c - a * b
    fn inner_product(&mut self, of: Type, depth: usize) {
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

    fn if_expr(&mut self, of: Type, depth: usize) {
        self.expr(I32, depth);
        self.op(IF);
        write_type(of, &mut self.out);
        self.labels.push(false);
        self.expr(of, depth);
        self.op(ELSE);
        self.expr(of, depth);
        self.op(END);
        self.labels.pop();
    }

    fn block_expr(&mut self, of: Type, depth: usize) {
        self.op(BLOCK);
        write_type(of, &mut self.out);
        self.labels.push(false);
        self.expr(of, depth);
        self.expr(I32, depth);
        self.indexed(BR_IF, 0);
        self.op(DROP);
        self.expr(of, depth);
        self.op(END);
        self.labels.pop();
    }

    fn call_expr(&mut self, of: Type, depth: usize) {
        let callees: Vec<usize> =
            (0..self.plan.funcs.len()).filter(|&func| self.func_type(func).results == [of]).collect();
        if callees.is_empty() {
            return self.leaf(of);
        }
        let callee = self.random.pick(&callees);
        self.args(self.plan.funcs[callee], depth.min(1));
        self.indexed(CALL, callee as u32);
    }

    /// A callee that is imported sees them.
    fn args(&mut self, of_type: usize, depth: usize) {
        for &param in &self.plan.types[of_type].params {
            self.expr(param, depth);
            self.canonical(param);
        }
    }

    // ---- Statements -------------------------------------------------------------------------------------------------

    fn use_fuel(&mut self) {
        let fuel = self.plan.globals.len() as u32 - 1;
        self.indexed(GLOBAL_GET, fuel);
        self.op(I32_EQZ);
        self.out.extend([IF, NO_RESULT, UNREACHABLE, END]);
        self.indexed(GLOBAL_GET, fuel);
        self.i32_const(1);
        self.op(I32_SUB);
        self.indexed(GLOBAL_SET, fuel);
    }

    fn statements(&mut self, count: u64) {
        for _ in 0..self.random.below(count) + 1 {
            if self.budget == 0 || self.labels.len() - self.handlers >= MAX_DEPTH {
                return;
            }
            self.budget -= 1;
            self.statement();
        }
    }

    fn statement(&mut self) {
        if self.random.one_in(3) && self.proposal_statement() {
            return;
        }
        match self.random.below(24) {
            0..=4 => self.assign(),
            5 | 6 => self.step(),
            7..=9 => self.store(),
            10 => {
                let of = self.value_type();
                let Some(global) = self.global(of) else { return };
                self.expr(of, 2);
                self.canonical(of);
                self.indexed(GLOBAL_SET, global);
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
                let of = self.value_type();
                self.expr(of, 3);
                self.op(DROP);
            }
        }
    }

    /// One that a proposal brings; false when there is none.
    fn proposal_statement(&mut self) -> bool {
        let proposals = self.plan.proposals;
        match self.random.below(5) {
            0 if proposals.has(GC) => self.object_statement(),
            1 if proposals.has(EXCEPTIONS) => self.exception_statement(),
            2 if proposals.has(FUNCTION_REFERENCES) => self.reference_statement(),
            3 if proposals.has(THREADS) => self.atomic_statement(),
            4 if proposals.has(SIMD) => self.vector_statement(),
            _ => return false,
        }
        true
    }

    fn assign(&mut self) {
        let of = self.value_type();
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

    fn func_type(&self, func: usize) -> &FuncType {
        &self.plan.types[self.plan.funcs[func]]
    }

    /// From the stack, into locals where there are some.
    fn take(&mut self, types: &[Type]) {
        for &result in types.iter().rev() {
            match (self.local(result), self.random.one_in(4)) {
                (Some(local), false) => self.indexed(LOCAL_SET, local),
                _ => self.op(DROP),
            }
        }
    }

    fn call_statement(&mut self) {
        let callee = self.random.below(self.plan.funcs.len() as u64) as usize;
        self.args(self.plan.funcs[callee], 2);
        self.indexed(CALL, callee as u32);
        self.take(&self.plan.types[self.plan.funcs[callee]].results);
    }

    /// Element i of the table is function i modulo their number: mostly of the type that is expected.
    fn table_index(&mut self, of_type: usize) {
        let element = (0..self.plan.funcs.len()).find(|&func| self.plan.funcs[func] == of_type);
        match element {
            Some(element) if !self.random.one_in(10) => self.i32_const(element as i32),
            _ => self.leaf(I32),
        }
        if self.plan.is_table_64 {
            self.op(I64_EXTEND_I32_U);
        }
    }

    fn indirect_call(&mut self) {
        let of_type = self.random.below(self.plan.types.len() as u64) as usize;
        self.args(of_type, 1);
        self.table_index(of_type);
        self.indexed(CALL_INDIRECT, self.plan.type_index(of_type) as u32);
        self.op(0);
        self.take(&self.plan.types[of_type].results);
    }

    /// On a condition, out of the function: by return or a tail call.
    fn leave(&mut self) {
        self.expr(I32, 2);
        self.out.extend([IF, NO_RESULT]);
        self.labels.push(false);
        let results = &self.plan.types[self.own_type].results;
        let callees: Vec<usize> =
            (0..self.plan.funcs.len()).filter(|&func| self.func_type(func).results == *results).collect();
        let callee = self.random.pick(&callees);
        match self.random.below(4) {
            0 => {
                self.results();
                self.op(RETURN);
            }
            1 => {
                self.args(self.plan.funcs[callee], 2);
                self.indexed(RETURN_CALL, callee as u32);
            }
            2 if self.plan.proposals.has(FUNCTION_REFERENCES) => self.tail_call_reference(callee),
            _ => {
                let of_type = self.plan.funcs[callee];
                self.args(of_type, 2);
                self.table_index(of_type);
                self.indexed(RETURN_CALL_INDIRECT, self.plan.type_index(of_type) as u32);
                self.op(0);
            }
        }
        self.op(END);
        self.labels.pop();
    }

    fn results(&mut self) {
        for &result in &self.plan.types[self.own_type].results {
            self.expr(result, 3);
            self.canonical(result);
        }
    }
}

fn body(random: &mut Random, plan: &Plan, own_type: usize) -> Vec<u8> {
    let mut locals = plan.types[own_type].params.clone();
    let param_count = locals.len();
    locals.extend((0..random.below(6)).map(|_| random.pick(&plan.values)).filter(|&of| references::can_be_local(of)));
    locals.push(I32);
    let budget = random.pick(&[5, 20, 60]);
    let hidden = if plan.proposals.has(SIMD) { vec![F32, F64, V128] } else { vec![F32, F64] };
    let mut body =
        Body { random, plan, own_type, out: Vec::new(), locals, hidden, labels: Vec::new(), handlers: 0, budget };
    body.use_fuel();
    body.fill_references(param_count);
    body.statements(12);
    body.results();
    body.op(END);
    let mut out = Vec::new();
    let declared: Vec<Type> = body.locals[param_count..].iter().chain(&body.hidden).copied().collect();
    write_leb(declared.len() as u32, &mut out);
    for local in declared {
        out.push(1);
        write_type(local, &mut out);
    }
    out.extend(body.out);
    out
}

fn vector<T>(items: &[T], mut write: impl FnMut(&T, &mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    write_leb(items.len() as u32, &mut out);
    items.iter().for_each(|item| write(item, &mut out));
    out
}

fn write_func_type(of: &FuncType, out: &mut Vec<u8>) {
    out.push(0x60);
    for list in [&of.params, &of.results] {
        out.extend(vector(list, |&item, out| write_type(item, out)));
    }
}

fn plan(random: &mut Random, proposals: Proposals, is_legacy: bool) -> Plan {
    let mut plan = Plan {
        proposals,
        values: NUMBERS.to_vec(),
        types: (0..random.below(4) + 2).map(|_| FuncType { params: Vec::new(), results: Vec::new() }).collect(),
        funcs: Vec::new(),
        imported: 0,
        globals: NUMBERS.to_vec(),
        tags: Vec::new(),
        memories: memory::draw(random, proposals),
        is_table_64: proposals.has(MEMORY64) && random.one_in(2),
        objects: ObjectTypes::draw(random, proposals),
        is_legacy: is_legacy && proposals.has(LEGACY_EXCEPTIONS),
    };
    if proposals.has(SIMD) {
        plan.values.extend([V128, V128]);
    }
    plan.values.extend(references::value_types(random, &plan));
    for of in &mut plan.types {
        let mut list = |most: u64| (0..random.below(most + 1)).map(|_| random.pick(&plan.values)).collect();
        *of = FuncType { params: list(5), results: list(2) };
    }
    plan.funcs = (0..random.below(6) + 2).map(|_| random.below(plan.types.len() as u64) as usize).collect();
    for &of in &plan.values {
        if !plan.globals.contains(&of) && references::can_be_local(of) {
            plan.globals.push(of);
        }
    }
    plan.globals.push(I32);
    exceptions::tags(random, &mut plan);
    references::only_earlier_types(&mut plan);
    let can_be_imported = |&of_type: &usize| references::names_no_type(&plan.types[of_type]);
    let all_but_last = &plan.funcs[..plan.funcs.len() - 1];
    let imported = all_but_last.iter().take_while(|of_type| can_be_imported(of_type)).count();
    plan.imported = random.pick(&[0, 0, 1, 2, 3]).min(imported);
    exceptions::add_block_types(&mut plan);
    plan
}

fn exports(plan: &Plan) -> Vec<u8> {
    let mut out = Vec::new();
    let counts = [plan.funcs.len(), 1, plan.memories.len(), plan.globals.len(), plan.tags.len()];
    write_leb(counts.iter().sum::<usize>() as u32, &mut out);
    for (kind, name) in [(0, "f"), (1, "table"), (2, "m"), (4, "tag"), (3, "g")] {
        for index in 0..counts[kind] {
            let name = format!("{name}{index}");
            let is_fuel = kind == 3 && index + 1 == plan.globals.len();
            write_export(if is_fuel { FUEL } else { name.as_bytes() }, kind as u8, index as u32, &mut out);
        }
    }
    out
}

fn write_global(of: Type, out: &mut Vec<u8>) {
    write_type(of, out);
    out.push(1);
    match of {
        I32 => out.extend([0x41, 50]),
        I64 => out.extend([0x42, 9]),
        F32 => out.extend([0x43, 0, 0, 0, 0x40]),
        F64 => out.extend([0x44, 0, 0, 0, 0, 0, 0, 0, 0x40]),
        V128 => {
            out.extend([0xFD, 12]);
            out.extend(0u8..16);
        }
        _ => references::write_null(of, out),
    }
    out.push(END);
}

pub fn generate(random: &mut Random, proposals: Proposals, is_legacy: bool) -> Vec<u8> {
    let plan = plan(random, proposals, is_legacy);
    let defined = &plan.funcs[plan.imported..];
    let bodies: Vec<Vec<u8>> = defined.iter().map(|&of_type| body(random, &plan, of_type)).collect();
    let elements: Vec<u32> = (0..TABLE_SIZE - 1).map(|i| i % plan.funcs.len() as u32).collect();

    let mut out = b"\0asm\x01\0\0\0".to_vec();
    let mut types = Vec::new();
    write_leb((plan.types.len() + plan.objects.as_ref().map_or(0, ObjectTypes::groups)) as u32, &mut types);
    if let Some(objects) = &plan.objects {
        objects.write(&mut types);
    }
    plan.types.iter().for_each(|of| write_func_type(of, &mut types));
    write_section(1, &types, &mut out);
    if plan.imported != 0 {
        let imports = vector(&plan.funcs[..plan.imported], |&of_type, out| {
            out.extend(b"\x03env\x01f\0");
            write_leb(plan.type_index(of_type) as u32, out);
        });
        write_section(2, &imports, &mut out);
    }
    write_section(3, &vector(defined, |&of_type, out| write_leb(plan.type_index(of_type) as u32, out)), &mut out);
    write_section(4, &[1, 0x70, 1 | u8::from(plan.is_table_64) << 2, TABLE_SIZE as u8, TABLE_SIZE as u8], &mut out);
    write_section(5, &vector(&plan.memories, |memory, out| memory.write(out)), &mut out);
    if !plan.tags.is_empty() {
        let tags = vector(&plan.tags, |&of_type, out| {
            out.push(0);
            write_leb(plan.type_index(of_type) as u32, out);
        });
        write_section(13, &tags, &mut out);
    }
    write_section(6, &vector(&plan.globals, |&of, out| write_global(of, out)), &mut out);
    write_section(7, &exports(&plan), &mut out);
    let mut segments = vec![1, 0, if plan.is_table_64 { 0x42 } else { 0x41 }, 0, END];
    segments.extend(vector(&elements, |&func, out| write_leb(func, out)));
    write_section(9, &segments, &mut out);
    write_section(12, &[memory::SEGMENTS as u8], &mut out);
    write_section(10, &vector(&bodies, |body, out| write_sized(body, out)), &mut out);
    write_section(11, &memory::segments(random, &plan.memories[0]), &mut out);
    out
}
