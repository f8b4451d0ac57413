// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

//! A checksum, a count of bytes, a dot product and a blur, by vector instructions where the target has them and one
//! by one elsewhere: what is printed is the same.

#[cfg(target_feature = "simd128")]
mod lanes {
    use std::arch::wasm32::*;

    pub fn count(bytes: &[u8], wanted: u8) -> usize {
        let chunks = bytes.chunks_exact(16);
        let rest = chunks.remainder();
        let with = u8x16_splat(wanted);
        let whole: u32 = chunks.map(|c| u8x16_bitmask(u8x16_eq(unsafe { v128_load(c.as_ptr().cast()) }, with)).count_ones()).sum();
        whole as usize + rest.iter().filter(|&&b| b == wanted).count()
    }

    pub fn dot(a: &[i16], b: &[i16]) -> i64 {
        let mut sum = i64x2_splat(0);
        for (x, y) in a.chunks_exact(8).zip(b.chunks_exact(8)) {
            let products = unsafe { i32x4_dot_i16x8(v128_load(x.as_ptr().cast()), v128_load(y.as_ptr().cast())) };
            sum = i64x2_add(sum, i64x2_add(i64x2_extend_low_i32x4(products), i64x2_extend_high_i32x4(products)));
        }
        i64x2_extract_lane::<0>(sum) + i64x2_extract_lane::<1>(sum)
    }

    pub fn brighten(bytes: &mut [u8], by: u8) {
        let add = u8x16_splat(by);
        for c in bytes.chunks_exact_mut(16) {
            unsafe { v128_store(c.as_mut_ptr().cast(), u8x16_avgr(u8x16_add_sat(v128_load(c.as_ptr().cast()), add), add)) };
        }
    }
    pub const USED: bool = true;
}

#[cfg(not(target_feature = "simd128"))]
mod lanes {
    pub fn count(bytes: &[u8], wanted: u8) -> usize {
        bytes.iter().filter(|&&b| b == wanted).count()
    }
    pub fn dot(a: &[i16], b: &[i16]) -> i64 {
        a.iter().zip(b).map(|(&x, &y)| i64::from(x) * i64::from(y)).sum()
    }
    pub fn brighten(bytes: &mut [u8], by: u8) {
        for b in bytes {
            *b = ((u32::from(b.saturating_add(by)) + u32::from(by) + 1) / 2) as u8;
        }
    }
    pub const USED: bool = false;
}

fn main() {
    let mut state = 1u32;
    let mut bytes: Vec<u8> = (0..1_000_000)
        .map(|_| {
            state = state.wrapping_mul(1_103_515_245).wrapping_add(12_345);
            (state >> 16) as u8
        })
        .collect();
    let words: Vec<i16> = bytes.chunks_exact(2).map(|c| i16::from_le_bytes([c[0], c[1]])).collect();
    let reversed: Vec<i16> = words.iter().rev().copied().collect();
    println!("count {} dot {}", lanes::count(&bytes, 7), lanes::dot(&words, &reversed));
    lanes::brighten(&mut bytes, 40);
    let hash = bytes.iter().fold(0xcbf29ce484222325u64, |h, &b| (h ^ u64::from(b)).wrapping_mul(0x100000001b3));
    // What the compiler turns into vectors by itself.
    let blurred: f32 = bytes.windows(5).map(|w| w.iter().map(|&b| f32::from(b)).sum::<f32>() / 5.0).fold(0.0, f32::max);
    let sorted = { let mut copy = words.clone(); copy.sort_unstable(); copy[copy.len() / 2] };
    println!("hash {hash:016x} blurred {blurred} median {sorted}");
    eprintln!("vectors: {}", lanes::USED);
}
