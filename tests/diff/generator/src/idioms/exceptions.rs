// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Exceptions as C++ and Kotlin use them: calls in a `try_table` whose handlers take the arguments, keep the exception,
//! throw it again or go on.
//!
//! A module that may have the legacy form is made in both, by the same draws, so that an implementation of the one can be
//! compared with one of the other. It keeps to what both can say: references to exceptions go no further than from a
//! handler to the instruction that throws again, and whatever catches all comes last.

use super::*;
use references::EXN;

const THROW: u8 = 0x08;
const THROW_REF: u8 = 0x0A;
const TRY_TABLE: u8 = 0x1F;
const LEGACY_TRY: u8 = 0x06;
const LEGACY_CATCH: u8 = 0x07;
const LEGACY_CATCH_ALL: u8 = 0x19;
const LEGACY_RETHROW: u8 = 0x09;

/// Tags, whose types are added to the others.
pub fn tags(random: &mut Random, plan: &mut Plan) {
    if !plan.proposals.has(EXCEPTIONS) {
        return;
    }
    for _ in 0..random.below(3) + 1 {
        plan.tags.push(plan.types.len());
        let params = (0..random.below(4)).map(|_| random.pick(&plan.values)).collect();
        plan.types.push(FuncType { params, results: Vec::new() });
    }
}

/// For blocks with what a tag's handler gets: its arguments, and the exception after them.
pub fn add_block_types(plan: &mut Plan) {
    for tag in plan.tags.clone() {
        let arguments = plan.types[tag].params.clone();
        let with_exception = [&arguments[..], &[references::non_null(EXN)]].concat();
        for results in [arguments, with_exception] {
            if results.len() > 1 {
                plan.types.push(FuncType { params: Vec::new(), results });
            }
        }
    }
}

impl Plan {
    fn block_type(&self, results: &[Type]) -> usize {
        let fits = |of: &FuncType| of.params.is_empty() && of.results == results;
        self.type_index(self.types.iter().position(fits).unwrap())
    }
}

/// The tag, or None for all; and whether the handler gets the exception itself.
type Catch = (Option<usize>, bool);

impl Body<'_> {
    fn tag(&mut self) -> usize {
        self.random.below(self.plan.tags.len() as u64) as usize
    }

    pub fn exception_statement(&mut self) {
        match self.random.below(4) {
            0 => self.throw_if(),
            _ => self.try_statement(),
        }
    }

    fn throw(&mut self) {
        let kept = self.local(EXN);
        if let (Some(local), true) = (kept, self.random.one_in(3)) {
            self.indexed(LOCAL_GET, local);
            return self.op(THROW_REF);
        }
        let tag = self.tag();
        let plan = self.plan;
        for &param in &plan.types[plan.tags[tag]].params {
            self.expr(param, 1);
            self.canonical(param);
        }
        self.indexed(THROW, tag as u32);
    }

    fn catches(&mut self) -> Vec<Catch> {
        let mut out: Vec<Catch> = (0..self.random.below(3) + 1)
            .map(|_| {
                let tag = self.tag();
                let tag = if self.random.one_in(3) { None } else { Some(tag) };
                (tag, self.random.one_in(2))
            })
            .collect();
        if self.plan.proposals.has(LEGACY_EXCEPTIONS) {
            let all = out.iter().copied().find(|catch| catch.0.is_none());
            out.retain(|catch| catch.0.is_some());
            out.extend(all);
        }
        out
    }

    /// What a handler finds on the stack.
    fn caught(&self, catch: Catch) -> Vec<Type> {
        let tag_type = catch.0.map(|tag| &self.plan.types[self.plan.tags[tag]]);
        let mut out = tag_type.map_or(Vec::new(), |of| of.params.clone());
        if catch.1 {
            out.push(references::non_null(EXN));
        }
        out
    }

    fn tried(&mut self) {
        self.labels.push(true);
        self.statements(3);
        if self.random.one_in(2) {
            self.exception_statement_in();
        }
        self.labels.pop();
    }

    fn try_statement(&mut self) {
        let catches = self.catches();
        self.out.extend([BLOCK, NO_RESULT]);
        self.labels.push(true);
        if self.plan.is_legacy {
            self.legacy_try(&catches);
        } else {
            self.try_table(&catches);
        }
        self.op(END);
        self.labels.pop();
    }

    fn legacy_try(&mut self, catches: &[Catch]) {
        self.out.extend([LEGACY_TRY, NO_RESULT]);
        self.tried();
        self.labels.push(false);
        self.handlers += 1;
        for &catch in catches {
            match catch.0 {
                Some(tag) => self.indexed(LEGACY_CATCH, tag as u32),
                None => self.op(LEGACY_CATCH_ALL),
            }
            self.handle(catch);
            self.indexed(BR, 1);
        }
        self.op(END);
        self.labels.pop();
        self.handlers -= 1;
    }

    /// A block for each handler, around a try_table that goes out of all of them when it is done.
    fn try_table(&mut self, catches: &[Catch]) {
        for &catch in catches.iter().rev() {
            self.op(BLOCK);
            let caught = self.caught(catch);
            match caught[..] {
                [] => self.op(NO_RESULT),
                [one] => write_type(one, &mut self.out),
                _ => {
                    let index = self.plan.block_type(&caught);
                    write_signed_leb(index as i64, &mut self.out);
                }
            }
            self.labels.push(false);
        }
        self.handlers += catches.len();
        self.out.extend([TRY_TABLE, NO_RESULT]);
        write_leb(catches.len() as u32, &mut self.out);
        for (label, &(tag, is_ref)) in catches.iter().enumerate() {
            self.op(if tag.is_some() { 0 } else { 2 } + u8::from(is_ref));
            if let Some(tag) = tag {
                write_leb(tag as u32, &mut self.out);
            }
            write_leb(label as u32, &mut self.out);
        }
        self.tried();
        self.op(END);
        self.indexed(BR, catches.len() as u32);
        for (position, &catch) in catches.iter().enumerate() {
            self.op(END);
            self.labels.pop();
            self.handlers -= 1;
            self.handle(catch);
            let out = catches.len() - 1 - position;
            self.indexed(BR, out as u32);
        }
    }

    /// A throw that is likely to be caught here.
    fn exception_statement_in(&mut self) {
        if self.random.one_in(2) {
            return self.throw_if();
        }
        let callee = self.random.below(self.plan.funcs.len() as u64) as usize;
        self.args(self.plan.funcs[callee], 1);
        self.indexed(CALL, callee as u32);
        self.take(&self.plan.types[self.plan.funcs[callee]].results);
    }

    /// if (condition) throw
    fn throw_if(&mut self) {
        self.expr(I32, 1);
        self.out.extend([IF, NO_RESULT]);
        self.labels.push(false);
        self.throw();
        self.op(END);
        self.labels.pop();
    }

    fn handle(&mut self, catch: Catch) {
        let caught = self.caught(catch);
        let arguments = &caught[..caught.len() - usize::from(catch.1)];
        if catch.1 && (self.plan.proposals.has(LEGACY_EXCEPTIONS) || self.random.one_in(4)) {
            self.throw_again(arguments);
        } else {
            self.take(&caught);
        }
        self.statements(2);
    }

    /// If a condition holds.
    fn throw_again(&mut self, arguments: &[Type]) {
        let kept = self.hidden_local(EXN);
        if !self.plan.is_legacy {
            self.indexed(LOCAL_SET, kept);
        }
        self.take(arguments);
        self.leaf(I32);
        self.out.extend([IF, NO_RESULT]);
        if self.plan.is_legacy {
            self.indexed(LEGACY_RETHROW, 1);
        } else {
            self.indexed(LOCAL_GET, kept);
            self.op(THROW_REF);
        }
        self.op(END);
    }
}
