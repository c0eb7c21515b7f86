//! The tools of a request and which of them must be called.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::dialects::openai_responses::{BUILT_IN, wire};
use crate::ir::Text;
use crate::ir::error::Error;
use crate::ir::losses::Losses;
use crate::ir::request::{CustomTool, Function, HostedKind, HostedTool, Tool, ToolChoice};
use wire::text::{Loose, WordOr};

/// Adds a declared tool, and all those of a namespace. `path` names it in errors.
pub(super) fn declare<'a>(
    tool: wire::request::Tool<'a>,
    namespace: Option<&Text<'a>>,
    path: &str,
    out: &mut Vec<Tool<'a>>,
    losses: &mut Losses,
) -> Result<(), Error> {
    let local = wire::item::is_local(tool.environment.as_ref());
    if tool.defer_loading == Some(true) {
        // Every tool is declared at once: no other provider hides some until they are searched for.
        losses.drop("tools.defer_loading");
    }
    match tool.kind.0.as_ref() {
        "function" => {
            losses.drop_some(&tool.output_schema, "output_schema");
            out.push(Tool::Function(Function {
                name: named(tool.name, path)?,
                namespace: namespace.cloned(),
                description: tool.description.0,
                schema: tool.parameters.map(Cow::Borrowed),
                strict: tool.strict,
            }));
        }
        "custom" => out.push(Tool::Custom(CustomTool {
            name: named(tool.name, path)?,
            namespace: namespace.cloned(),
            description: tool.description.0,
            format: tool.format.map(Cow::Borrowed),
        })),
        "namespace" => declare_namespace(tool, path, out, losses)?,
        "local_shell" => out.extend(built_in("local_shell", &LOCAL_SHELL, None, None)),
        "shell" if local => out.extend(built_in("shell", &SHELL, None, None)),
        "apply_patch" => out.extend(built_in("apply_patch", &APPLY_PATCH, None, None)),
        "tool_search" if tool.execution.as_str() == "client" => {
            out.extend(built_in("tool_search", &TOOL_SEARCH, tool.description.0, tool.parameters));
        }
        // The provider's own search finds nothing but the tools that are declared here.
        "tool_search" => losses.drop("tool_search"),
        kind if kind.starts_with("web_search") => web_search(tool, out, losses),
        kind => {
            refuse_kept(tool.container.as_ref(), losses);
            let (kind, name) = (hosted_tool(kind), tool.kind.0);
            out.push(hosted(kind, name));
        }
    }
    Ok(())
}

/// Code that is to run beside what the provider keeps cannot run elsewhere.
fn refuse_kept(container: Option<&WordOr<'_, wire::request::Container<'_>>>, losses: &mut Losses) {
    let keeps = match container {
        None => false,
        Some(WordOr::Word(id)) => !id.is_empty(),
        Some(WordOr::Object(new)) => new.file_ids.as_ref().is_some_and(|files| !files.is_empty()),
    };
    if keeps {
        let reason = "the container's files are kept by OpenAI; send them with the conversation";
        losses.refuse("tools.container", reason);
    }
}

/// The namespace and the name under which a tool is called; `None` for one that the provider runs.
pub(super) fn names<'t>(tool: &'t Tool<'_>) -> Option<(Option<&'t str>, &'t str)> {
    match tool {
        Tool::Function(function) => Some((function.namespace.as_deref(), &function.name)),
        Tool::Custom(custom) => Some((custom.namespace.as_deref(), &custom.name)),
        Tool::Hosted(_) => None,
    }
}

fn declare_namespace<'a>(
    tool: wire::request::Tool<'a>,
    path: &str,
    out: &mut Vec<Tool<'a>>,
    losses: &mut Losses,
) -> Result<(), Error> {
    let name = named(tool.name, path)?;
    if !tool.description.as_str().is_empty() {
        losses.drop("namespace.description");
    }
    for (index, inner) in tool.tools.unwrap_or_default().into_iter().enumerate() {
        declare(inner, Some(&name), &format!("{path}.tools.{index}"), out, losses)?;
    }
    Ok(())
}

fn named<'a>(name: Loose<'a>, path: &str) -> Result<Text<'a>, Error> {
    name.0
        .filter(|name| !name.is_empty())
        .ok_or_else(|| Error::invalid(format!("{path}.name"), "a tool needs its name"))
}

fn web_search<'a>(tool: wire::request::Tool<'a>, out: &mut Vec<Tool<'a>>, losses: &mut Losses) {
    // Agents (Codex) offer a search of OpenAI's own cache as a matter of course. No other provider has that cache, and a
    // live search instead would go where the client forbade it to go.
    if tool.external_web_access == Some(false) {
        losses.drop("web_search_tool");
        return;
    }
    losses.drop_some(&tool.search_context_size, "search_context_size");
    losses.drop_some(&tool.user_location, "user_location");
    let mut search = hosted(HostedKind::WebSearch, tool.kind.0);
    let domains = |list: Option<Vec<wire::text::Str<'a>>>| {
        list.unwrap_or_default().into_iter().map(|domain| domain.0).collect()
    };
    if let (Tool::Hosted(search), Some(filters)) = (&mut search, tool.filters) {
        search.allowed_domains = domains(filters.allowed_domains);
        search.blocked_domains = domains(filters.blocked_domains);
    }
    out.push(search);
}

fn hosted_tool(name: &str) -> HostedKind {
    match name {
        "file_search" => HostedKind::FileSearch,
        "code_interpreter" => HostedKind::CodeExecution,
        "image_generation" => HostedKind::ImageGeneration,
        "mcp" => HostedKind::Mcp,
        name if name.starts_with("web_search") => HostedKind::WebSearch,
        name if name.starts_with("computer") => HostedKind::Computer,
        _ => HostedKind::Other,
    }
}

fn hosted(kind: HostedKind, name: Text<'_>) -> Tool<'_> {
    let (allowed_domains, blocked_domains) = (Vec::new(), Vec::new());
    Tool::Hosted(HostedTool { kind, name, allowed_domains, blocked_domains, max_uses: None })
}

/// A tool of OpenAI's own that the client runs, as the function that it amounts to.
struct BuiltIn {
    description: &'static str,
    schema: &'static str,
}

/// <https://platform.openai.com/docs/guides/tools-local-shell>
const LOCAL_SHELL: BuiltIn = BuiltIn {
    description: "Runs a command on the user's machine and returns its output.",
    schema: r#"{"type":"object","properties":{"command":{"type":"array","items":{"type":"string"},"description":"The command and its arguments."},"env":{"type":"object","additionalProperties":{"type":"string"},"description":"Environment variables to set."},"timeout_ms":{"type":"integer"},"user":{"type":"string"},"working_directory":{"type":"string"}},"required":["command"]}"#,
};

/// <https://platform.openai.com/docs/guides/tools-shell>
const SHELL: BuiltIn = BuiltIn {
    description: "Runs shell commands on the user's machine and returns their output.",
    schema: r#"{"type":"object","properties":{"commands":{"type":"array","items":{"type":"string"},"description":"The commands, in order."},"timeout_ms":{"type":"integer"},"max_output_length":{"type":"integer","description":"Characters of output at most."}},"required":["commands"]}"#,
};

/// <https://platform.openai.com/docs/guides/tools-apply-patch>
const APPLY_PATCH: BuiltIn = BuiltIn {
    description: "Creates, updates or deletes one file. The diff is in the V4A format: sections that begin with a line @@, \
                  with lines that begin with a space (kept), - (removed) or + (added); for a new file every line begins with +.",
    schema: r#"{"type":"object","properties":{"type":{"type":"string","enum":["create_file","update_file","delete_file"]},"path":{"type":"string","description":"The file's path, relative to the workspace."},"diff":{"type":"string","description":"The diff; not for delete_file."}},"required":["type","path"]}"#,
};

/// <https://platform.openai.com/docs/guides/tools-tool-search>
const TOOL_SEARCH: BuiltIn = BuiltIn {
    description: "Searches for further tools and makes those found callable.",
    schema: r#"{"type":"object","properties":{"query":{"type":"string"}},"required":["query"]}"#,
};

fn built_in<'a>(
    name: &'static str,
    tool: &BuiltIn,
    description: Option<Text<'a>>,
    schema: Option<&'a RawValue>,
) -> Option<Tool<'a>> {
    let schema = match schema {
        Some(schema) => schema,
        None => serde_json::from_str(tool.schema).ok()?,
    };
    Some(Tool::Function(Function {
        name: Cow::Borrowed(name),
        namespace: Some(Cow::Borrowed(BUILT_IN)),
        description: Some(description.unwrap_or(Cow::Borrowed(tool.description))),
        schema: Some(Cow::Borrowed(schema)),
        strict: None,
    }))
}

/// Whether and which tool must be called.
pub(super) fn choice<'a>(
    choice: WordOr<'a, wire::request::Choice<'a>>,
    losses: &mut Losses,
) -> Result<ToolChoice<'a>, Error> {
    let choice = match choice {
        WordOr::Word(word) => return word_choice(&word),
        WordOr::Object(choice) => choice,
    };
    match choice.kind.0.as_ref() {
        "function" | "custom" => named(choice.name, "tool_choice").map(ToolChoice::Named),
        "shell" | "local_shell" | "apply_patch" | "tool_search" => {
            Ok(ToolChoice::Named(choice.kind.0))
        }
        "allowed_tools" => Ok(allowed(choice)),
        "programmatic_tool_calling" => {
            losses.refuse("tool_choice", "programmatic tool calling is OpenAI's own");
            Ok(ToolChoice::Unset)
        }
        kind => Ok(ToolChoice::Hosted(hosted_tool(kind))),
    }
}

fn word_choice<'a>(word: &str) -> Result<ToolChoice<'a>, Error> {
    match word {
        "auto" => Ok(ToolChoice::Auto),
        "none" => Ok(ToolChoice::None),
        "required" => Ok(ToolChoice::Required),
        other => Err(Error::invalid(
            "tool_choice",
            format!("unknown tool_choice {other:?}: auto, none, required or an object"),
        )),
    }
}

fn allowed(choice: wire::request::Choice<'_>) -> ToolChoice<'_> {
    let required = choice.mode.as_str() == "required";
    // A tool that the provider runs has no name but its type.
    let names = choice.tools.into_iter().filter_map(|tool| tool.name.0.or(tool.kind.0)).collect();
    ToolChoice::Allowed { names, required }
}
