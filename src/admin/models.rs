//! Which models there are, by which names, and which account serves which.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

use super::Admin;
use crate::proxy::live::Live;

/// The paths of this file.
pub fn routes() -> Router<Admin> {
    Router::new().route("/api/models", get(models))
}

/// `GET /api/models`
#[derive(Debug, Default, Deserialize, Serialize)]
pub struct Models {
    /// Other names of models, in the order in which they count.
    pub aliases: Vec<Alias>,
    /// Every model that is known by its whole name.
    pub models: Vec<Model>,
    /// What accounts serve besides.
    pub patterns: Vec<Pattern>,
    /// Models that an account gives in the place of others.
    pub maps: Vec<Map>,
}

/// Another name of a model.
#[derive(Debug, Deserialize, Serialize)]
pub struct Alias {
    /// The name, or a pattern with `*`.
    pub pattern: String,
    /// The model that is meant.
    pub model: String,
}

/// A model.
#[derive(Debug, Deserialize, Serialize)]
pub struct Model {
    /// Its name.
    pub id: String,
    /// The accounts that serve it.
    pub accounts: Vec<String>,
}

/// A pattern of models that an account serves.
#[derive(Debug, Deserialize, Serialize)]
pub struct Pattern {
    /// The account.
    pub account: String,
    /// The pattern.
    pub pattern: String,
}

/// A model that an account gives in the place of another.
#[derive(Debug, Deserialize, Serialize)]
pub struct Map {
    /// The account.
    pub account: String,
    /// What is asked for.
    pub pattern: String,
    /// What is given.
    pub model: String,
}

async fn models(State(admin): State<Admin>) -> Json<Models> {
    let live = admin.live.load_full();
    let active = || live.pool.accounts().filter(|account| account.config.is_active());
    // The providers' own lists; one that cannot be had in time is passed over.
    let asked: Vec<_> = active()
        .filter(|account| account.config.models.iter().any(|name| name.contains('*')))
        .filter_map(|account| Some((account, live.upstream(account.id())?)))
        .collect();
    let listed = live.catalog.names(&asked).await;
    Json(models_of(&live, listed))
}

/// What the configuration says, and who serves what is `listed`.
fn models_of(live: &Live, listed: Vec<String>) -> Models {
    let active = || live.pool.accounts().filter(|account| account.config.is_active());
    let mut ids: BTreeMap<String, Vec<String>> =
        listed.into_iter().map(|id| (id, Vec::new())).collect();
    let mut models = Models::default();
    for (pattern, model) in &live.config.aliases {
        models.aliases.push(Alias { pattern: pattern.clone(), model: model.clone() });
    }
    for account in active().map(|account| &account.config) {
        for name in &account.models {
            if name.contains('*') {
                let (account, pattern) = (account.name.clone(), name.clone());
                models.patterns.push(Pattern { account, pattern });
            } else {
                ids.entry(name.clone()).or_default();
            }
        }
        for (pattern, model) in &account.model_map {
            let (pattern, model) = (pattern.clone(), model.clone());
            models.maps.push(Map { account: account.name.clone(), pattern, model });
        }
    }
    for (id, accounts) in &mut ids {
        let serves = active().filter(|account| account.upstream_model(id).is_some());
        accounts.extend(serves.map(|account| account.config.name.clone()));
    }
    models.models = ids.into_iter().map(|(id, accounts)| Model { id, accounts }).collect();
    models
}
