//! A call's arguments from the pieces that Vertex AI streams: each names a place in them and what to put there.
//! <https://cloud.google.com/vertex-ai/generative-ai/docs/multimodal/function-calling#streaming-fc>

use crate::dialects::gemini::wire::part::PartialArg;
use crate::dialects::gemini::wire::{Members, Raw};

/// Arguments, as far as they came.
#[derive(Debug, Default)]
pub(super) struct Arguments {
    root: Node,
}

/// A value in the making.
#[derive(Debug, Default)]
enum Node {
    /// Nothing has come for it.
    #[default]
    Empty,
    /// A whole value, as JSON.
    Whole(String),
    /// A string, and whether its next piece goes on with it.
    Text { text: String, goes_on: bool },
    /// An object's members in the order in which they began.
    Object(Vec<(String, Self)>),
    /// A list's items.
    List(Vec<Self>),
}

/// One step of a path.
enum Step {
    Key(String),
    Index(usize),
}

/// Items of a list at most: a place beyond is not made room for.
const MOST_ITEMS: usize = 10_000;

/// Steps of a path at most: deeper ones would not be writable.
const DEEPEST: usize = 100;

impl Arguments {
    /// Arguments that begin with an object.
    pub(super) fn of(args: Option<&Raw<'_>>) -> Self {
        let members = args.and_then(|raw| serde_json::from_str::<Members<'_>>(raw.0.get()).ok());
        let members = members.into_iter().flat_map(|members| members.0);
        let whole =
            members.map(|(key, value)| (key.into_owned(), Node::Whole(value.get().to_owned())));
        Self { root: Node::Object(whole.collect()) }
    }

    /// Puts a piece where it belongs.
    pub(super) fn push(&mut self, piece: &PartialArg<'_>) {
        let steps = steps(&piece.json_path.0);
        if steps.is_empty() || steps.len() > DEEPEST {
            return;
        }
        let Some(node) = steps.iter().try_fold(&mut self.root, |node, step| node.child(step))
        else {
            return;
        };
        if let Some(more) = &piece.string_value {
            let goes_on = piece.will_continue == Some(true);
            if let Node::Text { text, goes_on: open @ true } = node {
                text.push_str(&more.0);
                *open = goes_on;
            } else {
                *node = Node::Text { text: more.0.to_string(), goes_on };
            }
        } else if let Some(number) = &piece.number_value {
            *node = Node::Whole(number.0.get().to_owned());
        } else if let Some(truth) = piece.bool_value {
            *node = Node::Whole(truth.to_string());
        }
    }

    /// The arguments as JSON.
    pub(super) fn into_json(self) -> String {
        let mut out = String::new();
        self.root.write(&mut out);
        out
    }
}

impl Node {
    /// The value behind one step; what is there in another form is replaced.
    fn child(&mut self, step: &Step) -> Option<&mut Self> {
        match step {
            Step::Key(key) => {
                if !matches!(self, Self::Object(_)) {
                    *self = Self::Object(Vec::new());
                }
                let Self::Object(members) = self else { return None };
                let at = members.iter().position(|(own, _)| own == key);
                let at = at.unwrap_or_else(|| {
                    members.push((key.clone(), Self::Empty));
                    members.len() - 1
                });
                members.get_mut(at).map(|(_, value)| value)
            }
            Step::Index(index) => {
                if !matches!(self, Self::List(_)) {
                    *self = Self::List(Vec::new());
                }
                let Self::List(items) = self else { return None };
                if *index >= MOST_ITEMS {
                    return None;
                }
                while items.len() <= *index {
                    items.push(Self::Empty);
                }
                items.get_mut(*index)
            }
        }
    }

    fn write(&self, out: &mut String) {
        match self {
            Self::Empty => out.push_str("null"),
            Self::Whole(json) => out.push_str(json),
            Self::Text { text, .. } => push_text(out, text),
            Self::Object(members) => {
                out.push('{');
                for (index, (key, value)) in members.iter().enumerate() {
                    out.push_str(if index > 0 { "," } else { "" });
                    push_text(out, key);
                    out.push(':');
                    value.write(out);
                }
                out.push('}');
            }
            Self::List(items) => {
                out.push('[');
                for (index, item) in items.iter().enumerate() {
                    out.push_str(if index > 0 { "," } else { "" });
                    item.write(out);
                }
                out.push(']');
            }
        }
    }
}

fn push_text(out: &mut String, text: &str) {
    // A string always has a JSON form.
    out.push_str(&serde_json::to_string(text).unwrap_or_default());
}

/// The steps of `$.a[0]['b c']`.
fn steps(path: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut rest = path.strip_prefix('$').unwrap_or(path);
    loop {
        let (step, after) = if let Some(name) = rest.strip_prefix('.') {
            let end = name.find(['.', '[']).unwrap_or(name.len());
            let (name, after) = name.split_at(end);
            (Step::Key(name.to_owned()), after)
        } else if let Some(inside) = rest.strip_prefix('[') {
            let quote = inside.chars().next().filter(|c| matches!(c, '\'' | '"'));
            let close = quote.map_or_else(|| "]".to_owned(), |quote| format!("{quote}]"));
            let inside = quote.map_or(inside, |quote| inside.trim_start_matches(quote));
            let Some((name, after)) = inside.split_once(&close) else { return steps };
            match (quote, name.parse()) {
                (None, Ok(index)) => (Step::Index(index), after),
                _ => (Step::Key(name.to_owned()), after),
            }
        } else {
            return steps;
        };
        steps.push(step);
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assembled(pieces: &[&str]) -> String {
        let mut arguments = Arguments::of(None);
        for piece in pieces {
            arguments.push(&serde_json::from_str(piece).unwrap());
        }
        arguments.into_json()
    }

    #[test]
    fn strings_go_on() {
        let pieces = [
            r#"{"jsonPath":"$.city","stringValue":"New ","willContinue":true}"#,
            r#"{"jsonPath":"$.city","stringValue":"York","willContinue":true}"#,
            r#"{"jsonPath":"$.city","stringValue":""}"#,
            r#"{"jsonPath":"$.n","numberValue":1.50}"#,
            r#"{"jsonPath":"$.ok","boolValue":true}"#,
        ];
        assert_eq!(assembled(&pieces), r#"{"city":"New York","n":1.50,"ok":true}"#);
    }

    #[test]
    fn deep_places() {
        let pieces = [
            r#"{"jsonPath":"$.items[1].sku","stringValue":"A\"B"}"#,
            r#"{"jsonPath":"$['a b'][\"c\"]","stringValue":"x"}"#,
        ];
        let expected = r#"{"items":[null,{"sku":"A\"B"}],"a b":{"c":"x"}}"#;
        assert_eq!(assembled(&pieces), expected);
    }

    #[test]
    fn odd_paths_change_nothing() {
        for path in ["", "$", "$[99999999]", "x", "$["] {
            let piece = format!(r#"{{"jsonPath":"{path}","stringValue":"x"}}"#);
            assert!(assembled(&[&piece]).len() < 20, "{path}");
        }
        let deep = format!(r#"{{"jsonPath":"${}","boolValue":true}}"#, ".a".repeat(5000));
        assert_eq!(assembled(&[&deep]), "{}");
    }
}
