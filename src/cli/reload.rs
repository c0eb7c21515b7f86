//! `levity reload`: has the running gateway read its config again.

use std::io::Write;

use clap::Args;
use serde::Serialize;

use super::client::{Client, Target};
use super::status;
use crate::config::environment::Environment;
use crate::error::Failure;

/// The arguments of `levity reload`.
#[derive(Args, Debug, PartialEq, Eq)]
pub struct Arguments {
    #[command(flatten)]
    target: Target,
    /// Print what the admin API says, as JSON
    #[arg(long)]
    json: bool,
}

/// A request that says nothing.
#[derive(Serialize)]
struct Nothing {}

/// Has the gateway load its config; one that it does not take leaves the old one at work.
pub fn run(
    arguments: &Arguments,
    environment: &Environment,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let client = Client::new(&arguments.target, environment)?;
    let status = client.post("/api/reload", &Nothing {})?;
    status::print(&status, arguments.json, out)
}
