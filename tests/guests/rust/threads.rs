// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

//! Eight threads with Rust's own means: channels, locks, barriers, scopes, variables of a thread. Prints the same every time.
use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{mpsc, Arc, Barrier, Condvar, Mutex, OnceLock, RwLock};
use std::thread;
use std::time::Duration;

const THREADS: u64 = 8;

thread_local!(static OWN: Cell<u64> = const { Cell::new(1) });

/// The primes below 20,000, each thread a slice, all through one channel.
fn primes() {
    let (sender, receiver) = mpsc::channel();
    let workers: Vec<_> = (0..THREADS)
        .map(|worker| {
            let sender = sender.clone();
            thread::spawn(move || {
                for n in (worker * 2500..(worker + 1) * 2500).filter(|&n| n > 1 && (2..).take_while(|d| d * d <= n).all(|d| n % d != 0)) {
                    sender.send(n).unwrap();
                    OWN.set(OWN.get() + 1);
                }
                OWN.get()
            })
        })
        .collect();
    drop(sender);
    let mut found: Vec<u64> = receiver.iter().collect();
    found.sort();
    let own: u64 = workers.into_iter().map(|worker| worker.join().unwrap()).sum();
    println!("primes: {} last {:?} own {} main's own {}", found.len(), found.last(), own, OWN.get());
}

/// Words counted into one locked map.
fn words() {
    let counts = Arc::new(Mutex::new(BTreeMap::new()));
    let total = Arc::new(AtomicU64::new(0));
    thread::scope(|scope| {
        for worker in 0..THREADS {
            let (counts, total) = (&counts, &total);
            scope.spawn(move || {
                for n in 0..500 {
                    *counts.lock().unwrap().entry(format!("w{}", (n * (worker + 1)) % 5)).or_insert(0) += 1;
                    total.fetch_add(n, Ordering::Relaxed);
                }
            });
        }
    });
    println!("words: {:?} total {}", counts.lock().unwrap(), total.load(Ordering::Relaxed));
}

/// A bounded channel, a condition variable, a barrier, a lock for readers; sleeping and waiting with a limit.
fn waiting() {
    let (sender, receiver) = mpsc::sync_channel(2);
    let producer = thread::spawn(move || (0..100).for_each(|n| sender.send(n).unwrap()));
    let sum: i32 = receiver.iter().sum();
    producer.join().unwrap();

    static ONCE: OnceLock<String> = OnceLock::new();
    let shared = Arc::new((Mutex::new(0), Condvar::new(), Barrier::new(THREADS as usize), RwLock::new(0)));
    let workers: Vec<_> = (0..THREADS)
        .map(|worker| {
            let shared = shared.clone();
            thread::Builder::new().name(format!("worker {worker}")).spawn(move || {
                let (turn, changed, barrier, lock) = &*shared;
                let mut now = turn.lock().unwrap();
                while *now != worker {
                    now = changed.wait(now).unwrap();
                }
                *now += 1;
                changed.notify_all();
                drop(now);
                ONCE.get_or_init(|| "once".to_string());
                *lock.write().unwrap() += worker;
                thread::sleep(Duration::from_millis(1));
                let leads = barrier.wait().is_leader();
                (leads, *lock.read().unwrap(), thread::current().name().unwrap().len())
            })
        })
        .collect();
    let results: Vec<_> = workers.into_iter().map(|worker| worker.unwrap().join().unwrap()).collect();
    let (turn, changed, _, _) = &*shared;
    let (_turn, limit) = changed.wait_timeout(turn.lock().unwrap(), Duration::from_millis(5)).unwrap();
    println!(
        "waiting: {sum} {} leaders {} lock {:?} names {} timed out {} {:?}",
        results.iter().filter(|r| r.0).count(),
        results.len(),
        results.iter().map(|r| r.1).collect::<std::collections::BTreeSet<_>>(),
        results.iter().map(|r| r.2).sum::<usize>(),
        limit.timed_out(),
        ONCE.get()
    );
}

fn main() {
    primes();
    words();
    waiting();
}
