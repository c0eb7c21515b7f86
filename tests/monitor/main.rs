//! The request log's file: what is kept and for how long, what is found, and what happens when the disk is of no use.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod support;

mod beside;
mod disk;
mod find;
mod retention;
mod sums;
