//! Gemini and Claude at Vertex AI: where requests go, what they say, and how answers come back.

use levity::dialects::Dialect;
use serde_json::{Value, json};

use crate::support::client::{Request, get, post};
use crate::support::gateway::{Account, Config, Gateway, Home, ended};
use crate::support::google::{self, EMAIL, PROJECT};
use crate::support::samples;
use crate::support::script::{Answer, Seen};
use crate::support::upstream::Upstream;

const GEMINI: &str = "gemini-3-flash";
const CLAUDE: &str = "claude-opus-4-20250514";
const PUBLISHERS: &str = "/v1/projects/my-project/locations/us-east5/publishers";

/// The dialect that the path speaks.
fn spoken(seen: &Seen) -> Dialect {
    if seen.target.contains("/publishers/anthropic/") {
        Dialect::Anthropic
    } else {
        Dialect::Gemini
    }
}

/// Vertex AI, which answers well.
fn good(seen: &Seen) -> Answer {
    if seen.target.contains("ount") {
        let count = if spoken(seen) == Dialect::Gemini { "totalTokens" } else { "input_tokens" };
        return Answer::json(200, json!({ count: 42 }).to_string());
    }
    let streams = seen.target.contains(":stream");
    if streams { Answer::sse(samples::events(spoken(seen))) } else { samples::good(spoken(seen)) }
}

/// A gateway with one Vertex account, at an upstream that answers as scripted.
async fn gateway(script: fn(&Seen) -> Answer) -> (Gateway, Upstream, Upstream) {
    let (upstream, endpoint) = (Upstream::new(script).await, google::endpoint(3600).await);
    let config = Config::new().account(google::account("vertex-1", &upstream, &endpoint));
    (Gateway::start(&config).await, upstream, endpoint)
}

/// The body of the last request.
fn body(upstream: &Upstream) -> Value {
    serde_json::from_slice(&upstream.seen().pop().unwrap().body).unwrap()
}

#[tokio::test]
async fn every_client_reaches_both_families_through_one_account() {
    let (gateway, upstream, endpoint) = gateway(good).await;
    for client in Dialect::ALL {
        for (model, path) in [
            (GEMINI, "/google/models/gemini-3-flash:generateContent"),
            (CLAUDE, "/anthropic/models/claude-opus-4@20250514:rawPredict"),
        ] {
            let reply = gateway.send(&samples::call(client, model)).await;
            assert_eq!(reply.status, 200, "{client} {model}: {}", reply.text());
            assert!(reply.text().contains("one two three"), "{client}: {}", reply.text());
            let seen = upstream.seen().pop().unwrap();
            assert_eq!(seen.target, format!("{PUBLISHERS}{path}"), "{client}");
            assert_eq!(seen.headers.all("authorization"), ["Bearer ya29.token-1"]);
            assert_eq!((seen.header("x-api-key"), seen.header("x-goog-api-key")), (None, None));
        }
    }
    assert_eq!(endpoint.count(), 1, "tokens");
}

#[tokio::test]
async fn every_client_has_its_stream_from_both_families() {
    let (gateway, upstream, _endpoint) = gateway(good).await;
    for client in Dialect::ALL {
        for (model, path) in [
            (GEMINI, "/google/models/gemini-3-flash:streamGenerateContent?alt=sse"),
            (CLAUDE, "/anthropic/models/claude-opus-4@20250514:streamRawPredict"),
        ] {
            let mut open = gateway.open(&samples::stream_call(client, model)).await;
            assert!(open.end().await, "{client} {model}: {}", open.text());
            for word in ["one ", "two ", "three"] {
                assert!(open.text().contains(word), "{client} {model}: {}", open.text());
            }
            assert_eq!(upstream.seen().pop().unwrap().target, format!("{PUBLISHERS}{path}"));
        }
    }
}

#[tokio::test]
async fn a_claude_body_has_its_version_and_no_model() {
    let (gateway, upstream, _endpoint) = gateway(good).await;
    for client in Dialect::ALL {
        assert_eq!(gateway.send(&samples::call(client, CLAUDE)).await.status, 200);
        let body = body(&upstream);
        assert_eq!(body["anthropic_version"], "vertex-2023-10-16", "{client}");
        assert_eq!(body.get("model"), None, "{client}");
        assert_eq!(body["messages"][0]["role"], "user", "{client}");
    }
    // Anthropic's SDKs ask with a query that Google does not know.
    let call = samples::call(Dialect::Anthropic, CLAUDE);
    let call = Request { target: "/v1/messages?beta=true".to_owned(), ..call };
    assert_eq!(gateway.send(&call).await.status, 200);
    assert!(upstream.seen().pop().unwrap().target.ends_with(":rawPredict"));
}

#[tokio::test]
async fn a_gemini_body_has_roles_and_schemas_in_the_subset() {
    let (gateway, upstream, _endpoint) = gateway(good).await;
    let bare = json!({ "contents": [{ "parts": [{ "text": "hello" }] }] });
    let call = post(samples::path(Dialect::Gemini, GEMINI), bare.to_string());
    assert_eq!(gateway.send(&call).await.status, 200);
    assert_eq!(body(&upstream)["contents"][0]["role"], "user");
    // What has its roles goes as it is.
    let call = samples::call(Dialect::Gemini, GEMINI);
    assert_eq!(gateway.send(&call).await.status, 200);
    assert_eq!(upstream.seen().pop().unwrap().body, call.body);
    let mut asked = samples::body(Dialect::OpenAiChat, GEMINI);
    let schema = json!({ "type": "object", "additionalProperties": false,
        "properties": { "city": { "type": "string" } } });
    asked["tools"] =
        json!([{ "type": "function", "function": { "name": "look", "parameters": schema } }]);
    let call = post(samples::path(Dialect::OpenAiChat, GEMINI), asked.to_string());
    assert_eq!(gateway.send(&call).await.status, 200);
    let declared = &body(&upstream)["tools"][0]["functionDeclarations"][0];
    assert_eq!(declared["parameters"]["properties"]["city"]["type"], "STRING", "{declared}");
    assert_eq!(declared.get("parametersJsonSchema"), None, "{declared}");
}

#[tokio::test]
async fn tokens_are_counted() {
    let (gateway, upstream, _endpoint) = gateway(good).await;
    let claude = samples::body(Dialect::Anthropic, CLAUDE).to_string();
    let gemini = json!({ "generateContentRequest": { "model": "models/gemini-3-flash",
        "contents": [{ "parts": [{ "text": "hello" }] }] } });
    let path = format!("/v1beta/models/{GEMINI}:countTokens");
    for (call, target, number) in [
        (
            post("/v1/messages/count_tokens", claude.clone()),
            "/anthropic/models/count-tokens:rawPredict",
            "input_tokens",
        ),
        (
            post(path.clone(), gemini.to_string()),
            "/google/models/gemini-3-flash:countTokens",
            "totalTokens",
        ),
        (
            post("/v1/messages/count_tokens", claude.replace(CLAUDE, GEMINI)),
            "/google/models/gemini-3-flash:countTokens",
            "input_tokens",
        ),
        (
            post(path.replace(GEMINI, CLAUDE), gemini.to_string()),
            "/anthropic/models/count-tokens:rawPredict",
            "totalTokens",
        ),
    ] {
        let reply = gateway.send(&call).await;
        assert_eq!(
            (reply.status, reply.json()[number].as_u64()),
            (200, Some(42)),
            "{}",
            reply.text()
        );
        assert_eq!(upstream.seen().pop().unwrap().target, format!("{PUBLISHERS}{target}"));
        let body = body(&upstream);
        if target.starts_with("/anthropic") {
            assert_eq!(body["model"], "claude-opus-4@20250514");
            assert_eq!(body["anthropic_version"], "vertex-2023-10-16");
        } else {
            assert_eq!(body["contents"][0]["role"], "user", "{body}");
            assert_eq!(body.get("generateContentRequest"), None);
        }
    }
}

/// Knows one beta alone.
fn picky(seen: &Seen) -> Answer {
    let betas = seen.headers.all("anthropic-beta").join(",");
    let unknown: Vec<String> = betas
        .split(',')
        .map(str::trim)
        .filter(|beta| !beta.is_empty() && *beta != "known-1")
        .map(|beta| format!("`{beta}`"))
        .collect();
    if unknown.is_empty() {
        return good(seen);
    }
    let message = format!(
        "Unexpected value(s) {} for the `anthropic-beta` header. Please consult our documentation at docs.anthropic.com or try again without the header.",
        unknown.join(", ")
    );
    samples::refusal(Dialect::Anthropic, 400, &message)
}

#[tokio::test]
async fn betas_that_vertex_refuses_are_left_out() {
    let (gateway, upstream, _endpoint) = gateway(picky).await;
    let call = samples::call(Dialect::Anthropic, CLAUDE);
    let betas = |betas: &str| call.clone().header("anthropic-beta", betas);
    for (sent, requests, last) in [
        ("known-1,effort-1, odd-2", 2, vec!["known-1"]),
        ("odd-2", 3, vec![]),
        ("known-1", 4, vec!["known-1"]),
        ("odd-2,more-3", 6, vec![]),
    ] {
        let reply = gateway.send(&betas(sent)).await;
        assert_eq!(reply.status, 200, "{sent}: {}", reply.text());
        assert_eq!(upstream.count(), requests, "{sent}");
        assert_eq!(upstream.seen().pop().unwrap().headers.all("anthropic-beta"), last, "{sent}");
    }
}

/// Knows no ids of calls.
fn idless(seen: &Seen) -> Answer {
    if !seen.text().contains("\"id\"") {
        return good(seen);
    }
    let message = "Invalid JSON payload received. Unknown name \"id\" at 'contents[1].parts[0].function_call': Cannot find field.";
    samples::refusal(Dialect::Gemini, 400, message)
}

#[tokio::test]
async fn a_field_that_vertex_does_not_know_is_said_in_another_way() {
    let (gateway, upstream, _endpoint) = gateway(idless).await;
    let call = |id: Value| json!({ "functionCall": { "id": id, "name": "look", "args": { "city": "Oslo" } } });
    let result = json!({ "functionResponse": { "id": "c1", "name": "look", "response": { "sky": "grey" } } });
    let asked = json!({ "contents": [
        { "role": "user", "parts": [{ "text": "hello" }] },
        { "role": "model", "parts": [call(json!("c1"))] },
        { "role": "user", "parts": [result] } ] });
    for path in [samples::path, samples::stream_path] {
        let request = post(path(Dialect::Gemini, GEMINI), asked.to_string());
        let before = upstream.count();
        let reply = gateway.send(&request).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        assert!(reply.text().contains("three"), "{}", reply.text());
        assert_eq!(upstream.count(), before + 2, "told twice");
        let parts = |turn: usize| body(&upstream)["contents"][turn]["parts"][0].clone();
        assert_eq!(parts(1)["functionCall"]["args"]["city"], "Oslo");
        assert_eq!(parts(2)["functionResponse"]["response"]["sky"], "grey");
    }
}

#[tokio::test]
async fn googles_own_refusals_reach_claudes_clients_in_their_shape() {
    let quota = |_: &Seen| {
        samples::refusal(Dialect::Gemini, 429, "Quota exceeded for online_prediction_requests")
    };
    for client in Dialect::ALL {
        let (gateway, _upstream, _endpoint) = gateway(quota).await;
        let reply = gateway.send(&samples::call(client, CLAUDE)).await;
        let message = samples::refused(client, 429, &reply);
        assert!(message.contains("Quota exceeded"), "{client}: {message}");
    }
}

#[tokio::test]
async fn models_that_are_named_are_listed() {
    let (upstream, endpoint) = (Upstream::new(good).await, google::endpoint(3600).await);
    let models = json!(["gemini-*", "claude-opus-4-6"]);
    let account = google::account("vertex-1", &upstream, &endpoint).set("models", models);
    let gateway = Gateway::start(&Config::new().account(account)).await;
    let reply = gateway.send(&get("/v1/models")).await;
    let listed = reply.json()["data"].as_array().unwrap().clone();
    assert_eq!(listed.iter().map(|model| &model["id"]).collect::<Vec<_>>(), ["claude-opus-4-6"]);
    assert_eq!((upstream.count(), endpoint.count()), (0, 0), "nobody was asked");
}

/// What `levity check` says of an account.
fn check(account: &Account, variables: &[(&str, &str)]) -> crate::support::gateway::Ended {
    let home = Home::with(&Config::new().account(account.clone()));
    let home = variables.iter().fold(home, |home, (name, value)| home.env(name, value));
    ended(home.command(&["check", "--config", home.config().to_str().unwrap()]))
}

fn vertex() -> Account {
    Account::of("vertex", "v", "http://unused")
        .set("api_key", Value::Null)
        .set("base_url", Value::Null)
        .set("credentials", google::service_account().to_string())
}

#[test]
fn check_says_who_asks_where_without_a_secret() {
    for (account, variables, url, place) in [
        (vertex(), &[][..], "https://aiplatform.googleapis.com", "my-project in global"),
        (
            vertex().set("region", "europe-west1"),
            &[("GOOGLE_CLOUD_LOCATION", "us-east5")],
            "https://europe-west1-aiplatform.googleapis.com",
            "my-project in europe-west1",
        ),
        (
            vertex().set("project", "other"),
            &[("GOOGLE_CLOUD_LOCATION", "us")],
            "https://aiplatform.us.rep.googleapis.com",
            "other in us",
        ),
        (
            vertex().set("base_url", "https://gate.example/vertex"),
            &[("GOOGLE_CLOUD_PROJECT", "usual")],
            "https://gate.example/vertex",
            "my-project in global",
        ),
    ] {
        let said = check(&account, variables);
        assert_eq!(said.code, Some(0), "{}", said.stderr);
        assert!(
            said.stdout.contains(&format!("speaks   gemini, anthropic at {url}\n")),
            "{}",
            said.stdout
        );
        assert!(said.stdout.contains(&format!("project  {place}\n")), "{}", said.stdout);
        let who = format!("as       service account {EMAIL} from the config\n");
        assert!(said.stdout.contains(&who), "{}", said.stdout);
        assert!(!said.stdout.contains("PRIVATE"), "{}", said.stdout);
    }
}

#[test]
fn credentials_are_found_where_googles_tools_keep_them() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, json: &Value| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, json.to_string()).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let key = write("key.json", &google::service_account());
    let user = write("application_default_credentials.json", &google::authorized_user());
    let gcloud = folder.path().to_str().unwrap();
    let unwritten = || vertex().set("credentials", Value::Null);
    for (account, variables, who) in [
        (
            vertex().set("credentials", key.clone()),
            vec![],
            format!("service account {EMAIL} from {key}"),
        ),
        (
            vertex().set("credentials", "${KEY}"),
            vec![("KEY", key.as_str())],
            format!("service account {EMAIL} from {key}"),
        ),
        (
            unwritten(),
            vec![("GOOGLE_APPLICATION_CREDENTIALS", key.as_str()), ("CLOUDSDK_CONFIG", gcloud)],
            format!("service account {EMAIL} from {key}"),
        ),
        (unwritten(), vec![("CLOUDSDK_CONFIG", gcloud)], format!("a user's from {user}")),
        (
            unwritten().set("project", PROJECT),
            vec![],
            "the service account of this machine by the metadata server, as no file was found"
                .to_owned(),
        ),
        (
            vertex().set("credentials", "metadata"),
            vec![("GOOGLE_CLOUD_PROJECT", PROJECT), ("CLOUDSDK_CONFIG", gcloud)],
            "the service account of this machine by the metadata server".to_owned(),
        ),
    ] {
        let said = check(&account, &variables);
        assert_eq!(said.code, Some(0), "{}", said.stderr);
        assert!(said.stdout.contains(&format!("as       {who}\n")), "{who}: {}", said.stdout);
        assert!(said.stdout.contains("project  my-project in global\n"), "{}", said.stdout);
    }
}

#[test]
fn an_account_whose_variable_is_not_set_is_left_out() {
    let said = check(&vertex().set("credentials", "${NONE:-}"), &[]);
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    assert!(said.stdout.contains("left out"), "{}", said.stdout);
}

#[test]
fn what_is_wrong_with_a_vertex_account_is_named_without_its_value() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key.json");
    std::fs::write(&file, "{\"private_key\": \"hidden\"").unwrap();
    let broken = |change: fn(&mut Value)| {
        let mut json = google::service_account();
        change(&mut json);
        vertex().set("credentials", json.to_string())
    };
    for (account, expected) in [
        (
            vertex().set("credentials", "/hidden/key.json"),
            "credentials: the file that it names cannot be read: no such file",
        ),
        (
            vertex().set("credentials", file.to_str().unwrap()),
            "credentials: the file that it names is not the JSON of credentials",
        ),
        (vertex().set("credentials", "${NONE}"), "credentials: the variable NONE is not set"),
        (
            broken(|json| json["private_key"] = json!("hidden")),
            "credentials: the JSON has a private_key that is no RSA key in PEM",
        ),
        (
            broken(|json| json["client_email"] = Value::Null),
            "credentials: the JSON has no client_email",
        ),
        (
            broken(|json| json["type"] = json!("external_account")),
            "credentials: the JSON is of a type that is not served",
        ),
        (
            broken(|json| json["project_id"] = Value::Null),
            "project: is missing; expected the id of a project",
        ),
        (
            vertex().set("region", "hidden/x"),
            "region: expected a region such as us-east5, or global",
        ),
        (vertex().set("project", "hidden?x"), "project: expected the id of a project"),
        (
            vertex().set("api_key", "hidden"),
            "api_key: vertex accounts have none: write credentials",
        ),
        (
            vertex().set("dialect", "gemini"),
            "dialect: vertex accounts speak gemini, and anthropic about Claude models",
        ),
        (
            Account::of("gemini", "g", "http://h").set("region", "us-east5"),
            "region: is for vertex accounts; gemini accounts have none",
        ),
    ] {
        let said = check(&account, &[]);
        assert_eq!(said.code, Some(2), "{expected}");
        assert!(said.stderr.contains(&format!("accounts[0].{expected}")), "{}", said.stderr);
        assert!(!said.stderr.contains("hidden"), "{}", said.stderr);
    }
}
