// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! What every program of the evaluation says about itself; see workload.h.
use std::io::Write;
use std::time::Instant;

pub fn ready() -> Instant {
    println!("ready");
    std::io::stdout().flush().unwrap();
    Instant::now()
}

#[allow(dead_code)] // the service never ends by itself
pub fn done(started: Instant) {
    println!("inside_us {}", started.elapsed().as_micros());
}
