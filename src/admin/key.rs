//! The key that clients send: shown to its owner, changed, made anew.

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use rand::rngs::SysRng;
use serde::{Deserialize, Serialize};

use super::error::{Body, Error};
use super::{Admin, change};
use crate::config::edit::given::Given;
use crate::config::edit::{self, Change};
use crate::config::{Secret, key};

/// The paths of this file.
pub fn routes() -> Router<Admin> {
    Router::new().route("/api/key", get(show).post(replace))
}

/// `GET /api/key`. It holds the key, so it has no `Debug`.
#[derive(Deserialize, Serialize)]
pub struct Key {
    /// The key; nothing when there is none yet.
    pub key: Option<String>,
    /// `config`, `environment`, `saved` (made by the gateway, in its state folder) or `none`.
    pub source: String,
}

/// `POST /api/key`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// The key to use; left out: a new one is made.
    key: Option<String>,
}

/// Where the key stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Source {
    Config,
    Environment,
    Saved,
    None,
}

impl Source {
    const fn name(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::Environment => "environment",
            Self::Saved => "saved",
            Self::None => "none",
        }
    }
}

async fn show(State(admin): State<Admin>) -> Result<Json<Key>, Error> {
    change::blocking(move || key_of(&admin)).await?.map(Json)
}

async fn replace(
    State(admin): State<Admin>,
    Body(wanted): Body<Wanted>,
) -> Result<Json<Key>, Error> {
    let failed = |error: key::Error| Error::internal(error.to_string());
    let wanted = match wanted.key {
        Some(key) => Secret::new(key),
        None => key::generate(&mut SysRng).map_err(failed)?,
    };
    key::check(&wanted).map_err(|wrong| Error::bad(format!("key: {wrong}")))?;
    let (source, _) = find(&admin).map_err(failed)?;
    match source {
        Source::Environment => {
            let message = "the key is set by LEVITY_API_KEY, which wins over the file";
            return Err(Error::conflict(message)
                .with_hint("change the variable, or start the gateway without it"));
        }
        Source::Config => in_file(&admin, wanted).await?,
        Source::Saved | Source::None => {
            let hand = admin.clone();
            change::alone(&admin, async move { in_state_folder(&hand, wanted).await }).await?;
        }
    }
    change::blocking(move || key_of(&admin)).await?.map(Json)
}

/// Saves the key and puts it to work, or leaves both as they were.
async fn in_state_folder(admin: &Admin, wanted: Secret) -> Result<(), Error> {
    let before = key::saved(admin.control.loader().environment());
    let before = before.map_err(|error| Error::internal(error.to_string()))?;
    save(admin, wanted).await?;
    let Err(refused) = admin.control.reload().await else { return Ok(()) };
    // The old key is still the one that counts.
    if let Some(before) = before {
        save(admin, before).await?;
    }
    Err(refused.into())
}

/// Puts the key in the place of the one that the gateway has saved.
async fn save(admin: &Admin, key: Secret) -> Result<(), Error> {
    let admin = admin.clone();
    let saved = move || key::replace(&key, admin.control.loader().environment());
    let saved = change::blocking(saved).await?;
    saved.map_err(|error| Error::internal(error.to_string()))
}

/// Writes the key into the file that has one already; a reference to the environment is the owner's to change.
async fn in_file(admin: &Admin, key: Secret) -> Result<(), Error> {
    let path = admin.live.load().config.path.clone();
    let text = path.and_then(|path| std::fs::read_to_string(path).ok()).unwrap_or_default();
    let written = edit::written(&text, &edit::path("proxy.api_key")).unwrap_or_default();
    if written.contains("${") {
        // What is written is not repeated: a default in it is a key.
        let message = "proxy.api_key refers to the environment in the file, as ${…}";
        return Err(Error::conflict(message)
            .with_hint("change the variable, or write the key itself into the file"));
    }
    let given = Given::text(key.expose());
    let change = Change::Set(edit::path("proxy.api_key"), given);
    change::make(admin, move |_| Ok(vec![change.clone()])).await
}

fn key_of(admin: &Admin) -> Result<Key, Error> {
    let (source, key) = find(admin).map_err(|error| Error::internal(error.to_string()))?;
    Ok(Key { key: key.map(|key| key.expose().to_owned()), source: source.name().to_owned() })
}

/// The key, needed now or not, and where it comes from.
fn find(admin: &Admin) -> Result<(Source, Option<Secret>), key::Error> {
    let environment = admin.control.loader().environment();
    if let Some(key) = admin.live.load().config.proxy.api_key.clone() {
        let given = environment.get("LEVITY_API_KEY").is_some();
        return Ok((if given { Source::Environment } else { Source::Config }, Some(key)));
    }
    let saved = key::saved(environment)?;
    Ok((if saved.is_some() { Source::Saved } else { Source::None }, saved))
}
