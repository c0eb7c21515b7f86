//! Everything of a request but its conversation, on its way to an account.

use serde::Serialize;
use serde_json::value::RawValue;

use super::strict;
use crate::dialects::openai_responses::BUILT_IN;
use crate::dialects::tools::Toolbox;
use crate::ir::losses::Losses;
use crate::ir::request::{
    Format, Function, HostedKind, HostedTool, Request, Tool, ToolChoice, Verbosity,
};

/// The schema of a function without arguments.
const NO_ARGUMENTS: &str = r#"{"type":"object","properties":{}}"#;

/// One of `tools`.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum ToolOut<'r> {
    Function {
        name: &'r str,
        #[serde(skip_serializing_if = "Option::is_none")]
        description: Option<&'r str>,
        parameters: Option<&'r RawValue>,
        // Always said: where it is missing the API makes the schema strict if it can, which changes it.
        strict: bool,
    },
    Custom {
        name: &'r str,
        #[serde(skip_serializing_if = "Option::is_none")]
        description: Option<&'r str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        format: Option<&'r RawValue>,
    },
    LocalShell,
    Shell,
    ApplyPatch,
    ToolSearch {
        execution: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        description: Option<&'r str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        parameters: Option<&'r RawValue>,
    },
    WebSearch {
        #[serde(skip_serializing_if = "Option::is_none")]
        filters: Option<FiltersOut<'r>>,
    },
    CodeInterpreter {
        container: ContainerOut,
    },
    ImageGeneration,
}

#[derive(Serialize)]
pub(super) struct FiltersOut<'r> {
    allowed_domains: Vec<&'r str>,
}

#[derive(Serialize)]
pub(super) struct ContainerOut {
    #[serde(rename = "type")]
    kind: &'static str,
}

/// The tools that the API can be told.
pub(super) fn tools<'r>(
    request: &'r Request<'r>,
    toolbox: &'r Toolbox,
    losses: &mut Losses,
) -> Vec<ToolOut<'r>> {
    let one = |tool: &'r Tool<'r>| match tool {
        Tool::Function(function) => Some(function_tool(function, toolbox, losses)),
        Tool::Custom(custom) => Some(ToolOut::Custom {
            name: toolbox.sent(custom.namespace.as_deref(), &custom.name),
            description: custom.description.as_deref(),
            format: custom.format.as_deref(),
        }),
        Tool::Hosted(hosted) => hosted_tool(hosted, losses),
    };
    request.tools.iter().filter_map(one).collect()
}

fn function_tool<'r>(
    function: &'r Function<'r>,
    toolbox: &'r Toolbox,
    losses: &mut Losses,
) -> ToolOut<'r> {
    let schema = function.schema.as_deref();
    let description = function.description.as_deref();
    if function.namespace.as_deref() == Some(BUILT_IN) {
        match function.name.as_ref() {
            "local_shell" => return ToolOut::LocalShell,
            "shell" => return ToolOut::Shell,
            "apply_patch" => return ToolOut::ApplyPatch,
            "tool_search" => {
                return ToolOut::ToolSearch {
                    execution: "client",
                    description,
                    parameters: schema,
                };
            }
            _ => {}
        }
    }
    let asked = function.strict.unwrap_or_default();
    let strict = asked && schema.is_some_and(strict::is_closed);
    if asked && !strict {
        losses.drop("strict");
    }
    ToolOut::Function {
        name: toolbox.sent(function.namespace.as_deref(), &function.name),
        description,
        parameters: schema.or_else(|| serde_json::from_str(NO_ARGUMENTS).ok()),
        strict,
    }
}

/// The provider-run tools that the API has too; their settings elsewhere (files, servers, screens) have no neutral form.
fn hosted_tool<'r>(hosted: &'r HostedTool<'r>, losses: &mut Losses) -> Option<ToolOut<'r>> {
    losses.drop_some(&hosted.max_uses, "max_uses");
    match hosted.kind {
        HostedKind::WebSearch => {
            if !hosted.blocked_domains.is_empty() {
                let reason = "OpenAI's web search cannot leave out domains; name allowed ones";
                losses.refuse("tools.web_search.blocked_domains", reason);
            }
            let allowed_domains: Vec<&str> =
                hosted.allowed_domains.iter().map(AsRef::as_ref).collect();
            let some = !allowed_domains.is_empty();
            Some(ToolOut::WebSearch { filters: some.then_some(FiltersOut { allowed_domains }) })
        }
        HostedKind::CodeExecution => {
            Some(ToolOut::CodeInterpreter { container: ContainerOut { kind: "auto" } })
        }
        HostedKind::ImageGeneration => Some(ToolOut::ImageGeneration),
        HostedKind::WebFetch
        | HostedKind::FileSearch
        | HostedKind::Computer
        | HostedKind::Mcp
        | HostedKind::Other => {
            let name = &hosted.name;
            losses.refuse(
                "tools",
                format!(
                    "the tool {name} is run by its provider; OpenAI Responses has no such tool"
                ),
            );
            None
        }
    }
}

/// `tool_choice`.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum ChoiceOut<'r> {
    Word(&'static str),
    Tool(ToolRef<'r>),
    Allowed {
        #[serde(rename = "type")]
        kind: &'static str,
        mode: &'static str,
        tools: Vec<ToolRef<'r>>,
    },
}

/// A tool that is referred to.
#[derive(Serialize)]
pub(super) struct ToolRef<'r> {
    #[serde(rename = "type")]
    kind: &'r str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'r str>,
}

/// Whether and which tool must be called.
pub(super) fn choice<'r>(request: &'r Request<'r>, toolbox: &'r Toolbox) -> Option<ChoiceOut<'r>> {
    let named = |name: &'r str| tool_ref(name, request, toolbox);
    match &request.tool_choice {
        ToolChoice::Unset => None,
        ToolChoice::Auto => Some(ChoiceOut::Word("auto")),
        ToolChoice::None => Some(ChoiceOut::Word("none")),
        ToolChoice::Required => Some(ChoiceOut::Word("required")),
        ToolChoice::Named(name) => Some(match named(name) {
            // These two cannot be named alone.
            tool @ ToolRef { kind: "local_shell" | "tool_search", .. } => one_of(tool),
            tool => ChoiceOut::Tool(tool),
        }),
        ToolChoice::Allowed { names, required } => Some(ChoiceOut::Allowed {
            kind: "allowed_tools",
            mode: if *required { "required" } else { "auto" },
            tools: names.iter().map(|name| named(name)).collect(),
        }),
        ToolChoice::Hosted(kind) => hosted_choice(*kind),
    }
}

fn hosted_choice<'r>(kind: HostedKind) -> Option<ChoiceOut<'r>> {
    let alone = |kind| ToolRef { kind, name: None };
    match kind {
        // Only the older `web_search_preview` can be named alone.
        HostedKind::WebSearch => Some(one_of(alone("web_search"))),
        HostedKind::CodeExecution => Some(ChoiceOut::Tool(alone("code_interpreter"))),
        HostedKind::ImageGeneration => Some(ChoiceOut::Tool(alone("image_generation"))),
        // The tool itself was refused.
        HostedKind::WebFetch
        | HostedKind::FileSearch
        | HostedKind::Computer
        | HostedKind::Mcp
        | HostedKind::Other => None,
    }
}

fn one_of(tool: ToolRef<'_>) -> ChoiceOut<'_> {
    ChoiceOut::Allowed { kind: "allowed_tools", mode: "required", tools: vec![tool] }
}

fn tool_ref<'r>(name: &'r str, request: &'r Request<'r>, toolbox: &'r Toolbox) -> ToolRef<'r> {
    for tool in &request.tools {
        match tool {
            Tool::Function(function) if function.name == name => {
                if function.namespace.as_deref() == Some(BUILT_IN) {
                    return ToolRef { kind: name, name: None };
                }
                let sent = toolbox.sent(function.namespace.as_deref(), name);
                return ToolRef { kind: "function", name: Some(sent) };
            }
            Tool::Custom(custom) if custom.name == name => {
                let sent = toolbox.sent(custom.namespace.as_deref(), name);
                return ToolRef { kind: "custom", name: Some(sent) };
            }
            Tool::Hosted(hosted) if hosted.name == name => {
                return ToolRef { kind: hosted_type(hosted.kind, name), name: None };
            }
            Tool::Function(_) | Tool::Custom(_) | Tool::Hosted(_) => {}
        }
    }
    ToolRef { kind: "function", name: Some(toolbox.sent(None, name)) }
}

/// The type under which a provider-run tool is declared here.
fn hosted_type(kind: HostedKind, name: &str) -> &str {
    match kind {
        HostedKind::WebSearch => "web_search",
        HostedKind::CodeExecution => "code_interpreter",
        HostedKind::ImageGeneration => "image_generation",
        HostedKind::WebFetch
        | HostedKind::FileSearch
        | HostedKind::Computer
        | HostedKind::Mcp
        | HostedKind::Other => name,
    }
}

/// `text`.
#[derive(Serialize)]
pub(super) struct TextOut<'r> {
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<FormatOut<'r>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    verbosity: Option<&'static str>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum FormatOut<'r> {
    JsonObject,
    JsonSchema {
        name: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        description: Option<&'r str>,
        schema: &'r RawValue,
        #[serde(skip_serializing_if = "Option::is_none")]
        strict: Option<bool>,
    },
}

/// Form and length of the answer.
pub(super) fn text<'r>(request: &'r Request<'r>, losses: &mut Losses) -> Option<TextOut<'r>> {
    let format = match &request.format {
        Format::Text => None,
        Format::JsonObject => Some(FormatOut::JsonObject),
        Format::JsonSchema { name, description, schema, strict } => {
            let open = *strict == Some(true) && !strict::is_closed(schema);
            if open {
                losses.drop("strict");
            }
            Some(FormatOut::JsonSchema {
                name: schema_name(name.as_deref()),
                description: description.as_deref(),
                schema,
                strict: if open { Some(false) } else { *strict },
            })
        }
    };
    let verbosity = request.verbosity.map(|verbosity| match verbosity {
        Verbosity::Low => "low",
        Verbosity::Medium => "medium",
        Verbosity::High => "high",
    });
    (format.is_some() || verbosity.is_some()).then_some(TextOut { format, verbosity })
}

/// The name that the API demands: at most 64 letters, digits, `_` and `-`.
fn schema_name(name: Option<&str>) -> String {
    let legal = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
    let name: String = name.unwrap_or_default().chars().take(64).map(legal).collect();
    if name.is_empty() { "response".to_owned() } else { name }
}

/// The tiers that the API knows. <https://platform.openai.com/docs/api-reference/responses/create>
pub(super) fn service_tier<'r>(request: &'r Request<'r>, losses: &mut Losses) -> Option<&'r str> {
    let tier = request.service_tier.as_deref()?;
    match tier {
        "auto" | "default" | "flex" | "scale" | "priority" | "fast" | "ultrafast" => Some(tier),
        // Anthropic's word for it.
        "standard_only" => Some("default"),
        _ => {
            losses.drop("service_tier");
            None
        }
    }
}
