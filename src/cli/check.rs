//! `levity check`: validates a config and says what it means.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;

use crate::config::environment::Environment;
use crate::config::key::{self, Source};
use crate::config::load::Options;
use crate::config::{Account, AuthMode, Config, Dispatch, Proxy, State};
use crate::error::Failure;

/// The arguments of `levity check`.
#[derive(Args, Debug, PartialEq, Eq)]
pub struct Arguments {
    /// The config file [default: levity.yaml, then ~/.config/levity/levity.yaml]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// Loads the config and prints its meaning; no secret is in it.
pub fn run(
    arguments: &Arguments,
    environment: &Environment,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let options = Options { config: arguments.config.clone(), port: None };
    let config = Config::load(&options, environment)?;
    let source = key::find(&config.proxy, environment)?;
    write_gateway(&config, out)?;
    write_row("key", &key_source(&config.proxy, &source, environment), out)?;
    for account in &config.accounts {
        write_account(account, out)?;
    }
    for (pattern, model) in &config.aliases {
        write_row("alias", &format!("{pattern} -> {model}"), out)?;
    }
    for warning in &config.warnings {
        write_row("warning", warning, out)?;
    }
    if !config.accounts.iter().any(Account::is_active) {
        let advice = "no account is ready; add one under accounts: with a provider's key";
        write_row("warning", advice, out)?;
    }
    writeln!(out, "ok")?;
    Ok(())
}

fn write_row(name: &str, value: &str, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "{name:<9}{value}")
}

fn write_gateway(config: &Config, out: &mut impl Write) -> io::Result<()> {
    let path = config.path.as_ref().map(|path| path.display().to_string());
    write_row("config", path.as_deref().unwrap_or("none; accounts from the environment"), out)?;
    write_row("bind", &config.proxy.bind().to_string(), out)?;
    write_row("auth", &auth(&config.proxy), out)?;
    let console = if config.console.enabled {
        format!("127.0.0.1:{}", config.console.port)
    } else {
        "off".to_owned()
    };
    write_row("console", &console, out)?;
    if let Some(telemetry) = &config.telemetry {
        write_row("traces", &format!("to {}", telemetry.url), out)?;
    }
    let state = match &config.state {
        State::Memory => "memory".to_owned(),
        State::Redis(url) => format!("redis at {}", url.host_str().unwrap_or_default()),
    };
    write_row("state", &state, out)
}

/// The effective mode, and which one was written when that is another.
fn auth(proxy: &Proxy) -> String {
    let effective = proxy.effective_auth();
    let meaning = match effective {
        AuthMode::Off => "no request needs the key",
        AuthMode::Strict => "every request needs the key",
        AuthMode::AllExceptHealth | AuthMode::Auto => {
            "every request but GET /healthz needs the key"
        }
    };
    let written = if proxy.auth_mode == AuthMode::Auto { " (by auto)" } else { "" };
    format!("{}{written}: {meaning}", effective.name())
}

/// Where the client key comes from, never what it is.
fn key_source(proxy: &Proxy, source: &Source, environment: &Environment) -> String {
    match source {
        Source::NotNeeded if proxy.api_key.is_some() => "configured, not asked for".to_owned(),
        Source::NotNeeded => "none, none is asked for".to_owned(),
        Source::Configured(_) if environment.get("LEVITY_API_KEY").is_some() => {
            "from LEVITY_API_KEY".to_owned()
        }
        Source::Configured(_) => "from proxy.api_key".to_owned(),
        Source::Saved(path, _) => format!("saved in {}", path.display()),
        Source::Missing(path) => {
            format!("none yet; the first start makes one and saves it in {}", path.display())
        }
    }
}

fn write_account(account: &Account, out: &mut impl Write) -> io::Result<()> {
    write_row("account", &headline(account), out)?;
    let mut detail = |name: &str, value: &str| write_row("", &format!("{name:<9}{value}"), out);
    let url = account.base_url.as_str().trim_end_matches('/');
    detail("speaks", &format!("{} at {url}", join(account.dialects.iter().map(|d| d.name()))))?;
    detail("models", &join(account.models.iter().map(String::as_str)))?;
    for (pattern, model) in &account.model_map {
        detail("maps", &format!("{pattern} -> {model}"))?;
    }
    if account.clients.len() < crate::dialects::Dialect::ALL.len() {
        detail("clients", &join(account.clients.iter().map(|d| d.name())))?;
    }
    if let Some(vertex) = &account.vertex {
        detail("project", &format!("{} in {}", vertex.project, vertex.region))?;
        detail("as", &format!("{} {}", vertex.credentials.describe(), vertex.found))?;
        detail("tokens", &format!("from {}", vertex.token_url))?;
    }
    if let Some(proxy) = account.way_out.proxy_for(&account.base_url) {
        detail("proxy", &proxy.to_string())?;
    }
    // Values of headers may be keys.
    if !account.headers.is_empty() {
        detail("headers", &join(account.headers.iter().map(|(name, _)| name.as_str())))?;
    }
    Ok(())
}

/// Name, provider and share of the load.
fn headline(account: &Account) -> String {
    let Account { name, weight, max_concurrency, .. } = account;
    let dispatch = match (account.enabled, account.dispatch) {
        (false, _) if account.api_key.is_empty() && account.vertex.is_none() => {
            "left out: it has no key"
        }
        (false, _) => "disabled",
        (true, Dispatch::Off) => "off: configured and idle",
        (true, dispatch) => dispatch.name(),
    };
    let mut parts = vec![format!("{name} ({})", account.provider.name()), dispatch.to_owned()];
    if weight.get() > 1 {
        parts.push(format!("weight {weight}"));
    }
    if *max_concurrency > 0 {
        parts.push(format!("{max_concurrency} at a time"));
    }
    parts.join(", ")
}

fn join<'a>(words: impl Iterator<Item = &'a str>) -> String {
    words.collect::<Vec<_>>().join(", ")
}
