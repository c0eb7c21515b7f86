//! How many tokens does a request have, about? For where no provider counts them.
//!
//! The estimate is a sum, and errs on the high side:
//! - text: a quarter of a token for each character, a whole one from U+2E80 on (Chinese, Japanese, Korean, emoji); each
//!   text is rounded up;
//! - each turn 4 and the answer's start 3, for roles and boundaries;
//! - each tool 8, with name, description and schema as text; the schema of the answer's form as text;
//! - each call and each result 4, with name, arguments and parts;
//! - an image 765 (85 where it is to be looked at in low detail), a document 3000, a recording 600, a film 8000. How long a
//!   document in base64 is, is known of texts alone: those count as text.

use super::request::{File, Format, Image, Part, Request, Source, Tool};

/// Roles and boundaries around a turn.
/// <https://cookbook.openai.com/examples/how_to_count_tokens_with_tiktoken>
const TURN: u64 = 4;
/// What the answer begins with.
const PRIMER: u64 = 3;
/// The words around a tool's declaration.
const TOOL: u64 = 8;
/// The words around a call, or around its result.
const CALL: u64 = 4;
/// An image of 1024 by 1024 to OpenAI's older models, and one in low detail.
/// <https://platform.openai.com/docs/guides/images-vision#calculating-costs>
const IMAGE: u64 = 765;
const SMALL_IMAGE: u64 = 85;
/// A document of two pages. <https://docs.anthropic.com/en/docs/build-with-claude/pdf-support>
const DOCUMENT: u64 = 3000;
/// A minute of sound.
const AUDIO: u64 = 600;
/// Half a minute of film. <https://ai.google.dev/gemini-api/docs/tokens>
const VIDEO: u64 = 8000;

/// From here on a character is about a token: the first of the Chinese, Japanese and Korean blocks.
const WIDE: char = '\u{2E80}';

/// About how many tokens a request has; never 0.
pub fn tokens(request: &Request<'_>) -> u64 {
    let turns = request.turns.iter().map(|turn| TURN + parts(&turn.parts));
    let tools = request.tools.iter().map(tool);
    PRIMER + turns.sum::<u64>() + tools.sum::<u64>() + format(&request.format)
}

fn parts(parts: &[Part<'_>]) -> u64 {
    parts.iter().map(part).sum()
}

fn part(part: &Part<'_>) -> u64 {
    match part {
        Part::Text(said) | Part::Refusal(said) => text(said),
        Part::Reasoning(thought) => text(&thought.text),
        Part::Image(medium) => image(medium),
        Part::File(document) => file(document),
        Part::Audio(_) => AUDIO,
        Part::Video(_) => VIDEO,
        Part::ToolCall(call) => CALL + text(&call.name) + text(&call.arguments),
        Part::ToolResult(result) => CALL + parts(&result.parts),
        Part::Hosted(item) => text(item.raw.get()),
    }
}

fn tool(tool: &Tool<'_>) -> u64 {
    let words = match tool {
        Tool::Function(function) => {
            text(&function.name)
                + function.description.as_deref().map_or(0, text)
                + function.schema.as_deref().map_or(0, |schema| text(schema.get()))
        }
        Tool::Custom(custom) => {
            text(&custom.name)
                + custom.description.as_deref().map_or(0, text)
                + custom.format.as_deref().map_or(0, |format| text(format.get()))
        }
        Tool::Hosted(hosted) => text(&hosted.name),
    };
    TOOL + words
}

fn format(format: &Format<'_>) -> u64 {
    match format {
        Format::Text | Format::JsonObject => 0,
        Format::JsonSchema { schema, .. } => text(schema.get()),
    }
}

fn image(image: &Image<'_>) -> u64 {
    if image.detail.as_deref() == Some("low") { SMALL_IMAGE } else { IMAGE }
}

fn file(file: &File<'_>) -> u64 {
    let is_text = file.mime.as_deref().is_some_and(|mime| mime.starts_with("text/"));
    let inside = match &file.source {
        Source::Text(said) => text(said),
        // Four characters of base64 are three bytes.
        Source::Base64(data) if is_text => quarters(data.len() as u64 / 4 * 3),
        Source::Base64(_) | Source::Url(_) | Source::FileId(_) => DOCUMENT,
    };
    inside + file.name.as_deref().map_or(0, text) + file.context.as_deref().map_or(0, text)
}

fn text(text: &str) -> u64 {
    quarters(text.chars().map(|character| if character < WIDE { 1 } else { 4 }).sum())
}

const fn quarters(count: u64) -> u64 {
    count.div_ceil(4)
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use serde_json::value::RawValue;

    use super::*;
    use crate::ir::request::{Function, Role, ToolCall, ToolResult, Turn};

    const BARE: u64 = PRIMER + TURN;

    fn of_parts(parts: Vec<Part<'_>>) -> u64 {
        tokens(&Request { turns: vec![Turn { role: Role::User, parts }], ..Request::default() })
    }

    fn of_file(mime: &'static str, source: Source<'static>) -> u64 {
        let mime = Some(mime.into());
        let file = File { source, mime, name: None, context: None, cite: false };
        of_parts(vec![Part::File(file)])
    }

    #[test]
    fn nothing_is_not_zero() {
        assert!(tokens(&Request::default()) > 0);
    }

    #[test]
    fn characters_of_texts() {
        for (said, expected) in [
            ("a", 1),
            ("abcd", 1),
            ("abcde", 2),
            ("Grüße", 2),
            ("\u{4F60}\u{597D}", 2),
            ("\u{3053}\u{3093} hi", 3),
            ("\u{D55C}\u{AE00}", 2),
        ] {
            assert_eq!(of_parts(vec![Part::Text(said.into())]), BARE + expected, "{said}");
        }
    }

    #[test]
    fn media_have_fixed_costs() {
        let image = |detail: Option<&'static str>| {
            let detail = detail.map(Cow::from);
            Part::Image(Image { source: Source::Base64("AAAA".into()), mime: None, detail })
        };
        assert_eq!(of_parts(vec![image(None)]), BARE + IMAGE);
        assert_eq!(of_parts(vec![image(Some("low"))]), BARE + SMALL_IMAGE);
        let data = || "QUJD".repeat(100);
        assert_eq!(of_file("application/pdf", Source::Base64(data().into())), BARE + DOCUMENT);
        assert_eq!(of_file("text/plain", Source::Base64(data().into())), BARE + 75);
        assert_eq!(of_file("text/plain", Source::Text("abcd".into())), BARE + 1);
    }

    #[test]
    fn tools_calls_and_results_count() {
        let schema = RawValue::from_string(r#"{"type":"object"}"#.to_owned()).unwrap();
        let function = Function {
            name: "look".into(),
            description: Some("Looks it up".into()),
            schema: Some(Cow::Owned(schema)),
            ..Function::default()
        };
        let tools = vec![Tool::Function(function)];
        assert_eq!(tokens(&Request { tools, ..Request::default() }), PRIMER + TOOL + 1 + 3 + 5);
        let call = ToolCall {
            id: "call_1".into(),
            name: "look".into(),
            namespace: None,
            arguments: "{\"a\":1}".into(),
            kind: crate::ir::request::CallKind::Function,
            seal: None,
        };
        assert_eq!(of_parts(vec![Part::ToolCall(call)]), BARE + CALL + 1 + 2);
        let result = ToolResult {
            call: "call_1".into(),
            name: None,
            parts: vec![Part::Text("sunny".into())],
            failed: false,
            kind: crate::ir::request::CallKind::Function,
        };
        assert_eq!(of_parts(vec![Part::ToolResult(result)]), BARE + CALL + 2);
    }
}
