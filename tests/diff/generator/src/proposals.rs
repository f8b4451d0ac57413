// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Which proposals a module may use. The test says which may be drawn, in bits that it asks for by name; a module then
//! draws its own: often a single one, so that there are small modules full of it, sometimes all.

use crate::random::Random;

macro_rules! proposals {
    ($($name:ident = $bit:literal, $text:literal;)*) => {
        $(pub const $name: u64 = 1 << $bit;)*
        const NAMES: &[(&str, u64)] = &[$(($text, $name)),*];
    };
}

proposals! {
    SIMD = 0, "simd";
    RELAXED_SIMD = 1, "relaxed-simd";
    MULTI_MEMORY = 2, "multi-memory";
    MEMORY64 = 3, "memory64";
    FUNCTION_REFERENCES = 4, "function-references";
    GC = 5, "gc";
    EXCEPTIONS = 6, "exception-handling";
    THREADS = 7, "threads";
    WIDE_ARITHMETIC = 8, "wide-arithmetic";
    CUSTOM_PAGE_SIZES = 9, "custom-page-sizes";
    LEGACY_EXCEPTIONS = 10, "legacy-exceptions";
}

/// What one cannot be used without.
const NEEDS: &[(u64, u64)] = &[(RELAXED_SIMD, SIMD), (GC, FUNCTION_REFERENCES), (LEGACY_EXCEPTIONS, EXCEPTIONS)];

#[derive(Clone, Copy)]
pub struct Proposals(pub u64);

impl Proposals {
    pub fn has(self, all_of: u64) -> bool {
        self.0 & all_of == all_of
    }

    pub fn draw(random: &mut Random, allowed: u64) -> Proposals {
        let single = 1 << random.below(NAMES.len() as u64);
        let some = random.next();
        let mut drawn = allowed & random.pick(&[single, single, single, some, some, u64::MAX]);
        for &(proposal, needed) in NEEDS {
            if drawn & proposal != 0 {
                drawn = if allowed & needed == needed { drawn | needed } else { drawn & !proposal };
            }
        }
        Proposals(drawn)
    }
}

/// The bit of a proposal; 0 when modules either always use it or never do.
pub fn bit(name: &str) -> u64 {
    NAMES.iter().find(|(text, _)| *text == name).map_or(0, |(_, bit)| *bit)
}
