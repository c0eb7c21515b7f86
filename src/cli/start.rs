//! `levity start`: opens the running gateway's proxy port.

use std::io::Write;

use super::client::Client;
use super::status::{self, Arguments};
use crate::config::environment::Environment;
use crate::error::Failure;

/// Has the gateway open its port; one that is open already stays.
pub fn run(
    arguments: &Arguments,
    environment: &Environment,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let client = Client::new(&arguments.target, environment)?;
    let status = client.order("/api/start")?;
    status::print(&status, arguments.json, out)
}
