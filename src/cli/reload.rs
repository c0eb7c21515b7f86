//! `levity reload`: has the running gateway read its config again.

use std::io::Write;

use super::client::Client;
use super::status::{self, Arguments};
use crate::config::environment::Environment;
use crate::error::Failure;

/// Has the gateway load its config; one that it does not take leaves the old one at work.
pub fn run(
    arguments: &Arguments,
    environment: &Environment,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let client = Client::new(&arguments.target, environment)?;
    let status = client.order("/api/reload")?;
    status::print(&status, arguments.json, out)
}
