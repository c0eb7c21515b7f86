//! The way back: an account's answer with its tools called by the client's names, and custom tools with their free text.

use std::borrow::Cow;

use super::unwrap::Unwrap;
use super::{Entry, Toolbox};
use crate::ir::event::{Delta, Event, Opening};
use crate::ir::request::ToolCall;
use crate::ir::response::{Block, Response};

/// Gives an answer's calls back their own names. Where nothing was renamed, everything passes as it is.
#[derive(Debug, Default)]
pub struct Restore {
    toolbox: Toolbox,
    /// The arguments of the open call, where they hold a custom tool's text.
    unwrap: Option<Unwrap>,
    /// Reused from one delta to the next.
    text: String,
}

impl Restore {
    /// The way back from an account that got the names of `toolbox`.
    pub fn new(toolbox: Toolbox) -> Self {
        Self { toolbox, ..Self::default() }
    }

    /// Takes one event of the account's stream; calls `each` with what the client's renderer gets for it.
    pub fn push(&mut self, event: &Event<'_>, each: &mut dyn FnMut(&Event<'_>)) {
        if self.toolbox.is_empty() {
            each(event);
            return;
        }
        match event {
            Event::Open { candidate, block: Opening::ToolCall { id, name, seal, .. } } => {
                self.unwrap = None;
                let Some(entry) = self.toolbox.asked(name) else {
                    each(event);
                    return;
                };
                self.unwrap = entry.wrapped.then(Unwrap::default);
                each(&Event::Open {
                    candidate: *candidate,
                    block: Opening::ToolCall {
                        id: Cow::Borrowed(id),
                        name: Cow::Borrowed(&entry.name),
                        namespace: entry.namespace.as_deref().map(Cow::Borrowed),
                        kind: entry.kind,
                        seal: seal.clone(),
                    },
                });
            }
            Event::Delta(Delta::Arguments(piece)) => {
                let Some(unwrap) = &mut self.unwrap else {
                    each(event);
                    return;
                };
                unwrap.push(piece, &mut self.text);
                self.say(each);
            }
            Event::Close => {
                if let Some(mut unwrap) = self.unwrap.take() {
                    unwrap.finish(&mut self.text);
                    self.say(each);
                }
                each(event);
            }
            Event::Start { .. }
            | Event::Open { .. }
            | Event::Delta(_)
            | Event::Finish { .. }
            | Event::End { .. }
            | Event::Fail(_) => each(event),
        }
    }

    /// The same for a whole answer.
    pub fn response(&self, response: &mut Response<'_>) {
        if self.toolbox.is_empty() {
            return;
        }
        let blocks = response.candidates.iter_mut().flat_map(|candidate| &mut candidate.blocks);
        for block in blocks {
            if let Block::ToolCall(call) = block
                && let Some(entry) = self.toolbox.asked(&call.name)
            {
                restore(call, entry);
            }
        }
    }

    fn say(&mut self, each: &mut dyn FnMut(&Event<'_>)) {
        if !self.text.is_empty() {
            each(&Event::Delta(Delta::Arguments(Cow::Borrowed(&self.text))));
            self.text.clear();
        }
    }
}

fn restore(call: &mut ToolCall<'_>, entry: &Entry) {
    call.name = Cow::Owned(entry.name.clone());
    call.namespace = entry.namespace.clone().map(Cow::Owned);
    call.kind = entry.kind;
    if entry.wrapped {
        let mut text = String::new();
        let mut unwrap = Unwrap::default();
        unwrap.push(&call.arguments, &mut text);
        unwrap.finish(&mut text);
        call.arguments = Cow::Owned(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialects::Dialect;
    use crate::ir::fold::{Folder, unfold};
    use crate::ir::grammar::Checker;
    use crate::ir::request::{CallKind, CustomTool, Function, Request, Tool};
    use crate::ir::response::{Candidate, Finish};

    fn toolbox() -> Toolbox {
        let custom = CustomTool {
            name: "exec".into(),
            namespace: Some("functions".into()),
            ..CustomTool::default()
        };
        let function = Function { name: "get.weather".into(), ..Function::default() };
        let plain = Function { name: "plain".into(), ..Function::default() };
        let request = Request {
            tools: vec![Tool::Custom(custom), Tool::Function(function), Tool::Function(plain)],
            ..Request::default()
        };
        Toolbox::new(&request, Dialect::Anthropic)
    }

    fn call(
        namespace: Option<&'static str>,
        name: &'static str,
        arguments: &'static str,
        kind: CallKind,
    ) -> Block<'static> {
        Block::ToolCall(ToolCall {
            id: "call_1".into(),
            name: name.into(),
            namespace: namespace.map(Into::into),
            arguments: arguments.into(),
            kind,
            seal: None,
        })
    }

    fn response(blocks: Vec<Block<'static>>) -> Response<'static> {
        let candidate = Candidate { blocks, finish: Some(Finish::ToolCalls) };
        Response { candidates: vec![candidate], ..Response::default() }
    }

    fn said() -> Response<'static> {
        response(vec![
            call(None, "functions__exec", r#"{"input":"ls\n"}"#, CallKind::Function),
            call(None, "get_weather", r#"{"a":1}"#, CallKind::Function),
            call(None, "plain", r#"{"input":"x"}"#, CallKind::Function),
            call(None, "unknown", "{}", CallKind::Function),
        ])
    }

    fn expected() -> String {
        let response = response(vec![
            call(Some("functions"), "exec", "ls\n", CallKind::Custom),
            call(None, "get.weather", r#"{"a":1}"#, CallKind::Function),
            call(None, "plain", r#"{"input":"x"}"#, CallKind::Function),
            call(None, "unknown", "{}", CallKind::Function),
        ]);
        format!("{response:?}")
    }

    #[test]
    fn whole() {
        let mut response = said();
        Restore::new(toolbox()).response(&mut response);
        assert_eq!(format!("{response:?}"), expected());
    }

    #[test]
    fn streamed() {
        let mut restore = Restore::new(toolbox());
        let mut checker = Checker::new();
        let mut folder = Folder::new();
        unfold(&said(), &mut |event| {
            restore.push(event, &mut |event| {
                checker.push(event).unwrap();
                folder.push(event);
            });
        });
        assert_eq!(format!("{:?}", folder.finish().unwrap()), expected());
    }

    #[test]
    fn nothing_renamed() {
        let mut restore = Restore::new(Toolbox::default());
        let mut folder = Folder::new();
        unfold(&said(), &mut |event| restore.push(event, &mut |event| folder.push(event)));
        assert_eq!(format!("{:?}", folder.finish().unwrap()), format!("{:?}", said()));
    }
}
