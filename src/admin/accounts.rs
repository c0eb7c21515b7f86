//! The accounts: how each fares, and how the owner adds, changes and removes one.

use std::time::Instant;

use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequestParts, Path, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::routing::{get, patch, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

use super::error::{Body, Error};
use super::settings::ordered;
use super::{Admin, change, written};
use crate::clock::Now;
use crate::config::Config;
use crate::config::edit::given::Given;
use crate::config::edit::{self, Change};
use crate::loader::Loader;
use crate::pool::account::{self, Tokens};
use crate::pool::cooldown::{Cause, Standing};
use crate::pool::limits;

/// The paths of this file.
pub fn routes() -> Router<Admin> {
    Router::new()
        .route("/api/accounts", get(list).post(add))
        .route("/api/accounts/{name}", patch(alter).delete(remove))
        .route("/api/accounts/{name}/reset", post(reset))
}

/// `GET /api/accounts`
#[derive(Debug, Deserialize, Serialize)]
pub struct Accounts {
    /// In the file's order.
    pub accounts: Vec<Account>,
}

/// An account as configured, and how it fares.
#[derive(Debug, Deserialize, Serialize)]
pub struct Account {
    /// The owner's label.
    pub name: String,
    /// Whose API it is.
    pub provider: String,
    /// What it speaks, best first.
    pub dialects: Vec<String>,
    /// Where it is.
    pub base_url: String,
    /// What it serves.
    pub models: Vec<String>,
    /// Names that it gets instead.
    #[serde(with = "ordered")]
    pub model_map: Vec<(String, String)>,
    /// `pooled`, `exclusive`, `fallback` or `off`.
    pub dispatch: String,
    /// The client dialects that it serves.
    pub clients: Vec<String>,
    /// Its share of the load.
    pub weight: u32,
    /// Requests at a time; 0: no limit.
    pub max_concurrency: u32,
    /// Whether it takes part.
    pub enabled: bool,
    /// Whether it has a key.
    pub has_key: bool,
    /// Where it comes from: `file`, `environment` or `demo`.
    pub from: String,
    /// Whether it can be asked.
    #[serde(flatten)]
    pub health: Health,
    /// The models of it that cannot be asked.
    pub resting_models: Vec<Resting>,
    /// Requests under way.
    pub in_flight: u32,
    /// What became of its requests.
    pub tally: Tally,
    /// What its answers have cost.
    pub tokens: Spent,
    /// The limits that its provider has last told.
    pub limits: Vec<Limit>,
}

/// Whether something can be asked, why not, and until when.
#[derive(Debug, Deserialize, Serialize)]
pub struct Health {
    /// `ok`, `resting` (avoided for a moment), `limited` (not asked for a while), `rejected` (its key is not taken) or
    /// `off`.
    pub health: String,
    /// Why, in words.
    pub reason: Option<String>,
    /// When that ends; nothing: when the owner changes something.
    pub until: Option<String>,
}

/// A model that cannot be asked at an account.
#[derive(Debug, Deserialize, Serialize)]
pub struct Resting {
    /// Its name there.
    pub model: String,
    /// Why, and until when.
    #[serde(flatten)]
    pub health: Health,
}

/// What became of an account's requests since the process began.
#[derive(Debug, Deserialize, Serialize)]
pub struct Tally {
    /// Begun.
    pub leased: u64,
    /// Answered.
    pub served: u64,
    /// Refused for the request's own fault.
    pub refused: u64,
    /// Refused for a limit or the key.
    pub limited: u64,
    /// Failed.
    pub failed: u64,
}

/// What an account's answers have cost in tokens, since the process began.
#[derive(Debug, Deserialize, Serialize)]
pub struct Spent {
    /// Of prompts, cached or not.
    pub input: u64,
    /// Of answers.
    pub output: u64,
    /// Of the prompts, those read from a cache.
    pub cached: u64,
}

/// A limit that a provider has told.
#[derive(Debug, Deserialize, Serialize)]
pub struct Limit {
    /// The model that it is for, by its name there.
    pub model: String,
    /// `requests`, `tokens`, `input-tokens` or `output-tokens`.
    pub what: String,
    /// The most that can be had at once.
    pub limit: u64,
    /// What is left of it.
    pub remaining: u64,
    /// When it is whole again.
    pub resets: Option<String>,
}

/// Where an account comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Origin {
    File,
    Environment,
    Demo,
}

/// The account's name in a path.
pub(super) struct Name(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for Name {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        let name: Result<Path<String>, PathRejection> =
            Path::from_request_parts(parts, state).await;
        name.map(|Path(name)| Self(name))
            .map_err(|_| Error::bad("the account's name in the path is not text"))
    }
}

async fn list(State(admin): State<Admin>) -> Json<Accounts> {
    let live = admin.live.load();
    let (loader, now) = (admin.control.loader(), Now::read());
    let accounts = live.pool.accounts().map(|account| view(account, &live.config, loader, now));
    Json(Accounts { accounts: accounts.collect() })
}

async fn add(
    State(admin): State<Admin>,
    Body(asked): Body<Given>,
) -> Result<(StatusCode, Json<Account>), Error> {
    let name = asked.text_at("name").unwrap_or_default().trim().to_owned();
    not_taken(&admin, &name)?;
    change::make(&admin, move |_| Ok(vec![Change::AddAccount(asked.clone())])).await?;
    Ok((StatusCode::CREATED, Json(one(&admin, &name)?)))
}

async fn alter(
    State(admin): State<Admin>,
    Name(name): Name,
    Body(asked): Body<Given>,
) -> Result<Json<Account>, Error> {
    changeable(&admin, &name)?;
    let after = asked.text_at("name").map_or(name.as_str(), str::trim).to_owned();
    if after != name {
        not_taken(&admin, &after)?;
    }
    let Given::Map(entries) = asked else {
        return Err(Error::bad("the request body is not a JSON object"));
    };
    let demo = admin.control.loader().demo().len();
    change::make(&admin, move |config| {
        let index = place(config, demo, &name)?;
        let set = |(key, value): &(String, Given)| {
            Change::Set(edit::account_path(index, key), value.clone())
        };
        Ok(entries.iter().map(set).collect())
    })
    .await?;
    Ok(Json(one(&admin, &after)?))
}

async fn remove(State(admin): State<Admin>, Name(name): Name) -> Result<StatusCode, Error> {
    changeable(&admin, &name)?;
    let demo = admin.control.loader().demo().len();
    change::make(&admin, move |config| {
        Ok(vec![Change::RemoveAccount(place(config, demo, &name)?)])
    })
    .await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn reset(State(admin): State<Admin>, Name(name): Name) -> Result<Json<Account>, Error> {
    let live = admin.live.load_full();
    let found = live.pool.named(&name);
    found.ok_or_else(|| unknown(&name))?.reset();
    Ok(Json(one(&admin, &name)?))
}

pub(super) fn unknown(name: &str) -> Error {
    Error::not_found(format!("there is no account named {name:?}"))
}

/// The place of an account in the file's list; the demo's stand behind them.
fn place(config: &Config, demo: usize, name: &str) -> Result<usize, Error> {
    let written = config.accounts.len().saturating_sub(demo);
    let mut accounts = config.accounts.iter().take(written);
    accounts.position(|account| account.name == name).ok_or_else(|| unknown(name))
}

fn not_taken(admin: &Admin, name: &str) -> Result<(), Error> {
    if admin.live.load().config.accounts.iter().any(|account| account.name == name) {
        return Err(Error::conflict(format!("another account is already named {name:?}")));
    }
    Ok(())
}

/// Refuses an account that does not stand in a file.
fn changeable(admin: &Admin, name: &str) -> Result<(), Error> {
    let live = admin.live.load();
    let accounts = &live.config.accounts;
    // A name that is in the file and not yet at work is looked for there.
    let Some(index) = accounts.iter().position(|account| account.name == name) else {
        return Ok(());
    };
    match origin(index, &live.config, admin.control.loader()) {
        Origin::File => Ok(()),
        Origin::Environment => {
            let message =
                format!("the account {name:?} comes from the environment, not from a file");
            Err(Error::conflict(message).with_hint("add an account, or change a setting: that begins a config file, in which this one can be changed"))
        }
        Origin::Demo => {
            let message = format!("the account {name:?} belongs to the embedded demo");
            Err(Error::conflict(message)
                .with_hint("start the gateway without --demo to be rid of it"))
        }
    }
}

fn origin(index: usize, config: &Config, loader: &Loader) -> Origin {
    if index >= config.accounts.len().saturating_sub(loader.demo().len()) {
        Origin::Demo
    } else if config.path.is_some() {
        Origin::File
    } else {
        Origin::Environment
    }
}

/// The account of a name, as it is now.
fn one(admin: &Admin, name: &str) -> Result<Account, Error> {
    let live = admin.live.load();
    let found = live.pool.named(name);
    let account = found.ok_or_else(|| unknown(name))?;
    Ok(view(account, &live.config, admin.control.loader(), Now::read()))
}

fn view(account: &account::Account, config: &Config, loader: &Loader, now: Now) -> Account {
    let own = &account.config;
    let names = |dialects: &[crate::dialects::Dialect]| {
        dialects.iter().map(|dialect| dialect.name().to_owned()).collect()
    };
    let from = match origin(account.id().index(), config, loader) {
        Origin::File => "file",
        Origin::Environment => "environment",
        Origin::Demo => "demo",
    };
    Account {
        name: own.name.clone(),
        provider: own.provider.name().to_owned(),
        dialects: names(&own.dialects),
        base_url: own.base_url.as_str().trim_end_matches('/').to_owned(),
        models: own.models.clone(),
        model_map: own.model_map.clone(),
        dispatch: own.dispatch.name().to_owned(),
        clients: names(&own.clients),
        weight: own.weight.get(),
        max_concurrency: own.max_concurrency,
        enabled: own.enabled,
        has_key: !own.api_key.is_empty() || own.vertex.is_some(),
        from: from.to_owned(),
        health: if own.is_active() {
            health(account.standing(now.monotonic), now)
        } else {
            Health { health: "off".to_owned(), reason: None, until: None }
        },
        resting_models: resting(account, now),
        in_flight: account.in_flight(),
        tally: tally(account.tally()),
        tokens: spent(account.spent()),
        limits: limits(account, now),
    }
}

fn limits(account: &account::Account, now: Now) -> Vec<Limit> {
    let of_model = |(model, limits): (std::sync::Arc<str>, Vec<limits::Limit>)| {
        limits.into_iter().map(move |limit| Limit {
            model: model.to_string(),
            what: limit.dimension.name().to_owned(),
            limit: whole(limit.most),
            remaining: whole(limit.left),
            resets: limit.whole.filter(|whole| *whole > now.monotonic).map(|whole| {
                let left = whole.saturating_duration_since(now.monotonic);
                written(now.after(left).wall)
            }),
        })
    };
    account.limits(now.monotonic).into_iter().flat_map(of_model).collect()
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a limit is a number of requests or tokens, rounded down"
)]
const fn whole(number: f64) -> u64 {
    number as u64
}

fn resting(account: &account::Account, now: Now) -> Vec<Resting> {
    let models = account.resting_models(now.monotonic).into_iter();
    let rest = |(model, standing): (std::sync::Arc<str>, Standing)| Resting {
        model: model.to_string(),
        health: health(standing, now),
    };
    let mut resting: Vec<Resting> = models.map(rest).collect();
    resting.retain(|resting| resting.health.health != "ok");
    resting.sort_by(|left, right| left.model.cmp(&right.model));
    resting
}

fn health(standing: Standing, now: Now) -> Health {
    let (health, cause, until) = match standing {
        // One request may try it, so it can be asked.
        Standing::Open | Standing::Due => ("ok", None, None),
        Standing::Resting { cause, until } => ("resting", Some(cause), Some(until)),
        Standing::Barred { cause: Cause::Rejected, until } => {
            ("rejected", Some(Cause::Rejected), until)
        }
        Standing::Barred { cause, until } => ("limited", Some(cause), until),
    };
    let wall =
        |until: Instant| written(now.after(until.saturating_duration_since(now.monotonic)).wall);
    Health {
        health: health.to_owned(),
        reason: cause.map(|cause| cause.words().to_owned()),
        until: until.map(wall),
    }
}

const fn tally(tally: account::Tally) -> Tally {
    let account::Tally { leased, served, refused, limited, failed } = tally;
    Tally { leased, served, refused, limited, failed }
}

const fn spent(tokens: Tokens) -> Spent {
    let Tokens { input, output, cached } = tokens;
    Spent { input, output, cached }
}
