//! What a config file may say.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::path::Path;

use levity::config::environment::Environment;
use levity::config::load::{Error, Options};
use levity::config::{Account, AuthMode, Config, Dispatch, Scheduling};
use levity::dialects::Dialect;

/// The environment of every test here.
const VARIABLES: &[(&str, &str)] =
    &[("KEY", "sk-test-secret"), ("PORT", "9000"), ("HOST", "127.0.0.1:9")];

fn parse(text: &str) -> Result<Config, Error> {
    let environment: Environment = VARIABLES.iter().copied().collect();
    Config::parse(text, Path::new("levity.yaml"), &Options::default(), &environment)
}

/// The one account with these keys beside its name.
fn account(keys: &str) -> Account {
    let text = format!("accounts:\n  - {{ name: a, {keys} }}\n");
    parse(&text).unwrap().accounts.remove(0)
}

#[test]
fn variables_take_the_type_that_is_wanted() {
    let config = parse(
        "proxy: { port: \"${PORT:-8045}\", threads: \"${NONE:-2}\", strict: \"${NONE:-true}\" }",
    )
    .unwrap();
    assert_eq!((config.proxy.port, config.proxy.threads, config.proxy.strict), (9000, 2, true));
    let config = parse("proxy:\n  port: ${PORT:-8045} # as it comes\n").unwrap();
    assert_eq!(config.proxy.port, 9000);
    let account = account(
        "provider: custom, dialect: gemini, base_url: 'http://${HOST}/', api_key: '${KEY}'",
    );
    assert_eq!(account.base_url.as_str(), "http://127.0.0.1:9/");
    assert_eq!(account.base_path(), "");
    assert_eq!(account.api_key.expose(), "sk-test-secret");
}

#[test]
fn providers_fill_in_what_is_not_written() {
    use Dialect::{Anthropic, Gemini, OpenAiChat, OpenAiResponses};
    for (keys, dialects, url, model) in [
        (
            "provider: gemini",
            vec![Gemini],
            "https://generativelanguage.googleapis.com/",
            "gemini-*",
        ),
        (
            "provider: openai",
            vec![OpenAiChat, OpenAiResponses],
            "https://api.openai.com/v1",
            "gpt-*",
        ),
        (
            "provider: openai, dialect: openai_responses",
            vec![OpenAiResponses],
            "https://api.openai.com/v1",
            "o3*",
        ),
        (
            "provider: openai, base_url: 'http://h/v1/'",
            vec![OpenAiChat, OpenAiResponses],
            "http://h/v1",
            "o1*",
        ),
        ("provider: anthropic", vec![Anthropic], "https://api.anthropic.com/", "claude-*"),
        ("provider: zai", vec![Anthropic], "https://api.z.ai/api/anthropic", "glm-*"),
        (
            "provider: zai, dialect: openai_chat",
            vec![OpenAiChat],
            "https://api.z.ai/api/paas/v4",
            "glm-*",
        ),
        ("provider: custom, dialect: gemini, base_url: 'http://h'", vec![Gemini], "http://h/", "*"),
    ] {
        let account = account(&format!("{keys}, api_key: k"));
        assert_eq!(account.dialects, dialects, "{keys}");
        assert_eq!(account.base_url.as_str(), url, "{keys}");
        assert!(account.models.iter().any(|pattern| pattern == model), "{keys}");
        assert_eq!(account.clients, Dialect::ALL, "{keys}");
        assert_eq!((account.weight.get(), account.max_concurrency), (1, 0), "{keys}");
        assert!(account.is_active(), "{keys}");
    }
}

#[test]
fn an_account_without_its_key_may_be_idle() {
    for (keys, enabled, active) in [
        ("provider: openai, api_key: '${NONE}', enabled: false", false, false),
        ("provider: openai, enabled: false", false, false),
        ("provider: openai, api_key: '${NONE}', dispatch: off", true, false),
        ("provider: openai, api_key: '${NONE:-}'", false, false),
        ("provider: custom, dialect: gemini, base_url: 'http://h'", true, true),
        (
            "provider: custom, dialect: gemini, base_url: 'http://h', api_key: '${NONE:-}'",
            true,
            true,
        ),
    ] {
        let account = account(keys);
        assert_eq!((account.enabled, account.is_active()), (enabled, active), "{keys}");
        assert!(account.api_key.is_empty(), "{keys}");
    }
}

#[test]
fn doubtful_base_urls_are_warned_of() {
    for (keys, doubtful) in [
        ("provider: openai, base_url: 'http://h'", true),
        ("provider: openai, base_url: 'http://h/v1'", false),
        ("provider: anthropic, base_url: 'http://h/v1/'", true),
        ("provider: gemini, base_url: 'http://h/v1beta'", true),
        ("provider: gemini, base_url: 'http://h'", false),
    ] {
        let config = parse(&format!("accounts: [{{ name: a, api_key: k, {keys} }}]")).unwrap();
        assert_eq!(config.warnings.len(), usize::from(doubtful), "{keys}: {:?}", config.warnings);
    }
}

/// The example of the documentation, with every key.
#[test]
fn every_key_is_read() {
    let config = parse(
        r#"
proxy:
  port: 8145
  allow_lan_access: true
  auth_mode: auto
  api_key: ${LEVITY_API_KEY}
  max_body: 32MiB
  threads: 2
  expose_routing: true
  strict: true
  timeouts: { connect: 1s, first_byte: 2s, idle: 3s }
accounts:
  - name: google-1
    provider: gemini
    api_key: ${KEY}
    base_url: https://generativelanguage.googleapis.com
    dialect: gemini
    models: ["gemini-*"]
    model_map: { "claude-*": gemini-3-flash, a: b }
    dispatch: fallback
    clients: [anthropic]
    weight: 7
    max_concurrency: 5
    enabled: true
    headers: { x-team: blue }
models:
  aliases: { "gpt-4o*": gemini-3-flash, "gpt-*": gemini-3-pro }
pool:
  scheduling: balance
  max_attempts: 2
monitor: { enabled: false, bodies: true, retention: { days: 3, rows: 10, size: 5MiB } }
console: { enabled: false, port: 8146 }
state:   { backend: redis, url: redis://127.0.0.1:6379/1 }
"#,
    )
    .unwrap();
    assert_eq!(config.proxy.bind().to_string(), "0.0.0.0:8145");
    assert_eq!(config.proxy.effective_auth(), AuthMode::AllExceptHealth);
    assert_eq!((config.proxy.api_key, config.proxy.threads), (None, 2));
    assert!(config.proxy.expose_routing && config.proxy.strict);
    assert_eq!(config.proxy.timeouts.idle.as_secs(), 3);
    assert_eq!(config.pool.scheduling, Scheduling::Balance);
    assert_eq!((config.monitor.enabled, config.monitor.bodies), (false, true));
    assert_eq!(config.monitor.retention.size, 5 << 20);
    assert_eq!(config.aliases[1], ("gpt-*".to_owned(), "gemini-3-pro".to_owned()));
    let account = &config.accounts[0];
    assert_eq!(account.dispatch, Dispatch::Fallback);
    assert_eq!(account.clients, [Dialect::Anthropic]);
    assert_eq!(account.model_map[0], ("claude-*".to_owned(), "gemini-3-flash".to_owned()));
    assert_eq!((account.weight.get(), account.max_concurrency), (7, 5));
    assert_eq!(account.headers[0].1.to_str().unwrap(), "blue");
}

/// As test harnesses write it: flow style, comments, `auth_mode` in quotes, dots in patterns.
#[test]
fn generated_files_are_read() {
    let config = parse(
        r#"proxy: { port: 41, auth_mode: strict, api_key: sk-clients-0123456789 }
console: { enabled: false }
accounts:
  - { name: oc, provider: custom, dialect: openai_chat, api_key: up-secret, base_url: "http://127.0.0.1:1/v1", models: ["oc.*"] }
  - { name: ge-e0,      provider: custom, dialect: gemini,           base_url: "http://127.0.0.1:1", api_key: up-secret, models: ["e0ge.*"] }
pool: { scheduling: balance, max_attempts: 1 }
monitor: { enabled: false }
state: { backend: memory }
"#,
    )
    .unwrap();
    assert_eq!(config.accounts.len(), 2);
    assert_eq!(config.accounts[1].models, ["e0ge.*"]);
    assert!(config.warnings.is_empty(), "{:?}", config.warnings);
}
