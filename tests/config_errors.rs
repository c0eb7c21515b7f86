//! What is said of a config file that is wrong.

use std::path::Path;

use levity::config::Config;
use levity::config::environment::Environment;
use levity::config::load::{Error, Options};
use proptest::prelude::*;

fn parse(text: &str) -> Result<Config, Error> {
    let environment = Environment::from_iter([("KEY", "sk-test-secret"), ("BLANK", "")]);
    Config::parse(text, Path::new("levity.yaml"), &Options::default(), &environment)
}

/// What is wrong with a text, one line each.
fn problems(text: &str) -> Vec<String> {
    match parse(text) {
        Ok(_) => panic!("accepted: {text}"),
        Err(error) => error.to_string().lines().map(ToOwned::to_owned).collect(),
    }
}

/// A file, and the one thing that is wrong with it.
const FILES: &[(&str, &str)] = &[
    (
        "a: 1",
        r#"levity.yaml:1: unknown key "a"; expected proxy, accounts, models, pool, monitor, console, telemetry or state"#,
    ),
    (
        "proxy:\n  port: 1\n  prot: 2",
        r#"levity.yaml:3: unknown key "proxy.prot"; did you mean "port"?"#,
    ),
    ("acounts: []", r#"levity.yaml:1: unknown key "acounts"; did you mean "accounts"?"#),
    ("port: 1", r#"levity.yaml:1: unknown key "port"; did you mean "proxy.port"?"#),
    (
        "proxy: { timeouts: { conect: 1s } }",
        r#"levity.yaml:1: unknown key "proxy.timeouts.conect"; did you mean "connect"?"#,
    ),
    ("proxy:\n  port: 1\n  port: 2", "levity.yaml:3: proxy.port: written twice"),
    ("proxy:\n  port: 70000", "levity.yaml:2: proxy.port: expected a whole number from 0 to 65535"),
    (
        "proxy:\n  port: eighty",
        "levity.yaml:2: proxy.port: expected a whole number from 0 to 65535",
    ),
    (
        "proxy:\n  port: '80'",
        "levity.yaml:2: proxy.port: expected a whole number from 0 to 65535, without quotes",
    ),
    (
        "proxy:\n  port: [1]",
        "levity.yaml:2: proxy.port: expected a whole number from 0 to 65535, found a list",
    ),
    ("proxy: 8045", "levity.yaml:1: proxy: expected keys and values, found a single value"),
    ("- a", "levity.yaml:1: the file: expected keys and values, found a list"),
    (
        "proxy: { allow_lan_access: yes }",
        "levity.yaml:1: proxy.allow_lan_access: expected true or false",
    ),
    (
        "proxy: { auth_mode: strcit }",
        r#"levity.yaml:1: proxy.auth_mode: expected off, strict, all_except_health or auto; did you mean "strict"?"#,
    ),
    (
        "proxy: { api_key: sk-123456 }",
        "levity.yaml:1: proxy.api_key: is too short: at least 10 characters, the sk- included",
    ),
    ("proxy: { api_key: 0123456789 }", "levity.yaml:1: proxy.api_key: must begin with sk-"),
    (
        "proxy: { api_key: sk-0123 56789 }",
        "levity.yaml:1: proxy.api_key: has a character that cannot stand in an HTTP header",
    ),
    (
        "proxy: { max_body: huge }",
        "levity.yaml:1: proxy.max_body: expected a size from 1.0 KiB to 4.0 GiB, such as 64MiB",
    ),
    (
        "proxy: { timeouts: { idle: 10 } }",
        "levity.yaml:1: proxy.timeouts.idle: expected a duration with its unit, such as 500ms, 10s or 5m",
    ),
    ("proxy: { port: \"${NOPE}\" }", "levity.yaml:1: proxy.port: the variable NOPE is not set"),
    ("proxy: { port: \"${BLANK}\" }", "levity.yaml:1: proxy.port: the variable BLANK is not set"),
    (
        "proxy: { port: \"${KEY}\" }",
        "levity.yaml:1: proxy.port: expected a whole number from 0 to 65535",
    ),
    (
        "proxy: { port: \"${PORT\" }",
        "levity.yaml:1: proxy.port: expected ${NAME} or ${NAME:-default}",
    ),
    (
        "pool: { max_attempts: 0 }",
        "levity.yaml:1: pool.max_attempts: expected a whole number from 1 to 20",
    ),
    (
        "pool: { scheduling: cache }",
        r#"levity.yaml:1: pool.scheduling: expected cache_first, balance or performance_first; did you mean "cache_first"?"#,
    ),
    (
        "models: { aliases: { a: 'b*' } }",
        r#"levity.yaml:1: models.aliases."a": expected the name of one model, without *"#,
    ),
    (
        "models: { aliases: [a] }",
        "levity.yaml:1: models.aliases: expected keys and values, found a list",
    ),
    (
        "monitor: { retention: { days: 0 } }",
        "levity.yaml:1: monitor.retention.days: expected a whole number from 1 to 36500",
    ),
    (
        "console:\n  port: 8045",
        "levity.yaml:2: console.port: is 8045, and so is proxy.port; they need one each",
    ),
    (
        "state:\n  backend: redis",
        "levity.yaml:1: state.url: is missing; expected a redis:// or rediss:// URL",
    ),
    (
        "state: { backend: redis, url: 'http://h' }",
        "levity.yaml:1: state.url: expected a redis:// or rediss:// URL",
    ),
];

/// The keys of an account, and the one thing that is wrong with them.
const ACCOUNTS: &[(&str, &str)] = &[
    ("name: a", "provider: is missing; expected gemini, vertex, openai, anthropic, zai or custom"),
    (
        "provider: openai, api_key: k",
        "name: is missing; expected a name of 1 to 64 printable ASCII characters",
    ),
    (
        "name: a, provider: opena, api_key: k",
        r#"provider: expected gemini, vertex, openai, anthropic, zai or custom; did you mean "openai"?"#,
    ),
    ("name: a, provider: openai", "api_key: is missing; openai accounts need one"),
    ("name: a, provider: openai, api_key: ''", "api_key: is missing; openai accounts need one"),
    ("name: a, provider: openai, api_key: '${NOPE}'", "api_key: the variable NOPE is not set"),
    ("name: a, provider: openai, api_key: [k]", "api_key: expected a text, found a list"),
    (
        "name: a, provider: vertex, api_key: k, credentials: metadata, project: p",
        "api_key: vertex accounts have none: write credentials",
    ),
    (
        "name: a, provider: custom, base_url: 'http://h'",
        "dialect: is missing; expected openai_chat, openai_responses, anthropic or gemini",
    ),
    (
        "name: a, provider: custom, dialect: gemini",
        "base_url: is missing; expected an http:// or https:// URL without user, password, query or fragment",
    ),
    (
        "name: a, provider: anthropic, api_key: k, dialect: gemini",
        "dialect: expected anthropic for anthropic",
    ),
    (
        "name: a, provider: openai, api_key: k, base_url: 'https://u:p@h/v1'",
        "base_url: expected an http:// or https:// URL without user, password, query or fragment",
    ),
    (
        "name: a, provider: openai, api_key: k, models: []",
        "models: the list is empty; leave the key out for the default",
    ),
    (
        "name: a, provider: openai, api_key: k, models: gpt",
        "models: expected a list, found a single value",
    ),
    (
        "name: a, provider: openai, api_key: k, clients: [antropic]",
        r#"clients[0]: expected openai_chat, openai_responses, anthropic or gemini; did you mean "anthropic"?"#,
    ),
    (
        "name: a, provider: openai, api_key: k, weight: 0",
        "weight: expected a whole number from 1 to 1000",
    ),
    (
        "name: a, provider: openai, api_key: k, dispatch: never",
        "dispatch: expected pooled, exclusive, fallback or off",
    ),
    (
        "name: a, provider: openai, api_key: k, headers: { 'a b': c }",
        r#"headers."a b": not a header name"#,
    ),
    (
        "name: a, provider: openai, api_key: k, headers: { Host: c }",
        r#"headers."Host": is set by the gateway and cannot be replaced"#,
    ),
    (
        "name: a, provider: openai, api_key: k, headers: { X-Api-Key: c }",
        r#"headers."X-Api-Key": carries the account's api_key; write one of the two"#,
    ),
    (
        "name: a, provider: custom, dialect: anthropic, base_url: 'http://h', headers: { x-a: b, X-A: c }",
        r#"headers."X-A": written twice"#,
    ),
    (
        "name: a, provider: custom, dialect: anthropic, base_url: 'http://h', headers: { x-a: \"b\\nc\" }",
        r#"headers."x-a": has a character that cannot stand in an HTTP header"#,
    ),
    (
        "name: a, provider: custom, dialect: anthropic, base_url: 'http://h', headers: { x-a: }",
        r#"headers."x-a": expected a text, found nothing"#,
    ),
];

#[test]
fn what_is_wrong_is_named_with_its_place() {
    for (text, expected) in FILES {
        assert_eq!(problems(text), [*expected], "{text}");
    }
}

#[test]
fn what_is_wrong_with_an_account_is_named_with_its_place() {
    for (keys, expected) in ACCOUNTS {
        let found = problems(&format!("accounts:\n  - {{ {keys} }}"));
        assert_eq!(found, [format!("levity.yaml:2: accounts[0].{expected}")], "{keys}");
    }
}

#[test]
fn every_problem_is_told_at_once_in_file_order() {
    let text = "proxy:\n  prot: 1\n  strict: 2\naccounts:\n  - name: a\n    provider: custom\n    \
                dialect: gemini\n    base_url: http://h\n  - name: a\n    provider: custom\n    \
                dialect: gemini\n    base_url: http://h\n";
    assert_eq!(
        problems(text),
        [
            r#"levity.yaml:2: unknown key "proxy.prot"; did you mean "port"?"#,
            "levity.yaml:3: proxy.strict: expected true or false",
            r#"levity.yaml:9: accounts[1].name: another account is already named "a""#,
        ]
    );
}

#[test]
fn no_value_is_repeated_in_an_error() {
    const SECRET: &str = "AIzaNobodyMaySeeThis0123456789012345678";
    for key in [
        "port",
        "allow_lan_access",
        "auth_mode",
        "api_key",
        "max_body",
        "threads",
        "timeouts",
        SECRET,
    ] {
        let found = problems(&format!("proxy:\n  {key}: {SECRET}")).join("\n");
        assert!(!found.contains(SECRET), "{found}");
    }
    for key in ["provider", "dialect", "base_url", "models", "dispatch", "weight", "headers"] {
        let text = format!("accounts:\n  - name: a\n    {key}: {SECRET}\n");
        let found = problems(&text).join("\n");
        assert!(!found.contains(SECRET), "{found}");
    }
    let text = format!(
        "accounts: [{{ name: a, provider: openai, api_key: {SECRET}, headers: {{ x-k: {SECRET} }} }}]\n\
         state: {{ backend: redis, url: 'redis://:{SECRET}@h' }}"
    );
    let config = parse(&text).unwrap();
    assert!(!format!("{config:?}").contains(SECRET), "{config:?}");
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "[\\PC\\n\\t ]{0,200}") {
        let _ = parse(&text);
    }

    #[test]
    fn no_change_to_a_good_file_makes_it_panic(at in 0_usize..5000, with in "[\\[\\]{}:,&*!|>'\"%@`#\\n$-]{1,3}") {
        let template = include_str!("../conf/levity.yaml");
        let characters = || template.chars();
        let text: String = characters().take(at).chain(with.chars()).chain(characters().skip(at + 1)).collect();
        let _ = parse(&text);
    }
}
