// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Modules of wasm-smith: every instruction and every section in every combination, drawn one by one.

use crate::bytes::*;
use crate::patch::{patch, LEGACY_FORM};
use crate::proposals::*;
use crate::random::Random;
use arbitrary::Unstructured;
use wasm_smith::{Config, InstructionKind, InstructionKinds, MemoryOffsetChoices, Module};

const EXPORT_SECTION: u8 = 7;
const GLOBAL_KIND: u8 = 3;
const TAG_KIND: u8 = 4;

/// Mostly all instructions; sometimes few, so that those of a proposal come in numbers.
fn instructions(random: &mut Random, proposals: Proposals) -> InstructionKinds {
    let (numeric, vector) = random.pick(&[
        (InstructionKind::Numeric, InstructionKind::Vector),
        (InstructionKind::NumericInt, InstructionKind::VectorInt),
    ]);
    let mut kinds = vec![numeric, InstructionKind::Variable, InstructionKind::Parametric];
    let mut subjects = Vec::new();
    if proposals.has(SIMD) {
        subjects.push(vec![vector, InstructionKind::Memory]);
    }
    if proposals.has(FUNCTION_REFERENCES) {
        subjects.push(vec![InstructionKind::Reference, InstructionKind::Control, InstructionKind::Table]);
    }
    if proposals.has(GC) {
        subjects.push(vec![InstructionKind::Reference, InstructionKind::Aggregate]);
        subjects.push(vec![InstructionKind::Reference, InstructionKind::Aggregate, InstructionKind::Control]);
    }
    if proposals.has(EXCEPTIONS) {
        subjects.push(vec![InstructionKind::Control]);
    }
    if proposals.0 & (MULTI_MEMORY | MEMORY64 | THREADS | CUSTOM_PAGE_SIZES) != 0 {
        subjects.push(vec![InstructionKind::Memory]);
    }
    if subjects.is_empty() || random.one_in(2) {
        return InstructionKinds::all();
    }
    kinds.extend(&subjects[random.below(subjects.len() as u64) as usize]);
    InstructionKinds::new(&kinds)
}

fn config(random: &mut Random, proposals: Proposals) -> Config {
    let page = 65536;
    let memory_bytes = random.pick(&[0, 1, 3, 8]) * page;
    let max_memories = if proposals.has(MULTI_MEMORY) { 4 } else { 1 };
    let (inside, grown, outside) = random.pick(&[(90, 9, 1), (98, 1, 1), (10, 40, 50)]);
    let offsets = MemoryOffsetChoices(inside, grown, outside);
    Config {
        max_imports: random.pick(&[0, 0, 6]),
        min_funcs: random.pick(&[1, 3, 8]),
        max_funcs: 20,
        min_types: random.pick(&[1, 3]),
        max_types: random.pick(&[3, 20]),
        min_globals: random.pick(&[0, 4]),
        max_globals: 10,
        max_instructions: random.pick(&[20, 100, 400]),
        max_nesting_depth: random.pick(&[3, 10, 60]),
        max_data_segments: 5,
        min_element_segments: random.pick(&[0, 3]),
        max_element_segments: 5,
        max_elements: 10,
        max_exports: 0,
        export_everything: true,
        min_memories: random.pick(&[0, 1, 1]).max(random.below(max_memories) as u32),
        max_memories: max_memories as usize,
        max_memory32_bytes: memory_bytes,
        max_memory64_bytes: memory_bytes.into(),
        memory_max_size_required: true,
        memory_offset_choices: offsets,
        min_tables: random.pick(&[0, 1]),
        max_tables: 3,
        min_tags: if proposals.has(EXCEPTIONS) { random.pick(&[0, 1, 3]) } else { 0 },
        max_tags: if proposals.has(EXCEPTIONS) { 4 } else { 0 },
        max_table_elements: random.pick(&[4, 12, 100]),
        table_max_size_required: true,
        min_uleb_size: random.pick(&[1, 1, 1, 5]),
        generate_custom_sections: random.one_in(8),
        disallow_traps: random.one_in(2),
        allowed_instructions: instructions(random, proposals),
        max_type_size: 200,
        allow_floats: !random.one_in(4),
        bulk_memory_enabled: true,
        reference_types_enabled: true,
        multi_value_enabled: true,
        saturating_float_to_int_enabled: true,
        sign_extension_ops_enabled: true,
        tail_call_enabled: true,
        extended_const_enabled: true,
        simd_enabled: proposals.has(SIMD),
        relaxed_simd_enabled: proposals.has(RELAXED_SIMD),
        exceptions_enabled: proposals.has(EXCEPTIONS),
        gc_enabled: proposals.has(GC),
        threads_enabled: proposals.has(THREADS),
        memory64_enabled: proposals.has(MEMORY64),
        wide_arithmetic_enabled: proposals.has(WIDE_ARITHMETIC),
        custom_page_sizes_enabled: proposals.has(CUSTOM_PAGE_SIZES),
        limit_arrays_in_const_exprs: true,
        compact_imports_enabled: false,
        ..Config::default()
    }
}

/// Imported ones, too.
fn tag_count(module: &[u8]) -> Option<u32> {
    use wasmparser::{Payload, TypeRef};
    let mut count = 0;
    for payload in wasmparser::Parser::new(0).parse_all(module) {
        match payload.ok()? {
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    count += u32::from(matches!(import.ok()?.ty, TypeRef::Tag(_)));
                }
            }
            Payload::TagSection(section) => count += section.count(),
            _ => (),
        }
    }
    Some(count)
}

/// The module with more exports: the tags, which wasm-smith does not count to everything, and global `index`.
fn with_exports(module: &[u8], index: u32) -> Option<Vec<u8>> {
    let mut entries = Vec::new();
    let tag_count = tag_count(module)?;
    for tag in 0..tag_count {
        write_export(format!("the tag {tag}").as_bytes(), TAG_KIND, tag, &mut entries);
    }
    write_export(FUEL, GLOBAL_KIND, index, &mut entries);

    let mut out = module[..8].to_vec();
    let push_exports = |out: &mut Vec<u8>, count: u32, others: &[u8]| {
        let mut contents = Vec::new();
        write_leb(count + tag_count + 1, &mut contents);
        contents.extend(others);
        contents.extend(&entries);
        write_section(EXPORT_SECTION, &contents, out);
    };
    let (mut at, mut is_done) = (8, false);
    while at < module.len() {
        let (start, id) = (at, module[at]);
        at += 1;
        let len = read_leb(module, &mut at) as usize;
        let end = at + len;
        if !is_done && id == EXPORT_SECTION {
            let count = read_leb(module, &mut at);
            push_exports(&mut out, count, &module[at..end]);
            is_done = true;
        } else {
            if !is_done && id > EXPORT_SECTION && id != 13 {
                push_exports(&mut out, 0, &[]);
                is_done = true;
            }
            out.extend(&module[start..end]);
        }
        at = end;
    }
    if !is_done {
        push_exports(&mut out, 0, &[]);
    }
    Some(out)
}

fn attempt(random: &mut Random, proposals: Proposals, variant: u32) -> Option<Vec<u8>> {
    let config = config(random, proposals);
    let fuel = random.pick(&[50, 500, 4000]);
    let words = random.pick(&[300, 1000, 4000]);
    let input: Vec<u8> = (0..words).flat_map(|_| random.next().to_le_bytes()).collect();
    let mut module = Module::new(config, &mut Unstructured::new(&input)).ok()?;
    let fuel_global = module.ensure_termination(fuel).ok()?;
    let module = with_exports(&module.to_bytes(), fuel_global)?;
    if proposals.has(THREADS) || variant & !LEGACY_FORM != 0 {
        patch(&module, variant)
    } else {
        Some(module)
    }
}

/// Some choices contradict each other, and then there is no module; others are made.
pub fn generate(random: &mut Random, proposals: Proposals, variant: u32) -> Option<Vec<u8>> {
    (0..20).find_map(|_| attempt(random, proposals, variant))
}
