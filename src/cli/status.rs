//! `levity status`: what the running gateway is about.

use std::io::{self, Write};

use clap::Args;

use super::client::{Client, Target};
use crate::admin::state::{Hedges, Proxy, Status};
use crate::config::environment::Environment;
use crate::error::Failure;

/// The arguments of `levity status`, and of the commands that print the same: `start` and `reload`.
#[derive(Args, Debug, PartialEq, Eq)]
pub struct Arguments {
    #[command(flatten)]
    pub(super) target: Target,
    /// Print what the admin API says, as JSON
    #[arg(long)]
    pub(super) json: bool,
}

/// Asks the running gateway and prints what it says.
pub fn run(
    arguments: &Arguments,
    environment: &Environment,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let client = Client::new(&arguments.target, environment)?;
    print(&client.get("/api/status")?, arguments.json, out)?;
    if !arguments.json {
        writeln!(out, "{:<10}{}", "console", client.console())?;
    }
    Ok(())
}

/// Prints a status, for people or as JSON.
pub(super) fn print(status: &Status, json: bool, out: &mut impl Write) -> Result<(), Failure> {
    if json {
        let text = serde_json::to_string_pretty(status)
            .map_err(|error| Failure::failed(format!("cannot write the status: {error}")))?;
        writeln!(out, "{text}")?;
        return Ok(());
    }
    let mut row = |name: &str, value: &str| writeln!(out, "{name:<10}{value}");
    rows(status, &mut row)?;
    Ok(())
}

fn rows(status: &Status, row: &mut impl FnMut(&str, &str) -> io::Result<()>) -> io::Result<()> {
    let Status { proxy, accounts, config, .. } = status;
    row("state", &status.state)?;
    row("proxy", &listens(proxy))?;
    if let Some(lan) = &proxy.lan_address {
        row("", &format!("on the LAN: http://{lan}:{}", proxy.port))?;
    }
    row("auth", &auth(proxy))?;
    let (active, available) = (accounts.active, accounts.available);
    row("accounts", &format!("{active} active, {available} of them can be asked now"))?;
    row("requests", &format!("{} under way", status.requests.open))?;
    if status.hedges.after != "off" {
        row("hedges", &hedged(&status.hedges))?;
    }
    if let Some(started) = &status.started {
        row("since", started)?;
    }
    let path = config.path.as_deref().unwrap_or("none; accounts from the environment");
    row("config", &format!("{path}, loaded {}", config.loaded))?;
    if let Some(error) = &config.error {
        row("", &format!("the newest one is not taken: {}", error.replace('\n', "\n          ")))?;
    }
    row("version", &status.version)?;
    for warning in &status.warnings {
        row("warning", warning)?;
    }
    Ok(())
}

fn listens(proxy: &Proxy) -> String {
    match &proxy.address {
        Some(address) => format!("listens on {address}"),
        None => format!("closed; port {}", proxy.port),
    }
}

/// How many requests asked a second account, and what came of it.
fn hedged(hedges: &Hedges) -> String {
    let Hedges { after, budget, requests, won, lost, failed, share } = hedges;
    format!(
        "{share}% of {requests} requests (after {after}, at most {budget}): {won} won, {lost} lost, {failed} failed"
    )
}

/// The effective mode, and which one was written when that is another.
fn auth(proxy: &Proxy) -> String {
    let effective = &proxy.effective_auth;
    if *effective == proxy.auth_mode {
        effective.clone()
    } else {
        format!("{effective} (by {})", proxy.auth_mode)
    }
}
