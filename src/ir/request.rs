//! What a client asks.

use std::fmt;

use super::losses::Losses;
use super::seal::Seal;
use super::{Json, Text};

/// One request, whoever asked it and whoever will answer it.
#[derive(Clone, Debug, Default)]
pub struct Request<'a> {
    /// The model, as the client named it.
    pub model: Text<'a>,
    /// Whether the answer is to be streamed.
    pub stream: bool,
    /// The conversation so far, in order. System texts stand where the client put them; the leading ones are the
    /// system prompt.
    pub turns: Vec<Turn<'a>>,
    /// The tools that the model may call.
    pub tools: Vec<Tool<'a>>,
    /// Whether and which tool it must call.
    pub tool_choice: ToolChoice<'a>,
    /// Whether it may call several tools in one turn; `None` leaves it to the provider.
    pub parallel_tool_calls: Option<bool>,
    /// Tokens of the answer at most, thinking included.
    pub max_output: Option<u64>,
    /// How tokens are drawn.
    pub sampling: Sampling,
    /// Where the answer must stop.
    pub stop: Vec<Text<'a>>,
    /// How much to think, and whether to show it.
    pub reasoning: Reasoning,
    /// The form of the answer.
    pub format: Format<'a>,
    /// How long an answer the client would like.
    pub verbosity: Option<Verbosity>,
    /// How many answers; 1 unless asked.
    pub candidates: Option<u32>,
    /// Log probabilities: `Some(n)` asks for each token's own and `n` alternatives.
    pub logprobs: Option<u32>,
    /// The service tier, in the client's word.
    pub service_tier: Option<Text<'a>>,
    /// Who the end user is (OpenAI `safety_identifier` or `user`, Anthropic `metadata.user_id`).
    pub user: Option<Text<'a>>,
    /// The client's own prompt cache key (OpenAI `prompt_cache_key`).
    pub cache_key: Option<Text<'a>>,
    /// OpenAI's `metadata` object (string to string).
    pub metadata: Option<Json<'a>>,
    /// What the client's renderer needs of the request when the answer comes.
    pub reply: ReplyForm<'a>,
    /// Fields that the client set and that no neutral word exists for: dropped whatever the target is.
    pub unsaid: Losses,
}

/// How the client wants its answer written: read by the renderer of the client's dialect alone.
#[derive(Clone, Debug, Default)]
pub struct ReplyForm<'a> {
    /// Chat: `stream_options.include_usage`. The other dialects always tell.
    pub include_usage: bool,
    /// Gemini: a stream without `alt=sse` is one JSON array.
    pub array_stream: bool,
    /// Responses: the request's own settings that a response object repeats (`instructions`, `tools`, `metadata` …), as
    /// the members of a JSON object, without braces.
    pub echo: Option<Text<'a>>,
}

/// One turn of the conversation: a run of parts by one speaker.
#[derive(Clone, Debug)]
pub struct Turn<'a> {
    /// Who speaks.
    pub role: Role,
    /// What is said, in order. A `Tool` turn holds `Part::ToolResult` alone, and no other turn holds one.
    pub parts: Vec<Part<'a>>,
}

/// Who speaks in a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// The operator's instructions.
    System,
    /// OpenAI's newer word for it; a system text to the others.
    Developer,
    /// The user.
    User,
    /// The model.
    Assistant,
    /// The client's tools, answering calls.
    Tool,
}

/// One piece of a turn.
#[derive(Clone, Debug)]
pub enum Part<'a> {
    /// Plain text. Never empty once parsed.
    Text(Text<'a>),
    /// The model's refusal to answer, in a history.
    Refusal(Text<'a>),
    /// The model's thinking, in a history. `text` may be empty where only the seal is known.
    Reasoning(ReasoningPart<'a>),
    /// An image.
    Image(Image<'a>),
    /// A document: PDF, plain text, any other file.
    File(File<'a>),
    /// A sound recording.
    Audio(Media<'a>),
    /// A film.
    Video(Media<'a>),
    /// The model called a tool.
    ToolCall(ToolCall<'a>),
    /// What the tool answered.
    ToolResult(ToolResult<'a>),
    /// Something that happened on the provider's side (a search, code that it ran), in its own words.
    Hosted(HostedItem<'a>),
}

/// Thinking, with its provider's proof.
#[derive(Clone, Debug, Default)]
pub struct ReasoningPart<'a> {
    /// What is readable of it; paragraphs of several summary parts are joined by a blank line.
    pub text: Text<'a>,
    /// What the provider needs back.
    pub seal: Option<Seal<'a>>,
}

/// Where the bytes of a medium are.
#[derive(Clone, Debug)]
pub enum Source<'a> {
    /// Standard base64, without a `data:` prefix.
    Base64(Text<'a>),
    /// A web address; never fetched by the gateway.
    Url(Text<'a>),
    /// A file kept by the provider: means something to that provider alone.
    FileId(Text<'a>),
    /// The text itself (a plain text document).
    Text(Text<'a>),
}

/// Whether an address is one of the web. Any other could only mean the disk of whoever reads it.
pub fn is_web(address: &str) -> bool {
    address.starts_with("https://") || address.starts_with("http://")
}

/// Bytes as a `data:` address. A comma ends the media type, so one that stands in it is escaped.
/// <https://www.rfc-editor.org/rfc/rfc2397>
#[derive(Clone, Copy, Debug)]
pub struct DataAddress<'a> {
    /// The media type.
    pub mime: &'a str,
    /// Standard base64.
    pub base64: &'a str,
}

impl fmt::Display for DataAddress<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("data:")?;
        for (at, piece) in self.mime.split(',').enumerate() {
            f.write_str(if at == 0 { "" } else { "%2C" })?;
            f.write_str(piece)?;
        }
        write!(f, ";base64,{}", self.base64)
    }
}

/// A medium of a known type.
#[derive(Clone, Debug)]
pub struct Media<'a> {
    /// Where its bytes are.
    pub source: Source<'a>,
    /// Its media type (`audio/wav`), where known.
    pub mime: Option<Text<'a>>,
}

/// An image and how closely to look at it.
#[derive(Clone, Debug)]
pub struct Image<'a> {
    /// Where its bytes are.
    pub source: Source<'a>,
    /// Its media type (`image/png`), where known.
    pub mime: Option<Text<'a>>,
    /// OpenAI's `detail`: `low`, `high`, `auto`, `original`.
    pub detail: Option<Text<'a>>,
}

/// A document.
#[derive(Clone, Debug)]
pub struct File<'a> {
    /// Where its bytes are.
    pub source: Source<'a>,
    /// Its media type (`application/pdf`), where known.
    pub mime: Option<Text<'a>>,
    /// Its file name or title.
    pub name: Option<Text<'a>>,
    /// What the client says about it (Anthropic `context`).
    pub context: Option<Text<'a>>,
    /// Whether the answer should cite it (Anthropic `citations.enabled`).
    pub cite: bool,
}

impl File<'_> {
    /// A text document with its title and what the client says about it before it.
    pub fn titled<'t>(&self, text: &'t str) -> Text<'t> {
        let head: Vec<&str> = self.name.iter().chain(&self.context).map(AsRef::as_ref).collect();
        if head.is_empty() {
            return Text::Borrowed(text);
        }
        Text::Owned(format!("{}\n\n{text}", head.join("\n")))
    }
}

/// A call of a tool by the model.
#[derive(Clone, Debug)]
pub struct ToolCall<'a> {
    /// The call's id, unique in the conversation; empty where the dialect has none (Gemini), then the parser makes one.
    pub id: Text<'a>,
    /// The tool's name, as the client declared it.
    pub name: Text<'a>,
    /// OpenAI's namespace of the tool, where it has one.
    pub namespace: Option<Text<'a>>,
    /// Its arguments: JSON text for a function (may be cut short in an answer that hit the length limit; empty means
    /// none), free text for a custom tool.
    pub arguments: Text<'a>,
    /// What kind of tool is called.
    pub kind: CallKind,
    /// What the provider needs back with this call (Gemini `thoughtSignature`).
    pub seal: Option<Seal<'a>>,
}

/// What kind of tool a call is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum CallKind {
    /// A function: its arguments are a JSON object.
    #[default]
    Function,
    /// An OpenAI custom tool: its input is free text.
    Custom,
}

/// The answer of a tool.
#[derive(Clone, Debug)]
pub struct ToolResult<'a> {
    /// The id of the call that it answers.
    pub call: Text<'a>,
    /// The tool's name, where the dialect says it (Gemini) or the parser found the call.
    pub name: Option<Text<'a>>,
    /// What it answered: text, images, files. A JSON object (Gemini) is one text part holding that JSON.
    pub parts: Vec<Part<'a>>,
    /// Whether it says that it failed.
    pub failed: bool,
    /// What kind of tool was called.
    pub kind: CallKind,
}

/// An item of a tool that the provider runs itself.
#[derive(Clone, Debug)]
pub struct HostedItem<'a> {
    /// Which tool.
    pub tool: HostedKind,
    /// The item's type in its provider's words (`web_search_call`, `server_tool_use`).
    pub name: Text<'a>,
    /// The item as it came.
    pub raw: Json<'a>,
}

/// A tool that the model may use.
#[derive(Clone, Debug)]
pub enum Tool<'a> {
    /// Called with a JSON object, run by the client.
    Function(Function<'a>),
    /// OpenAI's custom tool: called with free text, run by the client.
    Custom(CustomTool<'a>),
    /// Run by the provider.
    Hosted(HostedTool<'a>),
}

/// A function that the client runs.
#[derive(Clone, Debug, Default)]
pub struct Function<'a> {
    /// Its name, as declared.
    pub name: Text<'a>,
    /// OpenAI's namespace, where it stands in one.
    pub namespace: Option<Text<'a>>,
    /// What it does.
    pub description: Option<Text<'a>>,
    /// JSON Schema of its arguments. Schemas in Gemini's own form arrive here already as JSON Schema.
    pub schema: Option<Json<'a>>,
    /// Whether the arguments must follow the schema to the letter.
    pub strict: Option<bool>,
}

/// A tool called with free text.
#[derive(Clone, Debug, Default)]
pub struct CustomTool<'a> {
    /// Its name, as declared.
    pub name: Text<'a>,
    /// OpenAI's namespace, where it stands in one.
    pub namespace: Option<Text<'a>>,
    /// What it does.
    pub description: Option<Text<'a>>,
    /// OpenAI's `format` (`{"type":"grammar","syntax":"lark","definition":…}`), as declared.
    pub format: Option<Json<'a>>,
}

/// A tool that the provider runs.
#[derive(Clone, Debug)]
pub struct HostedTool<'a> {
    /// Which one.
    pub kind: HostedKind,
    /// Its type in the client's words (`web_search_20250305`), for messages.
    pub name: Text<'a>,
    /// Domains to search alone, where the client said so (web search).
    pub allowed_domains: Vec<Text<'a>>,
    /// Domains never to search.
    pub blocked_domains: Vec<Text<'a>>,
    /// Uses at most.
    pub max_uses: Option<u32>,
}

/// The tools that providers run, by what they do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HostedKind {
    /// Searches the web.
    WebSearch,
    /// Reads a page of the web.
    WebFetch,
    /// Runs code.
    CodeExecution,
    /// Searches the owner's files.
    FileSearch,
    /// Uses a computer's screen and keyboard.
    Computer,
    /// Calls a server of the Model Context Protocol.
    Mcp,
    /// Draws an image.
    ImageGeneration,
    /// Anything else, named in words.
    Other,
}

impl HostedKind {
    /// The name under which an item of such a tool is reported as lost.
    pub const fn name(self) -> &'static str {
        match self {
            Self::WebSearch => "web_search",
            Self::WebFetch => "web_fetch",
            Self::CodeExecution => "code_execution",
            Self::FileSearch => "file_search",
            Self::Computer => "computer",
            Self::Mcp => "mcp",
            Self::ImageGeneration => "image_generation",
            Self::Other => "hosted_tool",
        }
    }
}

/// Whether and which tool must be called.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum ToolChoice<'a> {
    /// Not said: the provider's default, which is `Auto`.
    #[default]
    Unset,
    /// The model decides.
    Auto,
    /// No call.
    None,
    /// At least one call.
    Required,
    /// This one.
    Named(Text<'a>),
    /// Only some of the tools; `required` asks for at least one call among them.
    Allowed {
        /// Their names.
        names: Vec<Text<'a>>,
        /// Whether one must be called.
        required: bool,
    },
    /// A tool that the provider runs.
    Hosted(HostedKind),
}

/// How tokens are drawn; `None` leaves the provider's default.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sampling {
    /// 0 to 2 (Anthropic: to 1).
    pub temperature: Option<f64>,
    /// 0 to 1.
    pub top_p: Option<f64>,
    /// Tokens to choose from.
    pub top_k: Option<u64>,
    /// For repeatable answers.
    pub seed: Option<i64>,
    /// −2 to 2.
    pub presence_penalty: Option<f64>,
    /// −2 to 2.
    pub frequency_penalty: Option<f64>,
}

/// How much to think, and whether to show it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reasoning {
    /// How much.
    pub amount: Amount,
    /// Whether readable thoughts are wanted: OpenAI `summary`, Gemini `includeThoughts`, Anthropic `display`. `None`
    /// leaves the provider's default.
    pub show: Option<bool>,
}

/// How much to think.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Amount {
    /// Not said.
    #[default]
    Unset,
    /// Not at all.
    Off,
    /// As much as the model sees fit (Anthropic `adaptive`, Gemini budget −1), with an effort where one is said.
    Adaptive(Option<Effort>),
    /// A level.
    Effort(Effort),
    /// Tokens at most.
    Budget(u64),
}

/// Levels of thinking, from least to most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Effort {
    /// As little as possible.
    Minimal,
    /// Little.
    Low,
    /// Some.
    Medium,
    /// Much.
    High,
    /// More than `High` (OpenAI `xhigh`).
    ExtraHigh,
    /// Everything the model can (Anthropic `max`).
    Max,
}

/// How long an answer the client would like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verbosity {
    /// Short.
    Low,
    /// As usual.
    Medium,
    /// Long.
    High,
}

/// The form of the answer.
#[derive(Clone, Debug, Default)]
pub enum Format<'a> {
    /// Free text.
    #[default]
    Text,
    /// Any JSON object.
    JsonObject,
    /// JSON that follows a schema.
    JsonSchema {
        /// The schema's name; OpenAI alone asks for one.
        name: Option<Text<'a>>,
        /// What it is for.
        description: Option<Text<'a>>,
        /// The JSON Schema.
        schema: Json<'a>,
        /// Whether it must be followed to the letter.
        strict: Option<bool>,
    },
}
