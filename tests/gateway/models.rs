//! Which models there are: lists and look-ups in three shapes.

use levity::dialects::Dialect;
use serde_json::{Value, json};

use crate::support::client::{Reply, get};
use crate::support::gateway::{Account, Config, Gateway};
use crate::support::samples::{self, refused};
use crate::support::script::Answer;
use crate::support::upstream::Upstream;

#[tokio::test]
async fn an_unknown_model_is_a_404_that_names_what_is_served() {
    let upstream = Upstream::always(Answer::json(200, "{}")).await;
    let account = Account::new("only", Dialect::Anthropic, &upstream.url())
        .set("models", json!(["alpha-1", "beta-*"]));
    let gateway = Gateway::start(&Config::new().account(account)).await;
    for dialect in Dialect::ALL {
        let reply = gateway.send(&samples::call(dialect, "gamma-3")).await;
        let message = refused(dialect, 404, &reply);
        for named in ["gamma-3", "alpha-1", "beta-*"] {
            assert!(message.contains(named), "{named} in {message:?}");
        }
        if matches!(dialect, Dialect::OpenAiChat | Dialect::OpenAiResponses) {
            assert_eq!(reply.json()["error"]["code"], "model_not_found");
        }
    }
    assert_eq!(upstream.count(), 0, "requests upstream");
}

/// Two accounts that serve three models by name, and more by pattern.
async fn stocked() -> Gateway {
    let upstream = Upstream::always(Answer::json(200, "{}")).await;
    let config = Config::new()
        .account(
            Account::new("one", Dialect::Anthropic, &upstream.url())
                .set("models", json!(["alpha-1", "beta-2"])),
        )
        .account(
            Account::new("two", Dialect::OpenAiChat, &upstream.url())
                .set("models", json!(["beta-2", "org/gamma-3", "delta-*"])),
        );
    Gateway::start(&config).await
}

const SERVED: [&str; 3] = ["alpha-1", "beta-2", "org/gamma-3"];

/// The models of a list, sorted, with its dialect's prefix taken off.
fn names(list: &Value, key: &str) -> Vec<String> {
    let name =
        |model: &Value| model[key].as_str().unwrap().trim_start_matches("models/").to_owned();
    let mut names: Vec<String> = list.as_array().unwrap().iter().map(name).collect();
    names.sort();
    names
}

fn in_openai_shape(model: &Value) {
    assert_eq!(model["object"], "model", "{model}");
    assert!(model["created"].is_u64() && model["owned_by"].is_string(), "{model}");
}

fn in_anthropic_shape(model: &Value) {
    assert_eq!(model["type"], "model", "{model}");
    assert!(model["display_name"].is_string() && model["created_at"].is_string(), "{model}");
}

fn in_gemini_shape(model: &Value) {
    assert!(model["name"].as_str().unwrap().starts_with("models/"), "{model}");
    let methods = model["supportedGenerationMethods"].as_array().unwrap();
    assert!(methods.contains(&json!("generateContent")), "{model}");
}

#[tokio::test]
async fn the_models_are_listed_in_openais_shape() {
    let gateway = stocked().await;
    for path in ["/v1/models", "/v1/models?limit=1000", "/models", "/v1/v1/models"] {
        let list = gateway.send(&get(path)).await.json();
        assert_eq!(list["object"], "list", "{path}");
        assert_eq!(names(&list["data"], "id"), SERVED, "{path}");
        list["data"].as_array().unwrap().iter().for_each(in_openai_shape);
    }
}

#[tokio::test]
async fn the_models_are_listed_in_anthropics_shape() {
    let gateway = stocked().await;
    for version in ["2023-06-01", "2026-10-21"] {
        let request = get("/v1/models?limit=1000").header("anthropic-version", version);
        let list = gateway.send(&request).await.json();
        assert_eq!(names(&list["data"], "id"), SERVED);
        assert_eq!(list["has_more"], false);
        assert!(list["first_id"].is_string() && list["last_id"].is_string(), "{list}");
        list["data"].as_array().unwrap().iter().for_each(in_anthropic_shape);
    }
}

#[tokio::test]
async fn the_models_are_listed_in_geminis_shape() {
    let gateway = stocked().await;
    let requests = [
        get("/v1beta/models?pageSize=50"),
        get("/v1/models").header("x-goog-api-key", "any"),
        get("/v1beta/models?%24alt=json%3Benum-encoding%3Dint"),
    ];
    for request in requests {
        let list = gateway.send(&request).await.json();
        assert_eq!(names(&list["models"], "name"), SERVED, "{}", request.target);
        list["models"].as_array().unwrap().iter().for_each(in_gemini_shape);
    }
}

/// One model, asked for in each dialect's way.
async fn lookups(gateway: &Gateway, id: &str) -> [Reply; 3] {
    [
        gateway.send(&get(format!("/v1/models/{id}"))).await,
        gateway.send(&get(format!("/v1/models/{id}")).header("anthropic-version", "any")).await,
        gateway.send(&get(format!("/v1beta/models/{id}"))).await,
    ]
}

#[tokio::test]
async fn a_model_is_found_by_its_name() {
    let gateway = stocked().await;
    for (id, name) in [
        ("alpha-1", "alpha-1"),
        ("org/gamma-3", "org/gamma-3"),
        ("org%2Fgamma-3", "org/gamma-3"),
        ("delta-by-pattern", "delta-by-pattern"),
    ] {
        let [openai, anthropic, gemini] = lookups(&gateway, id).await.map(|reply| reply.json());
        assert_eq!((&openai["id"], &anthropic["id"]), (&json!(name), &json!(name)));
        assert_eq!(gemini["name"], format!("models/{name}"));
        in_openai_shape(&openai);
        in_anthropic_shape(&anthropic);
        in_gemini_shape(&gemini);
    }
}

#[tokio::test]
async fn an_unknown_model_is_not_found() {
    let gateway = stocked().await;
    let replies = lookups(&gateway, "epsilon-5").await;
    let dialects = [Dialect::OpenAiChat, Dialect::Anthropic, Dialect::Gemini];
    for (dialect, reply) in dialects.into_iter().zip(replies) {
        let message = refused(dialect, 404, &reply);
        assert!(message.contains("epsilon-5"), "{message:?}");
    }
}
