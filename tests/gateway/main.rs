//! The gateway from outside: the real binary between a plain client and a scripted upstream.
#![expect(clippy::disallowed_types, reason = "answers are compared as JSON")]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "in a test they are the failure"
)]
#![expect(clippy::print_stderr, reason = "a failed test shows the gateway's log")]

#[path = "../support/mod.rs"]
mod support;

mod harness;

mod start;

mod auth;

mod routes;

mod clients;
mod stored;

mod models;

mod forward;

mod headers;

mod sizes;

mod transport;

mod outbound;

mod vertex;

mod tokens;

mod pool;

mod failover;

mod cooldown;

mod explain;

mod queue;

mod hedge;

mod faults;

mod streams;

mod endings;

mod losses;

mod keepalive;

mod count;

mod embeddings;

mod log;

mod traces;
