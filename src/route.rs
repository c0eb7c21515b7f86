//! What a path asks for: method and path → `Endpoint`, and what to say where it asks for nothing.

use std::borrow::Cow;

use http::{HeaderMap, Method};

use crate::dialects::Dialect;

/// What a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// `GET /healthz`.
    Health,
    /// `GET /` and the probes of clients.
    Probe,
    /// `OPTIONS` on any path.
    Preflight,
    /// The list of models, in the shape of a dialect.
    Models(Dialect),
    /// One model of that list.
    Model(Dialect, String),
    /// Anything that an account answers.
    Upstream(Upstream),
    /// A WebSocket upgrade on a path that has none.
    WebSocket,
}

/// A request that an account answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    /// The dialect that the client speaks.
    pub dialect: Dialect,
    /// What is to be done.
    pub operation: Operation,
    /// The model of the path (Gemini); `None` where the body names it.
    pub model: Option<String>,
}

/// What an account is asked to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// An answer; whether it streams is said in the body.
    Generate,
    /// Gemini: an answer in one piece.
    GenerateContent,
    /// Gemini: an answer as a stream.
    StreamGenerateContent,
    /// How many tokens a request has.
    CountTokens,
    /// Vectors of texts.
    Embed,
    /// Gemini: vectors of several texts.
    BatchEmbed,
    /// A response that was given before (`/v1/responses/{id}` and below): the path behind `responses/`.
    Stored(String),
}

/// Why a path leads nowhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoRoute {
    /// No such path; the dialect that it suggests.
    NotFound(Dialect),
    /// The path exists, the method doesn't; the ones that do.
    MethodNotAllowed(Dialect, &'static str),
}

impl Operation {
    /// The path behind `responses/` of a response kept by the provider.
    pub fn stored(&self) -> Option<&str> {
        if let Self::Stored(path) = self { Some(path) } else { None }
    }

    /// Whether a model answers in words, which every dialect has.
    pub const fn translatable(&self) -> bool {
        matches!(self, Self::Generate | Self::GenerateContent | Self::StreamGenerateContent)
    }

    /// Whether vectors are asked for.
    pub const fn embeds(&self) -> bool {
        matches!(self, Self::Embed | Self::BatchEmbed)
    }
}

/// Finds what a request asks for. A doubled or missing prefix that can mean only one thing is understood.
pub fn route(method: &Method, path: &str, headers: &HeaderMap) -> Result<Endpoint, NoRoute> {
    if method == Method::OPTIONS {
        return Ok(Endpoint::Preflight);
    }
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    let (prefix, rest) = split_prefix(&segments);
    let read = method == Method::GET || method == Method::HEAD;
    match rest {
        [] | ["api", "hello"] if prefix.is_empty() => {
            allow(read, Endpoint::Probe, suggested(path, headers), "GET, HEAD")
        }
        ["healthz"] => allow(read, Endpoint::Health, suggested(path, headers), "GET, HEAD"),
        ["models"] => {
            let dialect = models_dialect(prefix, headers);
            allow(read, Endpoint::Models(dialect), dialect, "GET, HEAD")
        }
        ["models", name @ ..] => model_route(method, prefix, name, headers),
        ["responses", rest @ ..] => responses_route(method, rest, headers),
        _ => post_route(method, rest)
            .unwrap_or_else(|| Err(NoRoute::NotFound(suggested(path, headers)))),
    }
}

/// The endpoints that are nothing but a POST.
fn post_route(method: &Method, rest: &[&str]) -> Option<Result<Endpoint, NoRoute>> {
    let (dialect, operation) = match rest {
        ["chat", "completions"] => (Dialect::OpenAiChat, Operation::Generate),
        ["embeddings"] => (Dialect::OpenAiChat, Operation::Embed),
        ["messages"] => (Dialect::Anthropic, Operation::Generate),
        ["messages", "count_tokens"] => (Dialect::Anthropic, Operation::CountTokens),
        _ => return None,
    };
    let endpoint = Endpoint::Upstream(Upstream { dialect, operation, model: None });
    Some(allow(method == Method::POST, endpoint, dialect, "POST"))
}

fn responses_route(
    method: &Method,
    rest: &[&str],
    headers: &HeaderMap,
) -> Result<Endpoint, NoRoute> {
    let dialect = Dialect::OpenAiResponses;
    let upstream = |operation| Endpoint::Upstream(Upstream { dialect, operation, model: None });
    match rest {
        [] if method == Method::GET && wants_websocket(headers) => Ok(Endpoint::WebSocket),
        [] => allow(method == Method::POST, upstream(Operation::Generate), dialect, "POST"),
        ["input_tokens"] => {
            allow(method == Method::POST, upstream(Operation::CountTokens), dialect, "POST")
        }
        [_] => {
            let known = matches!(*method, Method::GET | Method::DELETE);
            allow(known, upstream(Operation::Stored(rest.join("/"))), dialect, "GET, DELETE")
        }
        [_, "input_items"] => {
            let known = *method == Method::GET;
            allow(known, upstream(Operation::Stored(rest.join("/"))), dialect, "GET")
        }
        [_, "cancel"] => {
            let known = *method == Method::POST;
            allow(known, upstream(Operation::Stored(rest.join("/"))), dialect, "POST")
        }
        _ => Err(NoRoute::NotFound(dialect)),
    }
}

/// Whether a request asks for a WebSocket. Java's HTTP client offers HTTP/2 (`h2c`) with every plain request, which asks for
/// nothing and may be ignored.
fn wants_websocket(headers: &HeaderMap) -> bool {
    let mut protocols = headers.get_all(http::header::UPGRADE).iter();
    protocols.any(|value| value.as_bytes().trim_ascii().eq_ignore_ascii_case(b"websocket"))
}

/// `models/{id}` is a model of the list, `models/{id}:verb` a request to it. An id may hold slashes.
fn model_route(
    method: &Method,
    prefix: &[&str],
    name: &[&str],
    headers: &HeaderMap,
) -> Result<Endpoint, NoRoute> {
    let name = name.join("/");
    let name = decode(&name);
    let verb = name.rsplit_once(':').and_then(|(model, verb)| {
        let operation = match verb {
            "generateContent" => Operation::GenerateContent,
            "streamGenerateContent" => Operation::StreamGenerateContent,
            "countTokens" => Operation::CountTokens,
            "embedContent" => Operation::Embed,
            "batchEmbedContents" => Operation::BatchEmbed,
            _ => return None,
        };
        Some((model, operation))
    });
    let Some((model, operation)) = verb else {
        if method == Method::POST {
            // `models/x:inventContent`: a verb that nobody has.
            return Err(NoRoute::NotFound(Dialect::Gemini));
        }
        let dialect = models_dialect(prefix, headers);
        let read = method == Method::GET || method == Method::HEAD;
        return allow(read, Endpoint::Model(dialect, name.into_owned()), dialect, "GET, HEAD");
    };
    let dialect = Dialect::Gemini;
    // A base URL that ends in `/models` doubles the word: `models/models/x:generateContent`.
    let model = model.strip_prefix("models/").unwrap_or(model);
    let endpoint =
        Endpoint::Upstream(Upstream { dialect, operation, model: Some(model.to_owned()) });
    allow(method == Method::POST, endpoint, dialect, "POST")
}

fn allow(
    allowed: bool,
    endpoint: Endpoint,
    dialect: Dialect,
    methods: &'static str,
) -> Result<Endpoint, NoRoute> {
    if allowed { Ok(endpoint) } else { Err(NoRoute::MethodNotAllowed(dialect, methods)) }
}

/// Splits the segments into what a base URL may have brought along and the last endpoint named.
///
/// People put a whole endpoint into a base URL, and SDKs append their own: `/v1/chat/completions/responses`,
/// `/v1/v1/messages`, `/v1beta/v1beta/models/x`. Versions and endpoints in front of the last endpoint are passed over.
fn split_prefix<'a, 'b>(segments: &'a [&'b str]) -> (&'a [&'b str], &'a [&'b str]) {
    let mut start = 0;
    loop {
        let rest = segments.get(start..).unwrap_or_default();
        let skip = match rest {
            ["chat", "completions", _, ..] => 2,
            ["v1" | "v1beta" | "v1alpha", ..] | ["models", "v1" | "v1beta" | "models", ..] => 1,
            ["responses" | "messages", next, ..] if begins_endpoint(next) => 1,
            _ => 0,
        };
        if skip == 0 {
            return (segments.get(..start).unwrap_or_default(), rest);
        }
        start += skip;
    }
}

fn begins_endpoint(segment: &str) -> bool {
    matches!(segment, "v1" | "v1beta" | "chat" | "responses" | "messages" | "models" | "embeddings")
}

/// The dialect whose shape a model list gets: the one whose header is sent, else that of the path.
fn models_dialect(prefix: &[&str], headers: &HeaderMap) -> Dialect {
    if headers.contains_key("x-goog-api-key") || prefix.contains(&"v1beta") {
        Dialect::Gemini
    } else if headers.contains_key("anthropic-version") {
        Dialect::Anthropic
    } else {
        Dialect::OpenAiChat
    }
}

/// The dialect that a path or the headers of a request suggest, to answer an error in.
pub fn suggested(path: &str, headers: &HeaderMap) -> Dialect {
    if path.contains("v1beta") || path.contains(":generateContent") || path.contains("models/") {
        return Dialect::Gemini;
    }
    if path.contains("responses") {
        return Dialect::OpenAiResponses;
    }
    if path.contains("chat") {
        return Dialect::OpenAiChat;
    }
    if path.contains("messages") || path.contains("complete") && !path.contains("completions") {
        return Dialect::Anthropic;
    }
    if headers.contains_key("anthropic-version") || headers.contains_key("x-api-key") {
        return Dialect::Anthropic;
    }
    if headers.contains_key("x-goog-api-key") || headers.contains_key("x-goog-api-client") {
        return Dialect::Gemini;
    }
    Dialect::OpenAiChat
}

/// Percent-decodes a path segment; what is not UTF-8 then stays as it is.
fn decode(segment: &str) -> Cow<'_, str> {
    percent_encoding::percent_decode_str(segment).decode_utf8().unwrap_or(Cow::Borrowed(segment))
}

#[cfg(test)]
mod tests {
    use super::*;
    use Dialect::{Anthropic, Gemini, OpenAiChat, OpenAiResponses};

    fn upstream(dialect: Dialect, operation: Operation) -> Endpoint {
        Endpoint::Upstream(Upstream { dialect, operation, model: None })
    }

    fn gemini(operation: Operation, model: &str) -> Endpoint {
        Endpoint::Upstream(Upstream { dialect: Gemini, operation, model: Some(model.into()) })
    }

    #[test]
    fn a_mistyped_path_is_refused_in_the_dialect_it_was_meant_in() {
        let meant = [
            ("/v1/chat/complete", OpenAiChat),
            ("/v1/chat/messages", OpenAiChat),
            ("/v1/complete", Anthropic),
            ("/v1/message", OpenAiChat),
            ("/v1/messages/x", Anthropic),
            ("/v1/responses/x/y", OpenAiResponses),
            ("/v1beta/x", Gemini),
        ];
        for (path, dialect) in meant {
            assert_eq!(suggested(path, &HeaderMap::new()), dialect, "{path}");
        }
    }

    fn post(path: &str) -> Result<Endpoint, NoRoute> {
        route(&Method::POST, path, &HeaderMap::new())
    }

    fn get(path: &str, header: &'static str) -> Result<Endpoint, NoRoute> {
        let mut headers = HeaderMap::new();
        if !header.is_empty() {
            headers.insert(header, http::HeaderValue::from_static("websocket"));
        }
        route(&Method::GET, path, &headers)
    }

    #[test]
    fn the_table() {
        for (path, endpoint) in [
            ("/v1/chat/completions", upstream(OpenAiChat, Operation::Generate)),
            ("/v1/responses", upstream(OpenAiResponses, Operation::Generate)),
            ("/v1/responses/input_tokens", upstream(OpenAiResponses, Operation::CountTokens)),
            ("/v1/messages", upstream(Anthropic, Operation::Generate)),
            ("/v1/messages/count_tokens", upstream(Anthropic, Operation::CountTokens)),
            ("/v1/embeddings", upstream(OpenAiChat, Operation::Embed)),
            ("/v1beta/models/a:generateContent", gemini(Operation::GenerateContent, "a")),
            (
                "/v1/models/a.b-1:streamGenerateContent",
                gemini(Operation::StreamGenerateContent, "a.b-1"),
            ),
            ("/models/org/a:countTokens", gemini(Operation::CountTokens, "org/a")),
            ("/v1beta/models/a:embedContent", gemini(Operation::Embed, "a")),
            ("/v1beta/models/a:batchEmbedContents", gemini(Operation::BatchEmbed, "a")),
            ("/v1beta/models/a%2Fb%3AgenerateContent", gemini(Operation::GenerateContent, "a/b")),
        ] {
            assert_eq!(post(path), Ok(endpoint), "{path}");
        }
    }

    #[test]
    fn doubled_and_missing_prefixes() {
        for (path, endpoint) in [
            ("/chat/completions", upstream(OpenAiChat, Operation::Generate)),
            ("/v1/v1/chat/completions", upstream(OpenAiChat, Operation::Generate)),
            ("//v1//chat/completions/", upstream(OpenAiChat, Operation::Generate)),
            ("/v1/chat/completions/chat/completions", upstream(OpenAiChat, Operation::Generate)),
            ("/v1/chat/completions/responses", upstream(OpenAiResponses, Operation::Generate)),
            ("/v1/responses/chat/completions", upstream(OpenAiChat, Operation::Generate)),
            ("/messages", upstream(Anthropic, Operation::Generate)),
            ("/v1/v1/messages/count_tokens", upstream(Anthropic, Operation::CountTokens)),
            ("/v1/messages/v1/messages", upstream(Anthropic, Operation::Generate)),
            ("/responses", upstream(OpenAiResponses, Operation::Generate)),
            ("/v1beta/v1beta/models/a:generateContent", gemini(Operation::GenerateContent, "a")),
            ("/v1beta/models/models/a:generateContent", gemini(Operation::GenerateContent, "a")),
        ] {
            assert_eq!(post(path), Ok(endpoint), "{path}");
        }
    }

    #[test]
    fn model_lists_take_the_shape_that_a_header_asks_for() {
        for (path, header, dialect) in [
            ("/v1/models", "", OpenAiChat),
            ("/models", "", OpenAiChat),
            ("/v1/models", "anthropic-version", Anthropic),
            ("/v1/models", "x-goog-api-key", Gemini),
            ("/v1beta/models", "", Gemini),
            ("/v1beta/v1beta/models", "", Gemini),
        ] {
            assert_eq!(get(path, header), Ok(Endpoint::Models(dialect)), "{path} {header}");
        }
        let model = Endpoint::Model(OpenAiChat, "org/a:b".into());
        assert_eq!(get("/v1/models/org%2Fa:b", ""), Ok(model));
    }

    #[test]
    fn stored_responses_and_upgrades() {
        let stored = |path: &str| upstream(OpenAiResponses, Operation::Stored(path.into()));
        assert_eq!(get("/v1/responses/resp_1", ""), Ok(stored("resp_1")));
        assert_eq!(get("/v1/responses/resp_1/input_items", ""), Ok(stored("resp_1/input_items")));
        assert_eq!(get("/v1/responses", "upgrade"), Ok(Endpoint::WebSocket));
    }

    #[test]
    fn what_leads_nowhere() {
        assert_eq!(post("/v1/completions"), Err(NoRoute::NotFound(OpenAiChat)));
        assert_eq!(post("/v1/message"), Err(NoRoute::NotFound(OpenAiChat)));
        assert_eq!(post("/v1beta/nothing"), Err(NoRoute::NotFound(Gemini)));
        assert_eq!(post("/v1/messages/batches"), Err(NoRoute::NotFound(Anthropic)));
        assert_eq!(get("/v1/messages", ""), Err(NoRoute::MethodNotAllowed(Anthropic, "POST")));
        assert_eq!(post("/healthz"), Err(NoRoute::MethodNotAllowed(OpenAiChat, "GET, HEAD")));
        assert_eq!(get("/healthz", ""), Ok(Endpoint::Health));
        assert_eq!(get("/", ""), Ok(Endpoint::Probe));
        assert_eq!(get("/api/hello", ""), Ok(Endpoint::Probe));
        assert_eq!(get("/v1", ""), Err(NoRoute::NotFound(OpenAiChat)));
    }
}
