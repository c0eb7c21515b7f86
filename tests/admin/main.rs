//! The console port from outside: the real binary, its admin API and the commands that talk to it.
#![expect(clippy::disallowed_types, reason = "answers are compared as JSON")]
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "in a test they are the failure")]
#![expect(clippy::print_stderr, reason = "a failed test shows the gateway's log")]

#[path = "../support/mod.rs"]
#[expect(dead_code, reason = "what the tests of the proxy port need as well")]
mod support;

mod harness;

mod guard;

mod page;

mod written;

mod state;

mod stop;

mod moved;

mod watched;

mod upgrade;

mod settings;

mod key;

mod accounts;

mod try_it;

mod openapi;

mod commands;

mod log;

mod log_command;

mod metrics;

mod hedges;
