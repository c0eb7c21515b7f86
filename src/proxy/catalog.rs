//! Which models an account's provider has, for accounts that serve a pattern: asked of the provider, kept for a while.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::join_all;
use parking_lot::Mutex;
use pingora::connectors::ConnectorOptions;
use pingora::connectors::http::Connector;
use pingora::http::RequestHeader;
use pingora::{Error, ErrorType, Result};
use serde::Deserialize;

use super::upstream::Upstream;
use crate::pool::account::Account;

/// How long a list is used.
const KEPT: Duration = Duration::from_mins(10);
/// How long a failure to get one is remembered.
const RETRY: Duration = Duration::from_mins(1);
/// How long a client waits for lists that are not there yet.
const PATIENCE: Duration = Duration::from_secs(5);
/// A list of all models of the largest provider is a tenth of this.
const LIST_READ: usize = 4 * 1024 * 1024;

/// The lists of all accounts, by the pool's order.
pub struct Catalog {
    connector: Connector<()>,
    lists: Vec<Mutex<Option<List>>>,
}

#[derive(Clone)]
struct List {
    names: Arc<[String]>,
    until: Instant,
}

impl Catalog {
    /// Nothing known yet. `certificates` is the file of authorities to trust.
    pub fn new(accounts: usize, certificates: Option<String>) -> Self {
        let mut options = ConnectorOptions::new(16);
        options.ca_file = certificates;
        Self {
            connector: Connector::new(Some(options)),
            lists: (0..accounts).map(|_| Mutex::new(None)).collect(),
        }
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
        let asked = tokio::time::timeout(PATIENCE, self.ask(account, upstream)).await;
        let list = match asked {
            Ok(Ok(names)) => List { names: names.into(), until: Instant::now() + KEPT },
            Ok(Err(error)) => {
                tracing::debug!(account = account.config.name, %error, "no list of models");
                List { names: Arc::default(), until: Instant::now() + RETRY }
            }
            Err(_) => List { names: Arc::default(), until: Instant::now() + RETRY },
        };
        *slot.lock() = Some(list.clone());
        list.names
    }

    async fn ask(&self, account: &Account, upstream: &Upstream) -> Result<Vec<String>> {
        let Some(&dialect) = account.config.dialects.first() else { return Ok(Vec::new()) };
        let unreachable = |error| Error::because(ErrorType::ConnectError, "looking up", error);
        let peer = upstream.peer().await.map_err(unreachable)?;
        let (mut session, _) = self.connector.get_http_session(&peer).await?;
        session.set_read_timeout(Some(PATIENCE));
        let target = upstream.models_target(dialect);
        let (mut head, ()) = http::Request::get(target)
            .header(http::header::ACCEPT_ENCODING, "identity")
            .body(())
            .map_err(|error| Error::because(ErrorType::InternalError, "the list's path", error))?
            .into_parts();
        upstream.sign(dialect, &mut head.headers);
        session.write_request_header(Box::new(RequestHeader::from(head))).await?;
        session.finish_request_body().await?;
        session.read_response_header().await?;
        let status = session.response_header().map(|head| head.status);
        let mut body = Vec::new();
        while let Some(chunk) = session.read_response_body().await? {
            body.extend_from_slice(&chunk);
            if body.len() > LIST_READ {
                return Error::e_explain(ErrorType::ReadError, "the list is too long");
            }
        }
        self.connector.release_http_session(session, &peer, None).await;
        if !status.is_some_and(|status| status.is_success()) {
            return Error::e_explain(ErrorType::HTTPStatus(0), format!("status {status:?}"));
        }
        let page: Page = serde_json::from_slice(&body)
            .map_err(|error| Error::because(ErrorType::ReadError, "the list of models", error))?;
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
