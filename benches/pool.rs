//! What it costs to choose an account among a hundred and to give it back, alone and with all cores
//! at it.

#![expect(clippy::unwrap_used, reason = "a bench may panic")]

#[path = "../tests/support/pool.rs"]
mod support;

use divan::{Bencher, black_box};
use levity::clock::Now;
use levity::config::Scheduling;
use levity::pool::verdict::{Failure, Verdict};
use levity::pool::{Pool, Want};
use support::{account, name, want, weighted};

fn main() {
    divan::main();
}

fn hundred() -> Pool {
    let accounts: Vec<_> =
        (0..100).map(|place| weighted(&format!("a{place}"), 1 + place % 5)).collect();
    Pool::new(&accounts, Scheduling::Balance, None)
}

/// `0`: as many threads as there are cores.
#[divan::bench(threads = [1, 0])]
fn lease_among_a_hundred(bencher: Bencher<'_, '_>) {
    let (pool, now) = (hundred(), Now::read());
    bencher.bench(|| {
        if let Ok(lease) = pool.lease(black_box(&want("m")), &[], now.monotonic) {
            lease.settle(Verdict::SERVED, now.monotonic);
        }
    });
}

/// The account of a conversation, which is a distance from each of them.
#[divan::bench(threads = [1, 0])]
fn lease_of_a_conversation(bencher: Bencher<'_, '_>) {
    let accounts: Vec<_> =
        (0..100).map(|place| weighted(&format!("a{place}"), 1 + place % 5)).collect();
    let (pool, now) = (Pool::new(&accounts, Scheduling::CacheFirst, None), Now::read());
    let want = Want { conversation: Some(8045), ..want("m") };
    bencher.bench(|| {
        if let Ok(lease) = pool.lease(black_box(&want), &[], now.monotonic) {
            lease.settle(Verdict::SERVED, now.monotonic);
        }
    });
}

/// The same while ten of them rest: their gates are behind locks.
#[divan::bench(threads = [1, 0])]
fn lease_while_ten_rest(bencher: Bencher<'_, '_>) {
    let (pool, now) = (hundred(), Now::read());
    for _ in 0..10 {
        if let Ok(lease) = pool.lease(&want("m"), &[], now.monotonic) {
            lease.settle(Verdict::failed(Failure::Server), now.monotonic);
        }
    }
    bencher.bench(|| {
        if let Ok(lease) = pool.lease(black_box(&want("m")), &[], now.monotonic) {
            lease.settle(Verdict::SERVED, now.monotonic);
        }
    });
}

/// What of it is not the choice.
#[divan::bench(threads = [1, 0])]
fn lease_of_one(bencher: Bencher<'_, '_>) {
    let (pool, now) = (Pool::new(&[account("a")], Scheduling::Balance, None), Now::read());
    bencher.bench(|| {
        let lease = pool.lease(black_box(&want("m")), &[], now.monotonic);
        lease.map(|lease| black_box(name(&lease)).len())
    });
}
