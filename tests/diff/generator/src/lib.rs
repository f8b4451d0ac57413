// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Random modules for the differential test: a seed goes in, the bytes of a valid module come out. Half of them are
//! wasm-smith's, half are our own (idioms.rs).
//!
//! Every module ends: loops and calls use up the global that is exported last, as FUEL, and trap when it is zero.
//! Memories and tables have small maxima, so that growing does not depend on the machine. The specification leaves open
//! the bits of a NaN that arithmetic makes and whether relaxed multiplication with addition rounds once, so a module can
//! be asked for in variants where that does not show (patch.rs); they put instructions between any two of floating
//! point, which hides what a translator does with neighbours. Our own never show NaNs.

mod bytes;
mod idioms;
mod patch;
mod proposals;
mod random;
mod smith;

use proposals::Proposals;
use random::Random;
use std::ffi::{c_char, CStr};

fn generate(seed: u64, allowed: u64, variant: u32) -> Option<Vec<u8>> {
    let mut random = Random(seed);
    let proposals = Proposals::draw(&mut random, allowed);
    if random.one_in(2) {
        let module = idioms::generate(&mut random, proposals, variant & patch::LEGACY_FORM != 0);
        if variant & patch::TWO_ROUNDINGS != 0 {
            patch::patch(&module, patch::TWO_ROUNDINGS)
        } else {
            Some(module)
        }
    } else {
        smith::generate(&mut random, proposals, variant)
    }
}

/// The bit of a proposal in the sets that `diff_module_new` takes; 0 for one that it knows no choice of.
///
/// # Safety
/// `name` is a string of C.
#[no_mangle]
pub unsafe extern "C" fn diff_proposal(name: *const c_char) -> u64 {
    CStr::from_ptr(name).to_str().map_or(0, proposals::bit)
}

/// The module of `seed` in a variant, which uses some of the proposals in `allowed`, freed with `diff_module_free`; null where the
/// generator gives up.
#[no_mangle]
pub extern "C" fn diff_module_new(seed: u64, allowed: u64, variant: u32, len_bytes: &mut usize) -> *mut u8 {
    std::panic::set_hook(Box::new(|_| ()));
    let module = std::panic::catch_unwind(|| generate(seed, allowed, variant)).ok().flatten();
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
    drop(Box::from_raw(std::ptr::slice_from_raw_parts_mut(module, len_bytes)));
}
