// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! The binary format's numbers, sections and names.

/// What the global is exported as that ends loops: each decrements it and traps when it is zero.
pub const FUEL: &[u8] = b"the fuel";

pub fn read_leb(bytes: &[u8], at: &mut usize) -> u32 {
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

pub fn write_leb(value: impl Into<u64>, out: &mut Vec<u8>) {
    let mut value = value.into();
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

pub fn write_signed_leb(mut value: i64, out: &mut Vec<u8>) {
    while !(-64..64).contains(&value) {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8 & 0x7F);
}

/// `contents` after its length.
pub fn write_sized(contents: &[u8], out: &mut Vec<u8>) {
    write_leb(contents.len() as u32, out);
    out.extend(contents);
}

pub fn write_section(id: u8, contents: &[u8], out: &mut Vec<u8>) {
    out.push(id);
    write_sized(contents, out);
}

pub fn write_export(name: &[u8], kind: u8, index: u32, out: &mut Vec<u8>) {
    write_sized(name, out);
    out.push(kind);
    write_leb(index, out);
}
