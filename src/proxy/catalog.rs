//! Which models an account's provider has, for accounts that serve a pattern: asked of the provider, kept for a while.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::future::join_all;
use parking_lot::Mutex;
use serde::Deserialize;

use super::fetch::Fetch;
use super::upstream::Upstream;
use crate::config::Provider;
use crate::pool::account::Account;

/// How long a list is used.
const KEPT: Duration = Duration::from_mins(10);
/// How long a failure to get one is remembered.
const RETRY: Duration = Duration::from_mins(1);
/// How long a client waits for lists that are not there yet.
const PATIENCE: Duration = Duration::from_secs(5);

/// The lists of all accounts, by the pool's order.
pub struct Catalog {
    fetch: Arc<Fetch>,
    lists: Vec<Mutex<Option<List>>>,
}

#[derive(Clone)]
struct List {
    names: Arc<[String]>,
    until: Instant,
}

impl Catalog {
    /// Nothing known yet.
    pub fn new(accounts: usize, fetch: Arc<Fetch>) -> Self {
        Self { fetch, lists: (0..accounts).map(|_| Mutex::new(None)).collect() }
    }

    /// The names of the models of these accounts, as their providers list them. One whose list cannot be had is passed
    /// over.
    pub async fn names(&self, accounts: &[(&Account, &Arc<Upstream>)]) -> Vec<String> {
        let lists = accounts.iter().map(|(account, upstream)| self.of(account, upstream));
        let lists = join_all(lists).await;
        let named = accounts.iter().zip(&lists).flat_map(|((account, _), list)| {
            list.iter().filter(|name| account.upstream_model(name).is_some())
        });
        named.cloned().collect()
    }

    async fn of(&self, account: &Account, upstream: &Upstream) -> Arc<[String]> {
        let Some(slot) = self.lists.get(account.id().index()) else { return Arc::default() };
        if let Some(list) = &*slot.lock()
            && Instant::now() < list.until
        {
            return Arc::clone(&list.names);
        }
        let list = match self.ask(account, upstream).await {
            Ok(names) => List { names: names.into(), until: Instant::now() + KEPT },
            Err(error) => {
                tracing::debug!(account = account.config.name, error, "no list of models");
                List { names: Arc::default(), until: Instant::now() + RETRY }
            }
        };
        *slot.lock() = Some(list.clone());
        list.names
    }

    async fn ask(&self, account: &Account, upstream: &Upstream) -> Result<Vec<String>, String> {
        // Vertex AI has no list of what a project may use.
        if account.config.provider == Provider::Vertex {
            return Ok(Vec::new());
        }
        let Some(&dialect) = account.config.dialects.first() else { return Ok(Vec::new()) };
        let mut request = http::Request::get(upstream.models_target(dialect))
            .body(Bytes::new())
            .map_err(|error| error.to_string())?;
        upstream.sign(dialect, request.headers_mut());
        let answer = self.fetch.send(&upstream.destination, request, PATIENCE).await?;
        if !answer.status.is_success() {
            return Err(format!("status {}", answer.status));
        }
        let page: Page = serde_json::from_slice(&answer.body)
            .map_err(|error| format!("not a list of models: {error}"))?;
        Ok(page.names())
    }
}

/// The names in a list of models of any dialect; `None` where it is none.
pub fn listed(body: &[u8]) -> Option<Vec<String>> {
    serde_json::from_slice::<Page>(body).ok().map(Page::names)
}

/// A list of models in any dialect: `data[].id` at OpenAI and Anthropic, `models[].name` at Gemini.
/// <https://platform.openai.com/docs/api-reference/models/list>, <https://docs.anthropic.com/en/api/models-list>,
/// <https://ai.google.dev/api/models#method:-models.list>
#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    data: Vec<Entry>,
    #[serde(default)]
    models: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(default)]
    id: String,
    #[serde(default)]
    name: String,
}

impl Page {
    fn names(self) -> Vec<String> {
        let ids = self.data.into_iter().map(|entry| entry.id);
        let names = self.models.into_iter().map(|entry| {
            let name = entry.name.strip_prefix("models/").unwrap_or(&entry.name);
            name.to_owned()
        });
        ids.chain(names).filter(|name| !name.is_empty()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_dialects_list_is_read() {
        for (page, names) in [
            (r#"{"object":"list","data":[{"id":"gpt-5","created":1}]}"#, vec!["gpt-5"]),
            (r#"{"data":[{"type":"model","id":"claude-x"}],"has_more":false}"#, vec!["claude-x"]),
            (r#"{"models":[{"name":"models/gemini-3","version":"1"}]}"#, vec!["gemini-3"]),
            ("{}", vec![]),
        ] {
            assert_eq!(serde_json::from_str::<Page>(page).unwrap().names(), names);
        }
    }
}
