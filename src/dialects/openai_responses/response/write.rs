//! The items of an answer on their way to a client: written one after the other, whether whole or as a stream.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::super::{BUILT_IN, json, one_line, wire};
use crate::ir::request::{CallKind, ToolCall};
use crate::ir::response::Logprob;
use crate::ir::seal::{self, Seal};
use wire::output::{Annotation, Content, Item, LocalAction, Summary, TopLogprob};

/// The items so far.
#[derive(Debug)]
pub(in super::super) struct Items {
    /// Their JSON, separated by commas.
    pub(in super::super) json: Vec<u8>,
    /// How many there are.
    pub(in super::super) count: u32,
    /// What ids are made of.
    exchange: String,
    /// The ids of the calls so far: a provider that gives two calls one id would have both answered at once.
    calls: Vec<String>,
}

/// A call, as an item holds it.
#[derive(Debug)]
pub(in super::super) struct CallItem<'c> {
    pub(in super::super) call_id: &'c str,
    pub(in super::super) status: &'c str,
    pub(in super::super) name: &'c str,
    pub(in super::super) namespace: Option<&'c str>,
    pub(in super::super) kind: CallKind,
    pub(in super::super) arguments: &'c str,
}

impl<'c> CallItem<'c> {
    pub(in super::super) fn of(call: &'c ToolCall<'_>) -> Self {
        Self {
            call_id: &call.id,
            status: "completed",
            name: &call.name,
            namespace: call.namespace.as_deref(),
            kind: call.kind,
            arguments: &call.arguments,
        }
    }

    /// The prefix of its item's id.
    pub(in super::super) fn prefix(&self) -> &'static str {
        match (self.namespace, self.name, self.kind) {
            (Some(BUILT_IN), "local_shell", _) => "lsh",
            (Some(BUILT_IN), "shell", _) => "sh",
            (Some(BUILT_IN), "apply_patch", _) => "apc",
            (Some(BUILT_IN), "tool_search", _) => "tsc",
            (_, _, CallKind::Custom) => "ctc",
            (_, _, CallKind::Function) => "fc",
        }
    }

    /// The item of a call of the client's own tools.
    pub(in super::super) fn item(&self, id: &'c str) -> Item<'c> {
        let namespace = self.namespace.filter(|namespace| *namespace != BUILT_IN);
        let Self { call_id, status, name, .. } = *self;
        match self.kind {
            CallKind::Custom => {
                Item::CustomToolCall { id, status, call_id, input: self.arguments, name, namespace }
            }
            CallKind::Function => Item::FunctionCall {
                id,
                status,
                arguments: self.arguments,
                call_id,
                name,
                namespace,
            },
        }
    }

    /// The item of a call of one of OpenAI's own tools. `None` where it is none, or where its arguments cannot be the
    /// tool's: then it is shown as the function call that it is.
    fn built_in(&self, id: &'c str) -> Option<Item<'c>> {
        if self.namespace != Some(BUILT_IN) {
            return None;
        }
        let Self { call_id, status, .. } = *self;
        let object = || -> Option<&'c RawValue> {
            let raw: &'c RawValue = serde_json::from_str(self.arguments).ok()?;
            raw.get().starts_with('{').then_some(raw)
        };
        match self.name {
            "local_shell" => {
                let action: LocalAction<'c> = serde_json::from_str(self.arguments).ok()?;
                Some(Item::LocalShellCall { id, status, call_id, action })
            }
            "shell" => Some(Item::ShellCall { id, status, call_id, action: object()? }),
            "apply_patch" => {
                Some(Item::ApplyPatchCall { id, status, call_id, operation: object()? })
            }
            "tool_search" => {
                let (execution, arguments) = ("client", object()?);
                Some(Item::ToolSearchCall { id, status, call_id, execution, arguments })
            }
            _ => None,
        }
    }
}

impl Items {
    pub(in super::super) fn new(exchange: &str) -> Self {
        Self { json: Vec::new(), count: 0, exchange: exchange.to_owned(), calls: Vec::new() }
    }

    /// An id for the next item.
    pub(in super::super) fn id(&self, prefix: &str) -> String {
        [prefix, "_", &self.exchange, "_", itoa::Buffer::new().format(self.count)].concat()
    }

    /// The call's id, or a new one where it has none or another call has it.
    pub(in super::super) fn call_id(&mut self, id: &str) -> String {
        let id = if id.is_empty() || self.calls.iter().any(|known| known == id) {
            format!("call_{}_{}", self.exchange, self.count)
        } else {
            id.to_owned()
        };
        self.calls.push(id.clone());
        id
    }

    /// Appends an item; gives its JSON.
    pub(in super::super) fn push(&mut self, item: &Item<'_>) -> &[u8] {
        if self.count > 0 {
            self.json.push(b',');
        }
        self.count += 1;
        let start = self.json.len();
        json(item, &mut self.json);
        let written = self.json.get_mut(start..).unwrap_or_default();
        one_line(written);
        written
    }

    pub(in super::super) fn push_message(
        &mut self,
        id: &str,
        status: &str,
        content: &[Content<'_>],
    ) -> &[u8] {
        self.push(&Item::Message { id, status, role: "assistant", content })
    }

    pub(in super::super) fn push_reasoning(
        &mut self,
        id: &str,
        text: &str,
        encrypted_content: Option<&str>,
    ) -> &[u8] {
        let part = [Summary::SummaryText { text }];
        let summary = if text.is_empty() { &[] } else { part.as_slice() };
        self.push(&Item::Reasoning { id, summary, encrypted_content })
    }

    /// What a provider needs back with a call: a reasoning item of its own. It names its call, so that it is put on no
    /// other when it comes back.
    pub(in super::super) fn push_call_seal(
        &mut self,
        seal: &Seal<'_>,
        call_id: &str,
    ) -> (String, &[u8]) {
        let seal = Seal { id: Cow::Borrowed(call_id), ..seal.clone() };
        let id = self.id("rs");
        let sealed = seal::to_text(std::slice::from_ref(&seal));
        let json = self.push_reasoning(&id, "", Some(&sealed));
        (id, json)
    }

    pub(in super::super) fn push_call(&mut self, call: &CallItem<'_>) -> &[u8] {
        let id = self.id(call.prefix());
        self.push_call_as(&id, call)
    }

    pub(in super::super) fn push_call_as(&mut self, id: &str, call: &CallItem<'_>) -> &[u8] {
        // A function without arguments is called with an empty object.
        let arguments = match call.kind {
            CallKind::Function if call.arguments.is_empty() => "{}",
            CallKind::Function | CallKind::Custom => call.arguments,
        };
        let call = CallItem { arguments, ..*call };
        let item = call.built_in(id).unwrap_or_else(|| call.item(id));
        self.push(&item)
    }

    pub(in super::super) fn push_image(&mut self, id: &str, mime: &str, data: &str) -> &[u8] {
        let output_format = mime.strip_prefix("image/").map(|format| match format {
            "svg+xml" => "svg",
            format => format,
        });
        let (status, result) = ("completed", Some(data));
        self.push(&Item::ImageGenerationCall { id, status, result, output_format })
    }
}

/// A source of a text. Where a provider does not say which characters it supports, it supports all of them.
pub(in super::super) fn annotation<'r>(
    url: Cow<'r, str>,
    title: Cow<'r, str>,
    span: (u64, u64),
) -> Annotation<'r> {
    Annotation { start_index: span.0, end_index: span.1, url, title }
}

pub(in super::super) fn logprob(logprob: &Logprob) -> wire::output::Logprob {
    let top = |(token, logprob): &(String, f64)| TopLogprob {
        token: token.clone(),
        bytes: token.clone().into_bytes(),
        logprob: *logprob,
    };
    wire::output::Logprob {
        token: logprob.token.clone(),
        bytes: logprob.token.clone().into_bytes(),
        logprob: logprob.logprob,
        top_logprobs: logprob.top.iter().map(top).collect(),
    }
}
