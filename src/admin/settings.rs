//! The configuration as it is at work and as it is written, and the path that changes it.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use bytesize::ByteSize;
use serde::{Deserialize, Serialize};

use super::error::{Body, Error};
use super::state::{Status, status_of};
use super::{Admin, change};
use crate::config::edit::given::Given;
use crate::config::edit::{self, Change, mask};
use crate::config::{self, Config, load, save};

/// The paths of this file.
pub fn routes() -> Router<Admin> {
    Router::new().route("/api/config", get(config).patch(patch))
}

/// `GET /api/config`
#[derive(Debug, Deserialize, Serialize)]
pub struct Settings {
    /// The file; nothing when the environment alone is the configuration.
    pub path: Option<String>,
    /// Whether the API can change it.
    pub writable: bool,
    /// The file's text, with its secrets covered.
    pub text: Option<String>,
    /// What is at work.
    pub values: Values,
    /// Keys that the file cannot change, and the variable or flag that wins over it.
    pub overridden: BTreeMap<String, String>,
}

/// What is at work, as the file would say it.
#[derive(Debug, Deserialize, Serialize)]
pub struct Values {
    /// `proxy:`, but for the key.
    pub proxy: Proxy,
    /// `pool:`
    pub pool: Pool,
    /// `monitor:`
    pub monitor: Monitor,
    /// `console:`
    pub console: Console,
    /// `models:`
    pub models: Models,
}

/// `proxy:`, but for the key, and for `outbound`, which may hold a login.
#[derive(Debug, Deserialize, Serialize)]
#[expect(missing_docs, reason = "as in the file")]
pub struct Proxy {
    pub port: u16,
    pub allow_lan_access: bool,
    pub auth_mode: String,
    pub max_body: String,
    pub threads: usize,
    pub expose_routing: bool,
    pub strict: bool,
    pub timeouts: Timeouts,
    pub keepalive: String,
}

/// `proxy.timeouts`
#[derive(Debug, Deserialize, Serialize)]
#[expect(missing_docs, reason = "as in the file")]
pub struct Timeouts {
    pub connect: String,
    pub first_byte: String,
    pub idle: String,
    pub drain: String,
}

/// `pool:`
#[derive(Debug, Deserialize, Serialize)]
#[expect(missing_docs, reason = "as in the file")]
pub struct Pool {
    pub scheduling: String,
    pub max_attempts: u32,
    pub max_concurrency: u32,
    pub queue: Queue,
    pub hedge: Hedge,
}

/// `pool.hedge`
#[derive(Debug, Deserialize, Serialize)]
#[expect(missing_docs, reason = "as in the file")]
pub struct Hedge {
    pub after: String,
    pub budget: String,
}

/// `pool.queue`
#[derive(Debug, Deserialize, Serialize)]
#[expect(missing_docs, reason = "as in the file")]
pub struct Queue {
    pub size: usize,
    pub wait: String,
}

/// `monitor:`
#[derive(Debug, Deserialize, Serialize)]
#[expect(missing_docs, reason = "as in the file")]
pub struct Monitor {
    pub enabled: bool,
    pub bodies: bool,
    pub retention: Retention,
}

/// `monitor.retention`
#[derive(Debug, Deserialize, Serialize)]
#[expect(missing_docs, reason = "as in the file")]
pub struct Retention {
    pub days: u32,
    pub rows: u64,
    pub size: String,
}

/// `console:`
#[derive(Debug, Deserialize, Serialize)]
#[expect(missing_docs, reason = "as in the file")]
pub struct Console {
    pub enabled: bool,
    pub port: u16,
}

/// `models:`
#[derive(Debug, Deserialize, Serialize)]
#[expect(missing_docs, reason = "as in the file")]
pub struct Models {
    #[serde(with = "ordered")]
    pub aliases: Vec<(String, String)>,
}

/// The answer to `PATCH /api/config`.
#[derive(Debug, Deserialize, Serialize)]
pub struct Changed {
    /// `GET /api/status`
    pub status: Status,
    /// `GET /api/config`
    pub config: Settings,
}

/// Pairs as a JSON object, in their order.
pub(super) mod ordered {
    use serde::{Deserialize as _, Deserializer, Serializer};

    use crate::config::edit::given::Given;

    pub(crate) fn serialize<S: Serializer>(
        pairs: &[(String, String)],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_map(pairs.iter().map(|(key, value)| (key, value)))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<(String, String)>, D::Error> {
        let Given::Map(entries) = Given::deserialize(deserializer)? else { return Ok(Vec::new()) };
        let texts = entries.into_iter().filter_map(|(key, value)| match value {
            Given::Text(text) => Some((key, text)),
            Given::Null | Given::Truth(_) | Given::Number(_) | Given::List(_) | Given::Map(_) => {
                None
            }
        });
        Ok(texts.collect())
    }
}

async fn config(State(admin): State<Admin>) -> Result<Json<Settings>, Error> {
    change::blocking(move || Json(settings_of(&admin))).await
}

/// Changes what is asked for: all of it, or nothing.
async fn patch(
    State(admin): State<Admin>,
    Body(asked): Body<Given>,
) -> Result<Json<Changed>, Error> {
    let changes = changes(&admin, asked)?;
    change::make(&admin, move |_| Ok(changes.clone())).await?;
    let status = status_of(&admin);
    let config = change::blocking(move || settings_of(&admin)).await?;
    Ok(Json(Changed { status, config }))
}

/// Each key with its value as a change of the file.
fn changes(admin: &Admin, asked: Given) -> Result<Vec<Change>, Error> {
    let Given::Map(asked) = asked else {
        return Err(Error::bad("the request body is not a JSON object"));
    };
    let loader = admin.control.loader();
    let overridden: BTreeMap<String, &str> =
        load::overridden(loader.options(), loader.environment()).collect();
    let change = |(key, value): (String, Given)| {
        if let Some(wrong) = not_a_setting(&key, &value) {
            return Err(Error::bad(format!("{key}: {wrong}")));
        }
        if let Some(by) = overridden.get(&key) {
            return Err(Error::conflict(format!("{key} is set by {by}, which wins over the file"))
                .with_hint(format!(
                    "start the gateway without {by} to have the file's value count"
                )));
        }
        Ok(Change::Set(edit::path(&key), value))
    };
    asked.into_iter().map(change).collect()
}

/// Why a key cannot be changed here, for this value. Whether there is such a key, and what it may be, the loader knows.
fn not_a_setting(key: &str, value: &Given) -> Option<&'static str> {
    const SECTIONS: [&str; 4] = ["proxy", "pool", "monitor", "console"];
    let section = key.split_once('.').map(|(section, _)| section);
    let single = !matches!(value, Given::List(_) | Given::Map(_));
    match section {
        _ if key == "models.aliases" => (!matches!(value, Given::Map(_) | Given::Null))
            .then_some("expected patterns and models, {\"gpt-4o*\": \"gemini-3-flash\"}"),
        _ if key == "proxy.api_key" => Some("the key is changed by POST /api/key"),
        _ if key == "accounts" || section == Some("accounts") => {
            Some("accounts are changed under /api/accounts")
        }
        Some("models") => Some("expected models.aliases, as a whole"),
        Some(section) if SECTIONS.contains(&section) && single => None,
        Some(section) if SECTIONS.contains(&section) => {
            Some("expected a single value for each key, such as \"proxy.timeouts.idle\"")
        }
        Some(_) | None => Some(
            "no such setting; expected a key with dots, such as \"proxy.port\", of proxy, pool, monitor, console or models.aliases",
        ),
    }
}

/// The configuration as it is written and at work. Reads the file.
fn settings_of(admin: &Admin) -> Settings {
    let live = admin.live.load();
    let config = &live.config;
    let loader = admin.control.loader();
    let text = config.path.as_ref().and_then(|path| fs::read_to_string(path).ok());
    let overridden = load::overridden(loader.options(), loader.environment());
    Settings {
        path: config.path.as_ref().map(|path| {
            let path = std::path::absolute(path).unwrap_or_else(|_| path.clone());
            path.display().to_string()
        }),
        writable: match &config.path {
            Some(path) => save::is_writable(path),
            None => load::user_file(loader.environment()).is_some(),
        },
        text: text.and_then(|text| mask::masked(&text, config.secrets())),
        values: values(config),
        overridden: overridden.map(|(key, by)| (key, by.to_owned())).collect(),
    }
}

fn values(config: &Config) -> Values {
    let config::Proxy { timeouts, keepalive, .. } = &config.proxy;
    let config::Pool { scheduling, max_attempts, max_concurrency, queue, hedge } = config.pool;
    let config::Monitor { enabled, bodies, retention } = config.monitor;
    Values {
        proxy: Proxy {
            port: config.proxy.port,
            allow_lan_access: config.proxy.allow_lan_access,
            auth_mode: config.proxy.auth_mode.name().to_owned(),
            max_body: size(config.proxy.max_body),
            threads: config.proxy.threads,
            expose_routing: config.proxy.expose_routing,
            strict: config.proxy.strict,
            timeouts: Timeouts {
                connect: duration(timeouts.connect),
                first_byte: duration(timeouts.first_byte),
                idle: duration(timeouts.idle),
                drain: duration(timeouts.drain),
            },
            keepalive: keepalive.map_or_else(|| "off".to_owned(), duration),
        },
        pool: Pool {
            scheduling: scheduling.name().to_owned(),
            max_attempts: max_attempts.get(),
            max_concurrency,
            queue: Queue { size: queue.size, wait: duration(queue.wait) },
            hedge: Hedge {
                after: hedge.after.map_or_else(|| "off".to_owned(), |late| late.to_string()),
                budget: hedge.budget.to_string(),
            },
        },
        monitor: Monitor {
            enabled,
            bodies,
            retention: Retention {
                days: retention.days,
                rows: retention.rows,
                size: size(retention.size),
            },
        },
        console: Console { enabled: config.console.enabled, port: config.console.port },
        models: Models { aliases: config.aliases.clone() },
    }
}

/// A duration as the file may say it.
fn duration(duration: Duration) -> String {
    humantime::format_duration(duration).to_string()
}

/// A number of bytes as the file may say it, exactly.
fn size(bytes: u64) -> String {
    let units = [("GiB", ByteSize::gib(1)), ("MiB", ByteSize::mib(1)), ("KiB", ByteSize::kib(1))];
    let whole = units.iter().find(|(_, unit)| bytes > 0 && bytes.is_multiple_of(unit.as_u64()));
    match whole {
        Some((name, unit)) => format!("{}{name}", bytes / unit.as_u64()),
        None => format!("{bytes}B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_durations_are_read_back_as_they_were() {
        for bytes in [1, 1000, 1024, 1_000_000, 64 << 20, 3 << 30, (64 << 20) + 1] {
            assert_eq!(size(bytes).parse::<ByteSize>().unwrap().as_u64(), bytes);
        }
        for millis in [1, 500, 10_000, 300_000, 90_061_001] {
            let written = duration(Duration::from_millis(millis));
            assert_eq!(humantime::parse_duration(&written).unwrap().as_millis(), millis.into());
        }
    }
}
