//! One call of a stream, which may come in any order: id, name and arguments each when the provider likes.

use std::borrow::Cow;

use crate::dialects::openai_chat::wire::{Arguments, Scalar, Str, ToolCall as Piece};
use crate::ir::Text;
use crate::ir::request::CallKind;

/// A call so far.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) index: Option<u64>,
    pub(super) id: String,
    pub(super) name: String,
    pub(super) kind: CallKind,
    /// Arguments that were not told yet.
    pub(super) held: String,
    /// Google's signature, until it is told.
    pub(super) signature: Option<String>,
    pub(super) state: State,
    scan: Scan,
}

/// How far a call has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Waiting,
    Open,
    Closed,
}

impl Call {
    pub(super) const fn new(index: Option<u64>) -> Self {
        Self {
            index,
            id: String::new(),
            name: String::new(),
            kind: CallKind::Function,
            held: String::new(),
            signature: None,
            state: State::Waiting,
            scan: Scan::new(),
        }
    }

    /// Takes what a piece says; gives the arguments in it.
    pub(super) fn take<'a>(&mut self, piece: Piece<'a>) -> Text<'a> {
        if self.id.is_empty()
            && let Some(Str(id)) = piece.id
        {
            self.id = id.into_owned();
        }
        if let Some(Str(signature)) =
            piece.extra_content.and_then(|extra| extra.google?.thought_signature)
        {
            self.signature = Some(signature.into_owned());
        }
        let (name, arguments) = match (piece.custom, piece.function) {
            (Some(custom), _) => {
                self.kind = CallKind::Custom;
                (custom.name, custom.input.map(|Str(input)| input))
            }
            (None, Some(function)) => (function.name, self.arguments(function.arguments)),
            (None, None) => (None, None),
        };
        // Some providers repeat the name in every piece: the first stays.
        if self.name.is_empty()
            && let Some(Str(name)) = name
        {
            self.name = name.into_owned();
        }
        let arguments = arguments.unwrap_or_default();
        self.scan.feed(&arguments);
        arguments
    }

    /// An object in the place of the text is the whole of the arguments, however often it comes.
    fn arguments<'a>(&self, arguments: Option<Arguments<'a>>) -> Option<Text<'a>> {
        match arguments? {
            Arguments::Object(_) if self.scan.begun => None,
            Arguments::Text(text) | Arguments::Object(text) => Some(text),
        }
    }

    /// Whether its arguments are a whole JSON object; free text never is.
    pub(super) fn is_whole(&self) -> bool {
        self.kind == CallKind::Function && self.scan.is_whole()
    }

    /// Whether enough is known to open it: its name, and its id unless arguments come without one.
    pub(super) fn is_ready(&self) -> bool {
        !self.name.is_empty() && (!self.id.is_empty() || !self.held.is_empty())
    }
}

/// Which call a piece belongs to; `None`: it begins one.
///
/// Seen in the wild: no index, a first index of 1, the index 0 on each of several calls, the id on the first piece or on
/// all of them, a new id on every piece of one call.
pub(super) fn find(calls: &[Call], piece: &Piece<'_>) -> Option<usize> {
    let id = piece.id.as_ref().map_or("", |Str(id)| id);
    let names = [
        piece.function.as_ref().and_then(|function| function.name.as_ref()),
        piece.custom.as_ref().and_then(|custom| custom.name.as_ref()),
    ];
    let has_name = names.into_iter().flatten().any(|Str(name)| !name.is_empty());
    if let Some(index) = piece.index.as_ref().and_then(Scalar::count) {
        let (at, call) =
            calls.iter().enumerate().rev().find(|(_, call)| call.index == Some(index))?;
        let other = has_name && !id.is_empty() && !call.id.is_empty() && call.id != id;
        return (!other).then_some(at);
    }
    if !id.is_empty() {
        return calls.iter().rposition(|call| call.id == id);
    }
    if has_name { None } else { calls.len().checked_sub(1) }
}

/// The index of a piece.
pub(super) fn index(piece: &Piece<'_>) -> Option<u64> {
    piece.index.as_ref().and_then(Scalar::count)
}

/// Follows a JSON text piece by piece, to know where its object ends.
#[derive(Debug)]
struct Scan {
    depth: u32,
    in_string: bool,
    escaped: bool,
    begun: bool,
}

impl Scan {
    const fn new() -> Self {
        Self { depth: 0, in_string: false, escaped: false, begun: false }
    }

    fn feed(&mut self, text: &str) {
        for byte in text.bytes() {
            if self.in_string {
                match byte {
                    _ if self.escaped => self.escaped = false,
                    b'\\' => self.escaped = true,
                    b'"' => self.in_string = false,
                    _ => {}
                }
                continue;
            }
            match byte {
                b'"' => self.in_string = true,
                b'{' | b'[' => {
                    self.depth += 1;
                    self.begun = true;
                }
                b'}' | b']' => self.depth = self.depth.saturating_sub(1),
                _ => {}
            }
        }
    }

    const fn is_whole(&self) -> bool {
        self.begun && self.depth == 0 && !self.in_string
    }
}

/// The deprecated `function_call` as a piece of the one call that there can be.
pub(super) fn legacy(function: crate::dialects::openai_chat::wire::FunctionCall<'_>) -> Piece<'_> {
    Piece { index: Some(Scalar::Count(u64::MAX)), function: Some(function), ..Piece::default() }
}

/// A text of its own.
pub(super) fn owned(text: Text<'_>) -> Text<'static> {
    Cow::Owned(text.into_owned())
}

#[cfg(test)]
mod tests {
    use super::Scan;

    #[test]
    fn an_object_ends_where_it_ends() {
        for (pieces, whole) in [
            (&["{}"][..], true),
            (&["{\"a\":\"}", "\"}"], true),
            (&["{\"a\":\"\\", "\"}"], false),
            (&["{\"a\":[1,", "{}", "]"], false),
            (&["{\"a\":[1,", "{}", "]}\n"], true),
            (&["", " "], false),
            (&["]}"], false),
        ] {
            let mut scan = Scan::new();
            for piece in pieces {
                scan.feed(piece);
            }
            assert_eq!(scan.is_whole(), whole, "{pieces:?}");
        }
    }
}
