// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Changes of finished modules where wasm-smith knows no option for it.
//!
//! Waits get a timeout of next to nothing, because no other thread will ever notify. There are variants: in one the bits
//! of NaNs do not show, because each instruction that may make one is followed by others that replace it by the
//! canonical one; wasm-smith can do that too, but leaves out conversions and relaxed SIMD. In another, relaxed
//! multiplication with addition is done by two instructions, which round twice.

use wasm_encoder::reencode::{Error, Reencode};
use wasm_encoder::{CodeSection, Function, Instruction, ValType};
use wasmparser::FunctionBody;

/// Bits of a variant.
pub const CANONICAL_NANS: u32 = 1;
pub const TWO_ROUNDINGS: u32 = 2;
pub const LEGACY_FORM: u32 = 4; // not this file's, see idioms/exceptions.rs

const NAN32: u32 = 0x7FC0_0000;
const NAN64: u64 = 0x7FF8_0000_0000_0000;

#[derive(Clone, Copy, PartialEq)]
enum Float {
    F32,
    F64,
    F32x4,
    F64x2,
}

/// What the instruction may make a NaN of.
fn float_made(instruction: &Instruction) -> Option<Float> {
    use Instruction::*;
    match instruction {
        F32Ceil | F32Floor | F32Trunc | F32Nearest | F32Sqrt | F32Add | F32Sub | F32Mul | F32Div | F32Min | F32Max
        | F32DemoteF64 => Some(Float::F32),
        F64Ceil | F64Floor | F64Trunc | F64Nearest | F64Sqrt | F64Add | F64Sub | F64Mul | F64Div | F64Min | F64Max
        | F64PromoteF32 => Some(Float::F64),
        F32x4Ceil | F32x4Floor | F32x4Trunc | F32x4Nearest | F32x4Sqrt | F32x4Add | F32x4Sub | F32x4Mul | F32x4Div
        | F32x4Min | F32x4Max | F32x4DemoteF64x2Zero | F32x4RelaxedMadd | F32x4RelaxedNmadd | F32x4RelaxedMin
        | F32x4RelaxedMax => Some(Float::F32x4),
        F64x2Ceil | F64x2Floor | F64x2Trunc | F64x2Nearest | F64x2Sqrt | F64x2Add | F64x2Sub | F64x2Mul | F64x2Div
        | F64x2Min | F64x2Max | F64x2PromoteLowF32x4 | F64x2RelaxedMadd | F64x2RelaxedNmadd | F64x2RelaxedMin
        | F64x2RelaxedMax => Some(Float::F64x2),
        _ => None,
    }
}

struct Patch {
    variant: u32,
    param_counts: Vec<u32>, // of the defined functions
    next: usize,            // of them
}

/// What relaxed multiplication with addition consists of: the lanes, multiplication, negation of the product, addition.
fn two_roundings(instruction: &Instruction) -> Option<(Float, Vec<Instruction<'static>>, Instruction<'static>)> {
    use Instruction::*;
    match instruction {
        F32x4RelaxedMadd => Some((Float::F32x4, vec![F32x4Mul], F32x4Add)),
        F32x4RelaxedNmadd => Some((Float::F32x4, vec![F32x4Mul, F32x4Neg], F32x4Add)),
        F64x2RelaxedMadd => Some((Float::F64x2, vec![F64x2Mul], F64x2Add)),
        F64x2RelaxedNmadd => Some((Float::F64x2, vec![F64x2Mul, F64x2Neg], F64x2Add)),
        _ => None,
    }
}

impl Patch {
    fn canonicalize(&self, of: Float, scratch: u32, out: &mut Function) {
        let vector32 = i128::from_le_bytes([NAN32.to_le_bytes(); 4].concat().try_into().unwrap());
        let vector64 = i128::from_le_bytes([NAN64.to_le_bytes(); 2].concat().try_into().unwrap());
        let (nan, equal, select) = match of {
            Float::F32 => {
                (Instruction::F32Const(f32::from_bits(NAN32).into()), Instruction::F32Eq, Instruction::Select)
            }
            Float::F64 => {
                (Instruction::F64Const(f64::from_bits(NAN64).into()), Instruction::F64Eq, Instruction::Select)
            }
            Float::F32x4 => (Instruction::V128Const(vector32), Instruction::F32x4Eq, Instruction::V128Bitselect),
            Float::F64x2 => (Instruction::V128Const(vector64), Instruction::F64x2Eq, Instruction::V128Bitselect),
        };
        for instruction in
            [Instruction::LocalTee(scratch), nan, Instruction::LocalGet(scratch), Instruction::LocalGet(scratch)]
        {
            out.instruction(&instruction);
        }
        out.instruction(&equal);
        out.instruction(&select);
    }
}

impl Reencode for Patch {
    type Error = core::convert::Infallible;

    fn parse_function_body(&mut self, code: &mut CodeSection, body: FunctionBody<'_>) -> Result<(), Error> {
        let mut locals = Vec::new();
        let mut local_count = self.param_counts[self.next];
        self.next += 1;
        for run in body.get_locals_reader()? {
            let (count, of) = run?;
            local_count += count;
            locals.push((count, self.val_type(of)?));
        }
        let scratch = [local_count, local_count + 1, local_count + 2, local_count + 2]; // as in Float
        if self.variant != 0 {
            locals.extend([(1, ValType::F32), (1, ValType::F64)]);
        }
        let mut instructions = Vec::new();
        let mut reader = body.get_operators_reader()?;
        while !reader.eof() {
            instructions.push(self.parse_instruction(&mut reader)?);
        }
        let is_vector = |of| of == Some(Float::F32x4) || of == Some(Float::F64x2);
        if self.variant != 0 && instructions.iter().any(|instruction| is_vector(float_made(instruction))) {
            locals.push((1, ValType::V128));
        }
        let mut out = Function::new(locals);
        for instruction in &instructions {
            if matches!(instruction, Instruction::MemoryAtomicWait32(_) | Instruction::MemoryAtomicWait64(_)) {
                out.instruction(&Instruction::Drop);
                out.instruction(&Instruction::I64Const(1000));
            }
            match two_roundings(instruction) {
                Some((of, multiply, add)) if self.variant & TWO_ROUNDINGS != 0 => {
                    out.instruction(&Instruction::LocalSet(scratch[of as usize]));
                    for instruction in &multiply {
                        out.instruction(instruction);
                    }
                    out.instruction(&Instruction::LocalGet(scratch[of as usize]));
                    out.instruction(&add);
                }
                _ => _ = out.instruction(instruction),
            }
            if let (Some(of), true) = (float_made(instruction), self.variant & CANONICAL_NANS != 0) {
                self.canonicalize(of, scratch[of as usize], &mut out);
            }
        }
        code.function(&out);
        Ok(())
    }
}

/// Of each defined function.
fn param_counts(module: &[u8]) -> Option<Vec<u32>> {
    use wasmparser::{CompositeInnerType, Payload};
    let (mut types, mut out) = (Vec::new(), Vec::new());
    for payload in wasmparser::Parser::new(0).parse_all(module) {
        match payload.ok()? {
            Payload::TypeSection(section) => {
                for group in section {
                    types.extend(group.ok()?.into_types().map(|of| match of.composite_type.inner {
                        CompositeInnerType::Func(func) => func.params().len() as u32,
                        _ => 0,
                    }));
                }
            }
            Payload::FunctionSection(section) => {
                for of_type in section {
                    out.push(types[of_type.ok()? as usize]);
                }
            }
            _ => (),
        }
    }
    Some(out)
}

pub fn patch(module: &[u8], variant: u32) -> Option<Vec<u8>> {
    let variant = variant & !LEGACY_FORM;
    let mut patch = Patch { variant, param_counts: param_counts(module)?, next: 0 };
    let mut out = wasm_encoder::Module::new();
    patch.parse_core_module(&mut out, wasmparser::Parser::new(0), module).ok()?;
    Some(out.finish())
}
