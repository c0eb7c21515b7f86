//! The tools of a request for an account.

use serde_json::value::RawValue;

use crate::dialects::openai_chat::wire::json::{List, Object, write};
use crate::dialects::openai_chat::wire::{Str, request as wire};
use crate::dialects::tools::Toolbox;
use crate::ir::request::{CustomTool, Function, HostedKind, HostedTool, Request, Tool, ToolChoice};

use super::{Scribe, schema};

impl Scribe<'_> {
    /// Writes `tools`, and what depends on there being some.
    pub(super) fn tools(&mut self, request: &Request<'_>, body: &mut Object<'_>) {
        // `allowed_tools` is OpenAI's alone; sending only those tools says the same everywhere.
        let allowed = |name: &str| match &request.tool_choice {
            ToolChoice::Allowed { names, .. } => names.iter().any(|allowed| allowed == name),
            ToolChoice::Unset
            | ToolChoice::Auto
            | ToolChoice::None
            | ToolChoice::Required
            | ToolChoice::Named(_)
            | ToolChoice::Hosted(_) => true,
        };
        let mut list = Vec::new();
        let mut tools = List::begin(&mut list);
        let mut any = false;
        for tool in &request.tools {
            match tool {
                Tool::Function(function) if allowed(&function.name) => {
                    self.function(function, tools.object());
                    any = true;
                }
                Tool::Custom(custom) if allowed(&custom.name) => {
                    self.custom(custom, tools.object());
                    any = true;
                }
                Tool::Function(_) | Tool::Custom(_) => {}
                Tool::Hosted(hosted) => self.hosted(hosted, body),
            }
        }
        tools.end();
        if any {
            body.key("tools").extend_from_slice(&list);
            self.choice(request, body);
        }
    }

    fn function(&mut self, function: &Function<'_>, mut tool: Object<'_>) {
        let schema = function.schema.as_ref().map(|schema| schema.get());
        tool.put("type", "function");
        let mut object = tool.object("function");
        object.put("name", self.toolbox.sent(function.namespace.as_deref(), &function.name));
        object.put_some("description", function.description.as_ref());
        object.key("parameters").extend_from_slice(schema::parameters(schema).as_bytes());
        self.strict(function.strict, schema.unwrap_or("{}"), &mut object);
        object.end();
        tool.end();
    }

    fn custom(&self, custom: &CustomTool<'_>, mut tool: Object<'_>) {
        let name = self.toolbox.sent(custom.namespace.as_deref(), &custom.name);
        if self.is_wrapped(name) {
            let (description, schema) = Toolbox::function_for(custom);
            tool.put("type", "function");
            let mut object = tool.object("function");
            object.put("name", name);
            object.put("description", &description);
            object.key("parameters").extend_from_slice(schema.as_bytes());
            object.end();
            tool.end();
            return;
        }
        tool.put("type", "custom");
        let mut object = tool.object("custom");
        object.put("name", name);
        object.put_some("description", custom.description.as_ref());
        if let Some(format) = &custom.format {
            custom_format(format, object.key("format"));
        }
        object.end();
        tool.end();
    }

    /// Whether a custom tool goes as a function, to an account that knows no free text.
    pub(super) fn is_wrapped(&self, sent: &str) -> bool {
        self.toolbox.asked(sent).is_some_and(|entry| entry.wrapped)
    }

    fn hosted(&mut self, tool: &HostedTool<'_>, body: &mut Object<'_>) {
        let searches =
            tool.kind == HostedKind::WebSearch && self.family.searches(self.target.model);
        if !searches {
            let why = "the provider's Chat Completions API has no such tool for this model";
            self.losses.refuse(format!("tools.{}", tool.name), why);
            return;
        }
        if !tool.allowed_domains.is_empty() || !tool.blocked_domains.is_empty() {
            let why = "web search in Chat Completions cannot be held to domains";
            self.losses.refuse(format!("tools.{}.filters", tool.name), why);
        }
        self.losses.drop_some(&tool.max_uses, "max_uses");
        body.object("web_search_options").end();
    }

    fn choice(&mut self, request: &Request<'_>, body: &mut Object<'_>) {
        match &request.tool_choice {
            ToolChoice::Unset => {}
            ToolChoice::Auto | ToolChoice::Allowed { required: false, .. } => {
                body.put("tool_choice", "auto");
            }
            ToolChoice::None => body.put("tool_choice", "none"),
            ToolChoice::Required | ToolChoice::Allowed { required: true, .. } => {
                body.put("tool_choice", "required");
            }
            ToolChoice::Named(name) => self.named(name, &request.tools, body),
            ToolChoice::Hosted(_) => {
                let why = "Chat Completions cannot be told to call a tool of the provider's own";
                self.losses.refuse("tool_choice", why);
            }
        }
        // True is the default, and OpenAI's o-series refuses the field.
        if request.parallel_tool_calls == Some(false) {
            body.put("parallel_tool_calls", &false);
        }
    }

    fn named(&self, name: &str, tools: &[Tool<'_>], body: &mut Object<'_>) {
        let found = tools.iter().find_map(|tool| match tool {
            Tool::Function(it) if it.name == name => Some(("function", it.namespace.as_deref())),
            Tool::Custom(it) if it.name == name => Some(("custom", it.namespace.as_deref())),
            Tool::Function(_) | Tool::Custom(_) | Tool::Hosted(_) => None,
        });
        let (kind, namespace) = found.unwrap_or(("function", None));
        let name = self.toolbox.sent(namespace, name);
        let kind = if self.is_wrapped(name) { "function" } else { kind };
        let mut choice = body.object("tool_choice");
        choice.put("type", kind);
        let mut object = choice.object(kind);
        object.put("name", name);
        object.end();
        choice.end();
    }
}

/// The neutral form, like Responses, has a grammar's members beside its type; here they stand in `grammar`.
fn custom_format(format: &RawValue, out: &mut Vec<u8>) {
    let Ok(parsed) = serde_json::from_str::<wire::CustomFormat<'_>>(format.get()) else {
        write(out, format);
        return;
    };
    let Some(definition) = parsed.definition else {
        write(out, format);
        return;
    };
    let mut object = Object::begin(out);
    object.put("type", parsed.kind.as_ref().map_or("grammar", |Str(kind)| kind.as_ref()));
    let mut grammar = object.object("grammar");
    grammar.put("syntax", parsed.syntax.as_ref().map_or("lark", |Str(syntax)| syntax.as_ref()));
    grammar.put("definition", &definition.0);
    grammar.end();
    object.end();
}
