//! Tool names and kinds on their way to an account: what a target's rules forbid is renamed, one to one. `restore` is the
//! way back.

pub mod restore;
mod unwrap;

use std::borrow::Cow;
use std::collections::HashSet;

use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::Dialect;
use crate::ir::request::{CallKind, CustomTool, HostedKind, Part, Request, Tool, ToolChoice};

/// How the tools of one request are named for one account. Empty where each goes as it is.
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

/// JSON Schema of the function that stands for a custom tool.
const INPUT_SCHEMA: &str = concat!(
    r#"{"type":"object","properties":{"input":{"type":"string","#,
    r#""description":"The whole input of the tool, as plain text."}},"#,
    r#""required":["input"],"additionalProperties":false}"#
);

impl Toolbox {
    /// Names every tool that the request declares or mentions, by the rules of the account's dialect.
    pub fn new(request: &Request<'_>, upstream: Dialect) -> Self {
        let tools = mentioned(request);
        let wraps = matches!(upstream, Dialect::Anthropic | Dialect::Gemini);
        let mut taken: HashSet<Cow<'_, str>> =
            hosted_names(request, upstream).map(Cow::Borrowed).collect();
        // Names that are right as they are come first: they stay, whatever the others become.
        let mut stays = Vec::with_capacity(tools.len());
        for tool in &tools {
            stays.push(
                tool.namespace.is_none()
                    && is_legal(tool.name, upstream)
                    && taken.insert(Cow::Borrowed(tool.name)),
            );
        }
        let changes =
            |(tool, stays): (&Mention<'_>, &bool)| !stays || wraps && tool.kind == CallKind::Custom;
        if !tools.iter().zip(&stays).any(changes) {
            return Self::default();
        }
        let entry = |(tool, stays): (&Mention<'_>, bool)| Entry {
            name: tool.name.to_owned(),
            namespace: tool.namespace.map(str::to_owned),
            kind: tool.kind,
            sent: if stays { tool.name.to_owned() } else { tool.rename(upstream, &mut taken) },
            wrapped: wraps && tool.kind == CallKind::Custom,
        };
        Self { entries: tools.iter().zip(stays).map(entry).collect() }
    }

    /// The name that the account gets for a tool of the client's; unchanged where it is none of the request's. A name said
    /// without its namespace (a tool choice, a result) means the first tool of that name.
    pub fn sent<'a>(&'a self, namespace: Option<&str>, name: &'a str) -> &'a str {
        let mut same = self.entries.iter().filter(|entry| entry.name == name);
        let exact = same.clone().find(|entry| entry.namespace.as_deref() == namespace);
        let found = exact.or_else(|| same.next().filter(|_| namespace.is_none()));
        found.map_or(name, |entry| &entry.sent)
    }

    /// The client's tool behind a name that the account called; `None` where it is the same tool under the same name.
    pub fn asked(&self, sent: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.sent == sent)
    }

    /// Whether every tool goes under its own name and as it is.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// A custom tool as a function, for targets without free-text tools: its description, with what the client said about
    /// the form of the text, and the JSON Schema of its arguments.
    pub fn function_for(tool: &CustomTool<'_>) -> (String, &'static str) {
        let mut description = tool.description.as_deref().unwrap_or_default().to_owned();
        let format = tool.format.as_ref();
        let format: Option<Format<'_>> =
            format.and_then(|format| serde_json::from_str(format.get()).ok());
        if let Some((syntax, definition)) = format.as_ref().and_then(Format::grammar) {
            if !description.is_empty() {
                description.push_str("\n\n");
            }
            description.push_str("`input` must follow this grammar (");
            description.push_str(syntax);
            description.push_str("):\n");
            description.push_str(definition);
        }
        (description, INPUT_SCHEMA)
    }
}

/// The arguments of the function that stands for a custom tool, as JSON: what `restore` unwraps.
pub fn wrap_input(text: &str) -> String {
    let text = serde_json::to_string(text).unwrap_or_default();
    format!(r#"{{"input":{text}}}"#)
}

/// A custom tool's `format`: in Responses its members stand beside `type`, in Chat Completions one level down.
/// <https://platform.openai.com/docs/guides/function-calling#context-free-grammars>
#[derive(Deserialize)]
struct Format<'a> {
    #[serde(borrow)]
    syntax: Option<Cow<'a, str>>,
    #[serde(borrow)]
    definition: Option<Cow<'a, str>>,
    #[serde(borrow)]
    grammar: Option<Grammar<'a>>,
}

#[derive(Deserialize)]
struct Grammar<'a> {
    #[serde(borrow)]
    syntax: Option<Cow<'a, str>>,
    #[serde(borrow)]
    definition: Option<Cow<'a, str>>,
}

impl Format<'_> {
    fn grammar(&self) -> Option<(&str, &str)> {
        let (syntax, definition) = match &self.grammar {
            Some(grammar) => (&grammar.syntax, &grammar.definition),
            None => (&self.syntax, &self.definition),
        };
        Some((syntax.as_deref().unwrap_or("lark"), definition.as_deref()?))
    }
}

/// A tool that a request declares or names.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Mention<'a> {
    namespace: Option<&'a str>,
    name: &'a str,
    kind: CallKind,
}

/// Every tool once: the declared ones first, then those of the history and of the choice that nothing declares.
fn mentioned<'a>(request: &'a Request<'_>) -> Vec<Mention<'a>> {
    let declared = request.tools.iter().filter_map(|tool| match tool {
        Tool::Function(tool) => Some((tool.namespace.as_deref(), &*tool.name, CallKind::Function)),
        Tool::Custom(tool) => Some((tool.namespace.as_deref(), &*tool.name, CallKind::Custom)),
        Tool::Hosted(_) => None,
    });
    let parts = request.turns.iter().flat_map(|turn| &turn.parts);
    let called = parts.filter_map(|part| {
        let Part::ToolCall(call) = part else { return None };
        Some((call.namespace.as_deref(), &*call.name, call.kind))
    });
    let mut tools: Vec<Mention<'a>> = Vec::with_capacity(request.tools.len());
    for (namespace, name, kind) in declared.chain(called) {
        if !tools.iter().any(|known| known.name == name && known.namespace == namespace) {
            tools.push(Mention { namespace, name, kind });
        }
    }
    let chosen: &[_] = match &request.tool_choice {
        ToolChoice::Named(name) => std::slice::from_ref(name),
        ToolChoice::Allowed { names, .. } => names,
        ToolChoice::Unset
        | ToolChoice::Auto
        | ToolChoice::None
        | ToolChoice::Required
        | ToolChoice::Hosted(_) => &[],
    };
    for name in chosen {
        // A choice says no namespace, so any tool of that name will do.
        if !tools.iter().any(|known| known.name == name) {
            tools.push(Mention { namespace: None, name, kind: CallKind::Function });
        }
    }
    tools
}

/// Names that the account's own tools take. Anthropic alone keeps them among the client's.
/// <https://docs.anthropic.com/en/docs/agents-and-tools/tool-use/web-search-tool>
fn hosted_names(request: &Request<'_>, upstream: Dialect) -> impl Iterator<Item = &'static str> {
    let of_tool = move |tool: &Tool<'_>| match tool {
        Tool::Hosted(tool) if upstream == Dialect::Anthropic => match tool.kind {
            HostedKind::WebSearch => Some("web_search"),
            HostedKind::WebFetch => Some("web_fetch"),
            HostedKind::CodeExecution => Some("code_execution"),
            HostedKind::FileSearch
            | HostedKind::Computer
            | HostedKind::Mcp
            | HostedKind::ImageGeneration
            | HostedKind::Other => None,
        },
        Tool::Hosted(_) | Tool::Function(_) | Tool::Custom(_) => None,
    };
    request.tools.iter().filter_map(of_tool)
}

/// Bytes that a name may have.
/// <https://docs.anthropic.com/en/docs/agents-and-tools/tool-use/implement-tool-use>: `^[a-zA-Z0-9_-]{1,128}$`;
/// <https://platform.openai.com/docs/api-reference/chat/create>: 64; <https://ai.google.dev/api/caching#FunctionDeclaration>: 64.
const fn longest(upstream: Dialect) -> usize {
    match upstream {
        Dialect::Anthropic => 128,
        Dialect::OpenAiChat | Dialect::OpenAiResponses | Dialect::Gemini => 64,
    }
}

fn is_legal(name: &str, upstream: Dialect) -> bool {
    let gemini = upstream == Dialect::Gemini;
    let fits = |c: u8| is_plain(c) || gemini && matches!(c, b'.' | b':');
    (1..=longest(upstream)).contains(&name.len())
        && name.bytes().all(fits)
        && (!gemini || name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_'))
}

const fn is_plain(c: u8) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, b'_' | b'-')
}

impl Mention<'_> {
    /// `namespace__name` in letters that every target takes, cut to length. Where it is cut or taken, a hash of the whole
    /// name makes it unique: the same in every turn of the conversation, and on every replica.
    fn rename(&self, upstream: Dialect, taken: &mut HashSet<Cow<'_, str>>) -> String {
        let whole = match self.namespace {
            Some(namespace) => format!("{namespace}__{}", self.name),
            None => self.name.to_owned(),
        };
        let plain = |c: char| if c.is_ascii() && is_plain(c as u8) { c } else { '_' };
        let mut name: String = whole.chars().map(plain).collect();
        if !name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
            name.insert(0, '_');
        }
        let longest = longest(upstream);
        for round in 0_u32.. {
            if name.len() <= longest && !taken.contains(name.as_str()) {
                break;
            }
            let [a, b, c, d, ..]: [u8; 32] = Sha256::digest(format!("{whole}\0{round}")).into();
            name.truncate(longest - 9);
            name = format!("{name}_{:08x}", u32::from_be_bytes([a, b, c, d]));
        }
        taken.insert(Cow::Owned(name.clone()));
        name
    }
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;

    use super::*;
    use crate::ir::request::{Function, HostedTool, Role, ToolCall, Turn};

    fn function(namespace: Option<&'static str>, name: &'static str) -> Tool<'static> {
        Tool::Function(Function {
            name: name.into(),
            namespace: namespace.map(Into::into),
            ..Function::default()
        })
    }

    fn custom(name: &'static str) -> Tool<'static> {
        Tool::Custom(CustomTool { name: name.into(), ..CustomTool::default() })
    }

    fn with(tools: Vec<Tool<'static>>) -> Request<'static> {
        Request { tools, ..Request::default() }
    }

    #[test]
    fn names_that_fit_stay() {
        let request = with(vec![function(None, "get_weather"), function(None, "a-b")]);
        for dialect in Dialect::ALL {
            let toolbox = Toolbox::new(&request, dialect);
            assert!(toolbox.is_empty());
            assert_eq!(toolbox.sent(None, "get_weather"), "get_weather");
        }
    }

    #[test]
    fn names_that_do_not_fit() {
        use Dialect::{Anthropic, Gemini, OpenAiChat};
        let long = "x".repeat(129);
        let cases = [
            (None, "a.b", OpenAiChat, "a_b"),
            (None, "a.b:c", Gemini, "a.b:c"),
            (None, "1st", Gemini, "_1st"),
            (None, "1st", Anthropic, "1st"),
            (None, "wetter für", Anthropic, "wetter_f_r"),
            (Some("shell"), "run", Anthropic, "shell__run"),
            (Some("mcp:x"), "run", OpenAiChat, "mcp_x__run"),
            (None, "", Gemini, "_"),
        ];
        for (namespace, name, dialect, sent) in cases {
            let request = with(vec![function(namespace, name)]);
            let toolbox = Toolbox::new(&request, dialect);
            assert_eq!(toolbox.sent(namespace, name), sent);
            if sent != name {
                assert_eq!(toolbox.asked(sent).unwrap().name, name);
            }
        }
        for (dialect, length) in [(OpenAiChat, 64), (Anthropic, 128), (Gemini, 64)] {
            let request = with(vec![Tool::Function(Function {
                name: long.clone().into(),
                ..Function::default()
            })]);
            let toolbox = Toolbox::new(&request, dialect);
            assert_eq!(toolbox.sent(None, &long).len(), length);
            let again = Toolbox::new(&request, dialect);
            assert_eq!(toolbox.sent(None, &long), again.sent(None, &long));
        }
    }

    #[test]
    fn names_stay_unique() {
        let request = with(vec![
            function(None, "a.b"),
            function(None, "a:b"),
            function(None, "a_b"),
            function(Some("a"), "b"),
            function(None, "a__b"),
        ]);
        let toolbox = Toolbox::new(&request, Dialect::OpenAiChat);
        assert_eq!(toolbox.sent(None, "a_b"), "a_b");
        assert_eq!(toolbox.sent(None, "a__b"), "a__b");
        let sent: HashSet<&str> = toolbox.entries.iter().map(|entry| &*entry.sent).collect();
        assert_eq!(sent.len(), 5);
        for entry in &toolbox.entries {
            assert!(is_legal(&entry.sent, Dialect::OpenAiChat));
            assert_eq!(toolbox.sent(entry.namespace.as_deref(), &entry.name), entry.sent);
            assert_eq!(toolbox.asked(&entry.sent), Some(entry));
        }
    }

    #[test]
    fn a_namespace_may_be_left_out() {
        let request = with(vec![function(Some("a"), "run"), function(Some("b"), "run")]);
        let toolbox = Toolbox::new(&request, Dialect::Anthropic);
        assert_eq!(toolbox.sent(Some("b"), "run"), "b__run");
        assert_eq!(toolbox.sent(None, "run"), "a__run");
        assert_eq!(toolbox.sent(Some("c"), "run"), "run");
    }

    #[test]
    fn history_and_choice_are_named_too() {
        let call = ToolCall {
            id: "1".into(),
            name: "old.tool".into(),
            namespace: None,
            arguments: "".into(),
            kind: CallKind::Function,
            seal: None,
        };
        let request = Request {
            turns: vec![Turn { role: Role::Assistant, parts: vec![Part::ToolCall(call)] }],
            tool_choice: ToolChoice::Named("other.tool".into()),
            ..Request::default()
        };
        let toolbox = Toolbox::new(&request, Dialect::Anthropic);
        assert_eq!(toolbox.sent(None, "old.tool"), "old_tool");
        assert_eq!(toolbox.sent(None, "other.tool"), "other_tool");
    }

    #[test]
    fn the_providers_own_names_are_taken() {
        let hosted = Tool::Hosted(HostedTool {
            kind: HostedKind::WebSearch,
            name: "web_search".into(),
            allowed_domains: vec![],
            blocked_domains: vec![],
            max_uses: None,
        });
        let request = with(vec![function(None, "web_search"), hosted]);
        let toolbox = Toolbox::new(&request, Dialect::Anthropic);
        assert!(toolbox.sent(None, "web_search").starts_with("web_search_"));
        assert!(Toolbox::new(&request, Dialect::Gemini).is_empty());
    }

    #[test]
    fn custom_tools() {
        let request = with(vec![custom("apply_patch")]);
        assert!(Toolbox::new(&request, Dialect::OpenAiChat).is_empty());
        assert!(Toolbox::new(&request, Dialect::OpenAiResponses).is_empty());
        for dialect in [Dialect::Anthropic, Dialect::Gemini] {
            let toolbox = Toolbox::new(&request, dialect);
            assert!(toolbox.asked("apply_patch").unwrap().wrapped);
        }
    }

    #[test]
    fn a_grammar_is_told_in_words() {
        let tool = |format: &str| CustomTool {
            description: Some("Patches.".into()),
            format: Some(Cow::Owned(RawValue::from_string(format.to_owned()).unwrap())),
            ..CustomTool::default()
        };
        let told = "Patches.\n\n`input` must follow this grammar (regex):\n[a-z]+";
        let flat = r#"{"type":"grammar","syntax":"regex","definition":"[a-z]+"}"#;
        let nested = r#"{"type":"grammar","grammar":{"syntax":"regex","definition":"[a-z]+"}}"#;
        for format in [flat, nested] {
            let (description, schema) = Toolbox::function_for(&tool(format));
            assert_eq!(description, told);
            assert!(serde_json::from_str::<&RawValue>(schema).is_ok());
        }
        assert_eq!(Toolbox::function_for(&tool(r#"{"type":"text"}"#)).0, "Patches.");
        assert_eq!(wrap_input("a\"\n"), r#"{"input":"a\"\n"}"#);
    }
}
