//! Who may ask: four modes, every form of credential, every kind of path.

use levity::dialects::Dialect;

use crate::support::client::{Request, get, post, request};
use crate::support::gateway::{Account, Config, Gateway, KEY, credential};
use crate::support::samples::{self, MODEL, refused};
use crate::support::script::Answer;
use crate::support::upstream::Upstream;

/// An upstream that has a good answer for each dialect, and a gateway in front of it.
async fn guarded(mode: &str, allow_lan_access: bool) -> (Upstream, Gateway) {
    let upstream = Upstream::new(|seen| samples::good(dialect_of(&seen.target))).await;
    let config = Config::all(&upstream).guarded(mode);
    let gateway = Gateway::start(&config.set("proxy", "allow_lan_access", allow_lan_access)).await;
    (upstream, gateway)
}

fn dialect_of(target: &str) -> Dialect {
    match target {
        "/v1/chat/completions" => Dialect::OpenAiChat,
        "/v1/responses" => Dialect::OpenAiResponses,
        "/v1/messages" => Dialect::Anthropic,
        _ => Dialect::Gemini,
    }
}

/// Every kind of path but `/healthz`.
fn requests() -> Vec<Request> {
    let probes = [get("/"), request("HEAD", "/api/hello"), get("/v1/models")];
    probes.into_iter().chain(Dialect::ALL.map(|dialect| samples::call(dialect, MODEL))).collect()
}

/// The ways to send a key, each as a change to a request.
const FORMS: [fn(Request, &str) -> Request; 8] = [
    |request, key| request.header("authorization", &format!("Bearer {key}")),
    |request, key| request.header("authorization", &format!("bearer {key}")),
    |request, key| request.header("Authorization", &format!("BEARER {key}")),
    |request, key| request.header("authorization", key),
    |request, key| request.header("x-api-key", key),
    |request, key| request.header("X-Api-Key", key),
    |request, key| request.header("x-goog-api-key", key),
    |request, key| {
        let joint = if request.target.contains('?') { '&' } else { '?' };
        Request { target: format!("{}{joint}key={key}", request.target), ..request }
    },
];

async fn status(gateway: &Gateway, request: Request) -> (String, u16) {
    let what = format!("{} {} {:?}", request.method, request.target, request.headers);
    (what, gateway.send(&request).await.status)
}

/// Every form of credential opens every path, and no path opens without.
async fn is_guarded(gateway: &Gateway) {
    for request in requests() {
        let (what, bare) = status(gateway, request.clone()).await;
        assert_eq!(bare, 401, "{what}");
        for form in FORMS {
            let (what, right) = status(gateway, form(request.clone(), KEY)).await;
            assert_eq!(right, 200, "{what}");
            let (what, wrong) = status(gateway, form(request.clone(), "sk-wrong-0123456789")).await;
            assert_eq!(wrong, 401, "{what}");
        }
    }
}

/// Every path opens to anyone, whatever credential they bring.
async fn is_open(gateway: &Gateway) {
    for request in requests().into_iter().chain([get("/healthz")]) {
        let (what, bare) = status(gateway, request.clone()).await;
        assert_eq!(bare, 200, "{what}");
        for form in FORMS {
            let (what, any) =
                status(gateway, form(request.clone(), "sk-whatever-0123456789")).await;
            assert_eq!(any, 200, "{what}");
        }
    }
}

#[tokio::test]
async fn off_asks_for_no_key() {
    let (_upstream, gateway) = guarded("off", false).await;
    is_open(&gateway).await;
}

#[tokio::test]
async fn strict_asks_for_the_key_everywhere() {
    let (_upstream, gateway) = guarded("strict", false).await;
    is_guarded(&gateway).await;
}

#[tokio::test]
async fn strict_asks_for_the_key_at_healthz_too() {
    let (_upstream, gateway) = guarded("strict", false).await;
    assert_eq!(gateway.send(&get("/healthz")).await.status, 401);
    for form in FORMS {
        let (what, status) = status(&gateway, form(get("/healthz"), KEY)).await;
        assert_eq!(status, 200, "{what}");
    }
}

#[tokio::test]
async fn all_except_health_asks_for_the_key_everywhere_else() {
    let (_upstream, gateway) = guarded("all_except_health", false).await;
    assert_eq!(gateway.send(&get("/healthz")).await.text(), r#"{"status":"ok"}"#);
    is_guarded(&gateway).await;
}

#[tokio::test]
async fn auto_is_off_on_loopback() {
    let (_upstream, gateway) = guarded("auto", false).await;
    is_open(&gateway).await;
}

#[tokio::test]
async fn auto_is_all_except_health_on_the_lan() {
    let (_upstream, gateway) = guarded("auto", true).await;
    assert_eq!(gateway.send(&get("/healthz")).await.status, 200);
    is_guarded(&gateway).await;
}

#[tokio::test]
async fn one_right_credential_among_wrong_ones_is_enough() {
    let (_upstream, gateway) = guarded("strict", false).await;
    for (right, form) in FORMS.iter().enumerate() {
        let mut request = form(get("/v1/models"), KEY);
        for (wrong, form) in FORMS.iter().enumerate().filter(|(wrong, _)| *wrong != right) {
            request = form(request, &format!("sk-wrong-number-{wrong}"));
        }
        let (what, status) = status(&gateway, request).await;
        assert_eq!(status, 200, "{what}");
    }
}

#[tokio::test]
async fn nearly_the_key_is_not_the_key() {
    let (_upstream, gateway) = guarded("strict", false).await;
    let nearly =
        ["", " ", &KEY[1..], &KEY[..KEY.len() - 1], &format!("{KEY}0"), &KEY.to_uppercase()];
    for key in nearly {
        for form in FORMS {
            if form(get("/"), "").target.contains("key=") && key.trim() != key {
                continue; // A space cannot stand in a request line.
            }
            let (what, status) = status(&gateway, form(get("/v1/models"), key)).await;
            assert_eq!(status, 401, "{what}");
        }
    }
    let basic = get("/v1/models").header("authorization", &format!("Basic {KEY}"));
    assert_eq!(gateway.send(&basic).await.status, 401);
}

async fn says_which_headers(dialect: Dialect) {
    let (upstream, gateway) = guarded("strict", false).await;
    let reply = gateway.send(&samples::call(dialect, MODEL)).await;
    let message = refused(dialect, 401, &reply).to_lowercase();
    for header in ["authorization", "x-api-key", "x-goog-api-key"] {
        assert!(message.contains(header), "{header} in {message:?}");
    }
    assert!(!message.contains(KEY));
    assert_eq!(upstream.count(), 0, "requests upstream");
}

#[tokio::test]
async fn a_chat_client_without_a_key_is_told_the_headers() {
    says_which_headers(Dialect::OpenAiChat).await;
}

#[tokio::test]
async fn a_responses_client_without_a_key_is_told_the_headers() {
    says_which_headers(Dialect::OpenAiResponses).await;
}

#[tokio::test]
async fn an_anthropic_client_without_a_key_is_told_the_headers() {
    says_which_headers(Dialect::Anthropic).await;
}

#[tokio::test]
async fn a_gemini_client_without_a_key_is_told_the_headers() {
    says_which_headers(Dialect::Gemini).await;
}

#[tokio::test]
async fn no_form_of_the_clients_credential_goes_upstream() {
    let (upstream, gateway) = guarded("strict", false).await;
    for dialect in Dialect::ALL {
        let request = samples::call(dialect, MODEL);
        let request = FORMS.iter().fold(request, |request, form| form(request, KEY));
        assert_eq!(gateway.send(&request).await.status, 200);
        let seen = upstream.seen().pop().unwrap();
        assert!(!seen.headers.mention(KEY), "{:?}", seen.headers);
        assert_eq!(seen.target, samples::path(dialect, MODEL));
        assert_eq!(seen.credential(), credential(dialect.name()));
    }
}

#[tokio::test]
async fn a_credential_is_not_forwarded_when_nobody_asks_for_one() {
    let (upstream, gateway) = guarded("off", false).await;
    for dialect in Dialect::ALL {
        for form in FORMS {
            let request = form(samples::call(dialect, MODEL), "sk-of-the-client-only");
            assert_eq!(gateway.send(&request).await.status, 200);
            let seen = upstream.seen().pop().unwrap();
            assert!(!seen.headers.mention("sk-of-the-client-only"), "{:?}", seen.headers);
            assert!(!seen.target.contains("key="), "{}", seen.target);
        }
    }
}

#[tokio::test]
async fn the_key_is_cut_out_of_the_query_and_the_rest_stays() {
    let (upstream, gateway) = guarded("strict", false).await;
    for (sent, kept) in [
        (format!("?key={KEY}"), ""),
        (format!("?key={KEY}&alt=sse"), "?alt=sse"),
        (format!("?alt=sse&key={KEY}"), "?alt=sse"),
        (format!("?alt=sse&key={KEY}&%24x=a%3Bb&monkey=1"), "?alt=sse&%24x=a%3Bb&monkey=1"),
        (format!("?key=wrong&key={KEY}&b"), "?b"),
    ] {
        let path = samples::path(Dialect::Gemini, MODEL);
        let body = samples::body(Dialect::Gemini, MODEL).to_string();
        let reply = gateway.send(&post(format!("{path}{sent}"), body)).await;
        assert_eq!(reply.status, 200, "{sent}");
        assert_eq!(upstream.seen().pop().unwrap().target, format!("{path}{kept}"), "{sent}");
    }
}

#[tokio::test]
async fn a_refused_request_leaves_the_connection_usable() {
    let (_upstream, gateway) = guarded("strict", false).await;
    let mut connection = gateway.connect().await;
    let large = post("/v1/messages", vec![b' '; 100_000]);
    let reply = connection.send(&large).await.unwrap();
    assert_eq!(reply.status, 401);
    if reply.header("connection") != Some("close") {
        let request = samples::call(Dialect::Anthropic, MODEL).header("x-api-key", KEY);
        assert_eq!(connection.send(&request).await.unwrap().status, 200);
    }
}

#[tokio::test]
async fn a_preflight_needs_no_key() {
    let (_upstream, gateway) = guarded("strict", false).await;
    let asked = "authorization, x-api-key, x-goog-api-key, content-type, anthropic-version, x-mine";
    for path in ["/v1/chat/completions", "/v1/responses", "/v1/messages", "/v1/models", "/"] {
        let preflight = request("OPTIONS", path)
            .header("origin", "http://app.example")
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", asked);
        let reply = gateway.send(&preflight).await;
        assert!(matches!(reply.status, 200 | 204), "{path}: {}", reply.status);
        let header = |name: &str| reply.header(name).unwrap_or_default().to_lowercase();
        let origin = header("access-control-allow-origin");
        assert!(origin == "*" || origin == "http://app.example", "{path}: {origin:?}");
        assert!(header("access-control-allow-methods").contains("post"), "{path}");
        // `*` would not cover `authorization`, so the names must be there.
        let allowed = header("access-control-allow-headers");
        for name in asked.split(", ") {
            assert!(allowed.contains(name), "{path}: {name} in {allowed:?}");
        }
    }
}

#[tokio::test]
async fn a_browser_may_read_answers_and_refusals() {
    let upstream = Upstream::always(Answer::json(200, "{}")).await;
    let account = Account::new("only", Dialect::OpenAiChat, &upstream.url());
    let gateway = Gateway::start(&Config::new().account(account).guarded("strict")).await;
    let call = samples::call(Dialect::OpenAiChat, MODEL).header("origin", "http://app.example");
    for (request, status) in [(call.clone(), 401), (call.header("x-api-key", KEY), 200)] {
        let reply = gateway.send(&request).await;
        assert_eq!(reply.status, status);
        let origin = reply.header("access-control-allow-origin").unwrap_or_default();
        assert!(origin == "*" || origin == "http://app.example", "{status}: {origin:?}");
    }
}
