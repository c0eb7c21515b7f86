//! Tool names and kinds on their way to an account and back: what a target's rules forbid is renamed, one to one.

use crate::ir::request::{CallKind, Request};

use super::Dialect;

/// How the tools of one request are named for one account.
#[derive(Clone, Debug, Default)]
pub struct Toolbox {
    entries: Vec<Entry>,
}

/// One tool, under both of its names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The name as the client declared it.
    pub name: String,
    /// OpenAI's namespace, where it stands in one.
    pub namespace: Option<String>,
    /// What kind of tool it is to the client.
    pub kind: CallKind,
    /// The name that the account gets.
    pub sent: String,
    /// Whether a custom tool is sent as a function with one string, `input`.
    pub wrapped: bool,
}

impl Toolbox {
    /// Names every tool that the request declares or mentions, by the rules of the account's dialect.
    pub fn new(_request: &Request<'_>, _upstream: Dialect) -> Self {
        Self::default()
    }

    /// The name that the account gets for a tool of the client's; unchanged where it is none of the request's.
    pub fn sent<'a>(&'a self, namespace: Option<&str>, name: &'a str) -> &'a str {
        self.entries
            .iter()
            .find(|entry| entry.name == name && entry.namespace.as_deref() == namespace)
            .map_or(name, |entry| &entry.sent)
    }

    /// The client's tool behind a name that the account called.
    pub fn asked(&self, sent: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.sent == sent)
    }
}
