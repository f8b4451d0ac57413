// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Exceptions as C++ and Kotlin use them: calls in a `try_table` whose handlers take the arguments, keep the exception,
//! throw it again or go on.

use super::*;
use references::EXN;

const THROW: u8 = 0x08;
const THROW_REF: u8 = 0x0A;
const TRY_TABLE: u8 = 0x1F;

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
        (0..self.random.below(3) + 1)
            .map(|_| {
                let tag = self.tag();
                let tag = if self.random.one_in(3) { None } else { Some(tag) };
                (tag, self.random.one_in(2))
            })
            .collect()
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

    /// A block for each handler, around a try_table that goes out of all of them when it is done.
    fn try_statement(&mut self) {
        let catches = self.catches();
        self.out.extend([BLOCK, NO_RESULT]);
        self.labels.push(true);
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
        self.out.extend([TRY_TABLE, NO_RESULT]);
        write_leb(catches.len() as u32, &mut self.out);
        for (label, &(tag, is_ref)) in catches.iter().enumerate() {
            self.op(if tag.is_some() { 0 } else { 2 } + u8::from(is_ref));
            if let Some(tag) = tag {
                write_leb(tag as u32, &mut self.out);
            }
            write_leb(label as u32, &mut self.out);
        }
        self.labels.push(true);
        self.statements(3);
        if self.random.one_in(2) {
            self.exception_statement_in();
        }
        self.op(END);
        self.labels.pop();
        self.indexed(BR, catches.len() as u32);
        for (position, &catch) in catches.iter().enumerate() {
            self.op(END);
            self.labels.pop();
            self.handle(catch);
            let out = catches.len() - 1 - position;
            self.indexed(BR, out as u32);
        }
        self.op(END);
        self.labels.pop();
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
        if catch.1 && self.random.one_in(4) {
            // Thrown again, unless a condition holds.
            let kept = self.hidden_local(EXN);
            self.indexed(LOCAL_SET, kept);
            self.take(&caught[..caught.len() - 1]);
            self.leaf(I32);
            self.out.extend([IF, NO_RESULT]);
            self.indexed(LOCAL_GET, kept);
            self.out.extend([THROW_REF, END]);
        } else {
            self.take(&caught);
        }
        self.statements(2);
    }
}
