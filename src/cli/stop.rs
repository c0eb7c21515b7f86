//! `levity stop`: closes the running gateway's proxy port.

use std::io::Write;
use std::time::Duration;

use clap::Args;

use super::client::{Client, Target};
use super::status;
use crate::admin::state::Stop;
use crate::config::environment::Environment;
use crate::error::Failure;

/// The arguments of `levity stop`.
#[derive(Args, Debug, PartialEq, Eq)]
pub struct Arguments {
    #[command(flatten)]
    target: Target,
    /// How long requests under way may take, such as 30s [default: proxy.timeouts.drain]
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    deadline: Option<Duration>,
    /// Print what the admin API says, as JSON
    #[arg(long)]
    json: bool,
}

/// Has the gateway close its port; does not wait for the requests under way.
pub fn run(
    arguments: &Arguments,
    environment: &Environment,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let client = Client::new(&arguments.target, environment)?;
    let deadline = arguments.deadline.map(|deadline| deadline.as_millis());
    let deadline_ms = deadline.map(|deadline| u64::try_from(deadline).unwrap_or(u64::MAX));
    let status = client.post("/api/stop", &Stop { deadline_ms })?;
    status::print(&status, arguments.json, out)
}
