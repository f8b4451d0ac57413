// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

//! Says what it was given, and works a little: collections, formatting, a file.
use std::collections::BTreeMap;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let greeting = std::env::var("GREETING").unwrap_or_default();
    println!("hello from Rust, {} arguments, GREETING={}", arguments.len(), greeting);
    let mut counts = BTreeMap::new();
    for word in "one two three two three three".split(' ') {
        *counts.entry(word).or_insert(0) += 1;
    }
    println!("{counts:?} {:.3}", (1..=1000).map(|n| 1.0 / n as f64).sum::<f64>());
    if let Some(path) = arguments.first() {
        println!("{:?}", std::fs::read_to_string(path));
        println!("not granted: {}", std::fs::metadata("/not/granted").is_err());
    }
}
