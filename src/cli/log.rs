//! `levity log`: the request log, as a table or as JSON lines, as it stands or as it grows.

mod table;

use std::collections::HashSet;
use std::io::{Read, Write};

use clap::Args;
use serde::Serialize;
use url::form_urlencoded::Serializer;

use super::client::{Client, Target};
use crate::admin::log::Page;
use crate::clock::{self, Now};
use crate::config::environment::Environment;
use crate::error::Failure;
use crate::monitor;
use crate::monitor::filter::{Filter, Status};
use crate::monitor::query::{Reader, Unreadable};
use crate::monitor::record::{Record, Row, Time};
use crate::sse;

/// Rows of one answer of the admin API at most.
const PAGE: usize = 1000;

/// The arguments of `levity log`.
#[derive(Args, Debug, PartialEq, Eq)]
pub struct Arguments {
    /// One request, by its id: everything that is known of it
    #[arg(value_name = "ID")]
    id: Option<String>,
    #[command(flatten)]
    target: Target,
    /// Go on with requests as they end
    #[arg(long, short, conflicts_with = "id")]
    follow: bool,
    /// Print JSON, one object a line
    #[arg(long)]
    json: bool,
    /// A status (429), a class (2xx), or error
    #[arg(long, value_name = "STATUS")]
    status: Option<String>,
    /// The model, as asked for or as used
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// The account that was asked last
    #[arg(long, value_name = "NAME")]
    account: Option<String>,
    /// The client's dialect: openai_chat, openai_responses, anthropic or gemini
    #[arg(long, value_name = "NAME")]
    dialect: Option<String>,
    /// Whose key it was
    #[arg(long, value_name = "NAME")]
    caller: Option<String>,
    /// A text in path, model, account, outcome, error or id
    #[arg(long, value_name = "TEXT")]
    text: Option<String>,
    /// Begun so long ago at most (2h, 3days), or since a time (2026-01-31T12:00:00Z)
    #[arg(long, value_name = "WHEN")]
    since: Option<String>,
    /// Requests at most, the newest
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: usize,
}

/// Where the log is read.
enum Source {
    /// From the running gateway.
    Running(Client),
    /// From the file, as no gateway can be asked. `None`: there is none.
    File(Option<Reader>),
}

/// What of the log is wanted.
struct Wanted {
    filter: Filter,
    /// The same as the admin API is told it.
    query: String,
    limit: usize,
}

/// Prints what is in the log.
pub fn run(
    arguments: &Arguments,
    environment: &Environment,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let wanted = arguments.wanted()?;
    if arguments.follow {
        let client = Client::new(&arguments.target, environment)?;
        return follow(&client, &wanted, arguments.json, out);
    }
    let source = Source::of(&arguments.target, environment)?;
    if let Some(id) = &arguments.id {
        let record = source.find(id)?;
        return if arguments.json { line(&record, out) } else { table::detail(&record, out) };
    }
    let mut rows = source.rows(&wanted)?;
    rows.reverse();
    if rows.is_empty() && !arguments.json {
        writeln!(out, "no such requests are in the log")?;
        return Ok(());
    }
    if !arguments.json {
        table::heading(out)?;
    }
    rows.iter().try_for_each(|row| print(row, arguments.json, out))
}

/// Prints the newest requests, then each one that ends.
fn follow(
    client: &Client,
    wanted: &Wanted,
    json: bool,
    out: &mut impl Write,
) -> Result<(), Failure> {
    // What ends between the two questions is in both answers.
    let mut events = client.stream(&format!("/api/events?{}", wanted.query))?;
    let mut rows = pages(client, wanted)?;
    rows.reverse();
    if !json {
        table::heading(out)?;
    }
    rows.iter().try_for_each(|row| print(row, json, out))?;
    let seen: HashSet<String> = rows.into_iter().map(|row| row.id).collect();
    let mut decoder = sse::Decoder::new();
    let mut buffer = vec![0; 16 * 1024];
    loop {
        out.flush()?;
        let read = events.read(&mut buffer).unwrap_or(0);
        if read == 0 {
            return Err(Failure::failed("the gateway has ended the stream: it was stopped"));
        }
        let mut heard = Ok(());
        decoder.push(buffer.get(..read).unwrap_or_default(), |event| {
            if heard.is_ok() {
                heard = hear(event, &seen, json, out);
            }
        });
        heard?;
    }
}

fn hear(
    event: &sse::Event<'_>,
    seen: &HashSet<String>,
    json: bool,
    out: &mut impl Write,
) -> Result<(), Failure> {
    match &*event.name {
        "request" => {}
        "behind" => {
            return Err(Failure::failed("requests end faster than they can be shown")
                .with_hint("filter them (`levity log --help`), or export them with --json"));
        }
        _ => return Ok(()),
    }
    let row: Row = serde_json::from_str(&event.data).map_err(|error| {
        Failure::failed(format!("the gateway's answer is not understood: {error}"))
            .with_hint("the running gateway may be another version: `levity --version`")
    })?;
    if seen.contains(&row.id) { Ok(()) } else { print(&row, json, out) }
}

fn print(row: &Row, json: bool, out: &mut impl Write) -> Result<(), Failure> {
    if json { line(row, out) } else { table::row(row, out) }
}

fn line(what: &impl Serialize, out: &mut impl Write) -> Result<(), Failure> {
    let text = serde_json::to_string(what)
        .map_err(|error| Failure::failed(format!("cannot write the log: {error}")))?;
    Ok(writeln!(out, "{text}")?)
}

impl Arguments {
    fn wanted(&self) -> Result<Wanted, Failure> {
        let status = self.status.as_deref().map(|status| {
            let wrong = format!("invalid value {status:?} for --status");
            let hint = "give a status (429), a class (2xx), or error";
            Status::parse(status).ok_or_else(|| Failure::wrong(wrong).with_hint(hint))
        });
        let filter = Filter {
            status: status.transpose()?,
            model: self.model.clone(),
            account: self.account.clone(),
            dialect: self.dialect.clone(),
            caller: self.caller.clone(),
            text: self.text.clone(),
            since: self.since.as_deref().map(since).transpose()?,
            until: None,
        };
        let query = self.query(&filter);
        Ok(Wanted { filter, query, limit: self.limit })
    }

    fn query(&self, filter: &Filter) -> String {
        let since = filter.since.map(|since| since.to_string());
        let words = [
            ("status", &self.status),
            ("model", &self.model),
            ("account", &self.account),
            ("dialect", &self.dialect),
            ("caller", &self.caller),
            ("text", &self.text),
            ("since", &since),
        ];
        let mut query = Serializer::new(String::new());
        for (name, word) in words {
            if let Some(word) = word {
                query.append_pair(name, word);
            }
        }
        query.finish()
    }
}

fn since(text: &str) -> Result<Time, Failure> {
    if let Ok(past) = humantime::parse_duration(text) {
        let past = Now::read().since_epoch().saturating_sub(past);
        return Ok(Time(clock::milliseconds(past)));
    }
    let wrong = || {
        Failure::wrong(format!("invalid value {text:?} for --since"))
            .with_hint("give a duration (2h, 3days) or a time (2026-01-31T12:00:00Z)")
    };
    Time::parse(text).ok_or_else(wrong)
}

impl Source {
    /// The running gateway, or else the file.
    fn of(target: &Target, environment: &Environment) -> Result<Self, Failure> {
        if let Some(client) = Client::find(target, environment)?
            && client.is_listened_to()
        {
            return Ok(Self::Running(client));
        }
        let Some(folder) = environment.state_folder() else { return Ok(Self::File(None)) };
        Ok(Self::File(Reader::open(&folder.join(monitor::FILE))?))
    }

    /// The newest first.
    fn rows(&self, wanted: &Wanted) -> Result<Vec<Row>, Failure> {
        match self {
            Self::Running(client) => pages(client, wanted),
            Self::File(Some(reader)) => Ok(reader.rows(&wanted.filter, None, wanted.limit)?),
            Self::File(None) => Ok(Vec::new()),
        }
    }

    fn find(&self, id: &str) -> Result<Record, Failure> {
        let found = match self {
            Self::Running(client) => {
                // What is no letter or digit cannot be part of an id.
                let id: String = id.chars().filter(|c| c.is_alphanumeric() || *c == '_').collect();
                return client.get(&format!("/api/log/{id}"));
            }
            Self::File(Some(reader)) => reader.find(id)?,
            Self::File(None) => None,
        };
        found.ok_or_else(|| Failure::failed("no request of that id is in the log"))
    }
}

/// Asks for as many pages as it takes.
fn pages(client: &Client, wanted: &Wanted) -> Result<Vec<Row>, Failure> {
    let mut rows: Vec<Row> = Vec::new();
    let mut before = String::new();
    while rows.len() < wanted.limit {
        let limit = PAGE.min(wanted.limit - rows.len());
        let path = format!("/api/log?limit={limit}&before={before}&{}", wanted.query);
        let page: Page = client.get(&path)?;
        rows.extend(page.requests);
        let Some(next) = page.next else { break };
        before = next;
    }
    Ok(rows)
}

impl From<Unreadable> for Failure {
    fn from(error: Unreadable) -> Self {
        Self::failed(error.to_string())
    }
}
