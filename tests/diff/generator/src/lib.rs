// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Random modules for the differential test: a seed goes in, the bytes of a valid module come out.
//!
//! Every module ends: loops and calls use up the global that is exported as FUEL and trap when it is zero. Memories and
//! tables have small maxima, so that growing does not depend on the machine. The specification leaves open the bits of
//! a NaN that arithmetic makes, so a module can be asked for in a variant that makes each such NaN canonical; but that
//! puts instructions between any two of floating point, which hides what a compiler does with neighbours.

use arbitrary::Unstructured;
use wasm_smith::{Config, MemoryOffsetChoices, Module};

const FUEL: &[u8] = b"the fuel";
const EXPORT_SECTION: u8 = 7;
const GLOBAL_KIND: u8 = 3;

/// SplitMix64: a stream of its own for each seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn one_in(&mut self, chances: u64) -> bool {
        self.below(chances) == 0
    }

    fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize]
    }
}

fn config(random: &mut Random, canonicalize_nans: bool) -> Config {
    let page = 65536;
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
        min_memories: random.pick(&[0, 1, 1]),
        max_memories: 1,
        max_memory32_bytes: random.pick(&[0, 1, 3, 8]) * page,
        memory_max_size_required: true,
        memory_offset_choices: offsets,
        min_tables: random.pick(&[0, 1]),
        max_tables: 3,
        max_table_elements: random.pick(&[4, 12, 100]),
        table_max_size_required: true,
        min_uleb_size: random.pick(&[1, 1, 1, 5]),
        generate_custom_sections: random.one_in(8),
        disallow_traps: random.one_in(2),
        canonicalize_nans,
        allow_floats: !random.one_in(4),
        bulk_memory_enabled: true,
        reference_types_enabled: true,
        multi_value_enabled: true,
        saturating_float_to_int_enabled: true,
        sign_extension_ops_enabled: true,
        tail_call_enabled: true,
        extended_const_enabled: true,
        simd_enabled: false,
        relaxed_simd_enabled: false,
        exceptions_enabled: false,
        gc_enabled: false,
        threads_enabled: false,
        memory64_enabled: false,
        compact_imports_enabled: false,
        wide_arithmetic_enabled: false,
        ..Config::default()
    }
}

fn read_leb(bytes: &[u8], at: &mut usize) -> u32 {
    let (mut value, mut shift) = (0, 0);
    loop {
        let byte = bytes[*at];
        *at += 1;
        value |= u32::from(byte & 0x7F) << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            return value;
        }
    }
}

fn write_leb(mut value: u32, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// The module with one more export, of global `index`.
fn with_export(module: &[u8], index: u32) -> Vec<u8> {
    let mut entry = Vec::new();
    write_leb(FUEL.len() as u32, &mut entry);
    entry.extend(FUEL);
    entry.push(GLOBAL_KIND);
    write_leb(index, &mut entry);

    let mut out = module[..8].to_vec();
    let push_exports = |out: &mut Vec<u8>, count: u32, others: &[u8]| {
        let mut contents = Vec::new();
        write_leb(count + 1, &mut contents);
        contents.extend(others);
        contents.extend(&entry);
        out.push(EXPORT_SECTION);
        write_leb(contents.len() as u32, out);
        out.extend(contents);
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
    out
}

fn attempt(random: &mut Random, canonicalize_nans: bool) -> Option<Vec<u8>> {
    let config = config(random, canonicalize_nans);
    let fuel = random.pick(&[50, 500, 4000]);
    let words = random.pick(&[300, 1000, 4000]);
    let input: Vec<u8> = (0..words)
        .flat_map(|_| random.next().to_le_bytes())
        .collect();
    let mut module = Module::new(config, &mut Unstructured::new(&input)).ok()?;
    let fuel_global = module.ensure_termination(fuel).ok()?;
    Some(with_export(&module.to_bytes(), fuel_global))
}

/// Some choices contradict each other, and then there is no module; others are made.
fn generate(seed: u64, canonicalize_nans: bool) -> Option<Vec<u8>> {
    let mut random = Random(seed);
    (0..20).find_map(|_| attempt(&mut random, canonicalize_nans))
}

/// The module of `seed`, freed with `diff_module_free`; null where the generator gives up.
#[no_mangle]
pub extern "C" fn diff_module_new(
    seed: u64,
    canonicalize_nans: bool,
    len_bytes: &mut usize,
) -> *mut u8 {
    std::panic::set_hook(Box::new(|_| ()));
    let module = std::panic::catch_unwind(|| generate(seed, canonicalize_nans))
        .ok()
        .flatten();
    let Some(module) = module else {
        return std::ptr::null_mut();
    };
    *len_bytes = module.len();
    Box::into_raw(module.into_boxed_slice()).cast()
}

/// # Safety
/// What `diff_module_new` returned, once, with its length.
#[no_mangle]
pub unsafe extern "C" fn diff_module_free(module: *mut u8, len_bytes: usize) {
    drop(Box::from_raw(std::ptr::slice_from_raw_parts_mut(
        module, len_bytes,
    )));
}
