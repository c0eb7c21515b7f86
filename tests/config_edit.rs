//! A configuration's text changed in place: what is asked for changes, and nothing else.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "in a test they are the failure")]

use std::path::Path;

use levity::config::Config;
use levity::config::edit::given::Given;
use levity::config::edit::{Change, account_path, apply, path};
use levity::config::environment::Environment;
use levity::config::load::Options;
use proptest::prelude::*;

const TEMPLATE: &str = include_str!("../conf/levity.yaml");

fn given(json: &str) -> Given {
    serde_json::from_str(json).unwrap()
}

fn set(key: &str, json: &str) -> Change {
    Change::Set(path(key), given(json))
}

fn of_account(index: usize, key: &str, json: &str) -> Change {
    Change::Set(account_path(index, key), given(json))
}

/// The text after the changes, or why there is none.
fn edited(text: &str, changes: &[Change]) -> Result<String, String> {
    apply(text, Path::new("f.yaml"), changes).map_err(|error| error.to_string())
}

/// What a diff would show: lines that went (`-`) and lines that came (`+`).
fn diff(before: &str, after: &str) -> Vec<String> {
    let (before, after): (Vec<&str>, Vec<&str>) =
        (before.lines().collect(), after.lines().collect());
    let same = before.iter().zip(&after).take_while(|(left, right)| left == right).count();
    let (before, after) = (&before[same..], &after[same..]);
    let tail = before.iter().rev().zip(after.iter().rev());
    let same = tail.take_while(|(left, right)| left == right).count();
    let gone = before[..before.len() - same].iter().map(|line| format!("-{line}"));
    let came = after[..after.len() - same].iter().map(|line| format!("+{line}"));
    gone.chain(came).collect()
}

#[test]
fn the_template_changes_where_it_is_asked_to() {
    let long = "# the port that clients use; 0: the system chooses (LEVITY_PORT)";
    let add = Change::AddAccount(given(
        r#"{"name": "z", "provider": "openai", "api_key": "${K}", "models": ["gpt-*"], "weight": 2}"#,
    ));
    for (change, expected) in [
        (
            set("proxy.port", "8050"),
            vec![
                format!("-  port: 8045                  {long}"),
                format!("+  port: 8050                  {long}"),
            ],
        ),
        (
            set("proxy.port", "null"),
            vec![
                format!("-  port: 8045                  {long}"),
                format!("+  # proxy.port: {long}").replace("proxy.port: # ", "port: "),
            ],
        ),
        (
            set("proxy.timeouts.idle", "\"60s\""),
            vec![
                "-    idle: 300s                # between two pieces of an answer".to_owned(),
                "+    idle: 60s                 # between two pieces of an answer".to_owned(),
            ],
        ),
        // A key that stands commented out is put below that line.
        (of_account(0, "weight", "3"), vec!["+    weight: 3".to_owned()]),
        (of_account(1, "enabled", "false"), vec!["+    enabled: false".to_owned()]),
        (of_account(1, "no_such_key", "null"), vec![]),
        (set("state.url", "\"redis://h\""), vec!["+  url: \"redis://h\"".to_owned()]),
        (
            add,
            vec![
                "+  - name: z".to_owned(),
                "+    provider: openai".to_owned(),
                "+    api_key: \"${K}\"".to_owned(),
                "+    models: [\"gpt-*\"]".to_owned(),
                "+    weight: 2".to_owned(),
                "+".to_owned(),
            ],
        ),
        (
            Change::RemoveAccount(2),
            vec![
                "-  - name: anthropic-1".to_owned(),
                "-    provider: anthropic".to_owned(),
                "-    api_key: ${ANTHROPIC_API_KEY:-}".to_owned(),
                "-".to_owned(),
            ],
        ),
    ] {
        let after = edited(TEMPLATE, std::slice::from_ref(&change)).unwrap();
        assert_eq!(diff(TEMPLATE, &after), expected, "{change}");
    }
    let weighed = edited(TEMPLATE, &[of_account(0, "weight", "3")]).unwrap();
    assert!(weighed.contains("its share of the load, 1 to 1000\n    weight: 3\n"), "{weighed}");
    let removed = edited(TEMPLATE, &[Change::RemoveAccount(0)]).unwrap();
    assert!(removed.contains("\naccounts:\n  - name: openai-1\n"), "{removed}");
    let added = edited(TEMPLATE, &[set("models.aliases", r#"{"gpt-4o*": "gemini-3-flash"}"#)]);
    assert!(added.unwrap().contains("aliases: { \"gpt-4o*\": gemini-3-flash }        "));
}

#[expect(clippy::too_many_lines, reason = "a table")]
#[test]
fn every_way_of_writing_is_kept() {
    let account = || given(r#"{"name": "z", "provider": "zai"}"#);
    for (text, change, expected) in [
        // Empty, or almost.
        ("", set("proxy.port", "1"), "proxy:\n  port: 1\n"),
        ("# mine", set("proxy.port", "1"), "# mine\nproxy:\n  port: 1"),
        (
            "# mine\n",
            Change::AddAccount(account()),
            "# mine\naccounts:\n  - name: z\n    provider: zai\n",
        ),
        ("proxy:\n", set("proxy.port", "1"), "proxy:\n  port: 1\n"),
        ("proxy: # p\n# c\npool:\n", set("proxy.port", "1"), "proxy: # p\n  port: 1\n# c\npool:\n"),
        ("proxy: ~ # p\n", set("proxy.port", "1"), "proxy: { port: 1 } # p\n"),
        (
            "proxy: {}\n",
            set("proxy.timeouts.idle", "\"1s\""),
            "proxy: { timeouts: { idle: 1s } }\n",
        ),
        (
            "accounts: [] # none\n",
            Change::AddAccount(account()),
            "accounts:  # none\n  - name: z\n    provider: zai\n",
        ),
        (
            "accounts:\npool:\n",
            Change::AddAccount(account()),
            "accounts:\n  - name: z\n    provider: zai\npool:\n",
        ),
        ("proxy:\n  port:      # p\n", set("proxy.port", "1"), "proxy:\n  port: 1    # p\n"),
        (
            "proxy: { port: , strict: true }\n",
            set("proxy.port", "1"),
            "proxy: { port: 1 , strict: true }\n",
        ),
        ("proxy:\n  port: 2 # p\n", set("proxy.port", "54321"), "proxy:\n  port: 54321 # p\n"),
        // No newline at the end.
        ("proxy:\n  port: 2", set("proxy.strict", "true"), "proxy:\n  port: 2\n  strict: true"),
        ("proxy:\n  port: 2", set("proxy.port", "1"), "proxy:\n  port: 1"),
        (
            "accounts:\n- name: a",
            Change::AddAccount(account()),
            "accounts:\n- name: a\n- name: z\n  provider: zai",
        ),
        // CRLF, a byte order mark, tabs between, other letters.
        (
            "proxy:\r\n  port: 2 # ü\r\n",
            set("proxy.strict", "true"),
            "proxy:\r\n  port: 2 # ü\r\n  strict: true\r\n",
        ),
        (
            "\u{feff}proxy:\n  port: 2\t# t\n",
            set("proxy.port", "1"),
            "\u{feff}proxy:\n  port: 1\t# t\n",
        ),
        (
            "# é\nproxy: { api_key: 'ö''x' } # ß\n",
            set("proxy.port", "1"),
            "# é\nproxy: { api_key: 'ö''x', port: 1 } # ß\n",
        ),
        // Brackets, on one line and on many.
        (
            "proxy: { port: 2, strict: true }\n",
            set("proxy.port", "1"),
            "proxy: { port: 1, strict: true }\n",
        ),
        (
            "proxy: { port: 2, strict: true }\n",
            set("proxy.port", "null"),
            "proxy: { strict: true }\n",
        ),
        ("proxy: { port: 2, strict: true }\n", set("proxy.strict", "null"), "proxy: { port: 2 }\n"),
        ("proxy: { port: 2 }\n", set("proxy.port", "null"), "proxy: {}\n"),
        (
            "{\n  \"proxy\": {\n    \"port\": 2\n  },\n  \"accounts\": []\n}",
            set("proxy.auth_mode", "\"off\""),
            "{\n  \"proxy\": {\n    \"port\": 2,\n    \"auth_mode\": \"off\"\n  },\n  \"accounts\": []\n}",
        ),
        (
            "{\"accounts\": [{\"name\": \"a\"}]}",
            Change::AddAccount(account()),
            "{\"accounts\": [{\"name\": \"a\"}, { \"name\": \"z\", \"provider\": \"zai\" }]}",
        ),
        (
            "accounts: [{name: a}, {name: b}] # c\n",
            Change::RemoveAccount(1),
            "accounts: [{name: a}] # c\n",
        ),
        (
            "accounts: [{name: a}, {name: b}] # c\n",
            Change::RemoveAccount(0),
            "accounts: [{name: b}] # c\n",
        ),
        // What belongs to an account goes with it, and the rest stays.
        (
            "accounts:\n  # two\n\n  # a's\n  - name: a # n\n    # in\n    provider: x\n    # deeper\n\n  # b's\n  - name: b\n",
            Change::RemoveAccount(0),
            "accounts:\n  # two\n\n  # b's\n  - name: b\n",
        ),
        (
            "accounts:\n- name: a\n# b's\n- name: b\n# end\n",
            Change::RemoveAccount(1),
            "accounts:\n- name: a\n# end\n",
        ),
        (
            "accounts:\n  - name: a\n\n  - name: b\npool: {}\n",
            Change::RemoveAccount(1),
            "accounts:\n  - name: a\n\npool: {}\n",
        ),
        (
            "accounts:\n  - name: a\n\n  - name: b\n",
            Change::RemoveAccount(1),
            "accounts:\n  - name: a\n",
        ),
        ("accounts:\n  - name: a\n", Change::RemoveAccount(0), "accounts:\n"),
        (
            "accounts:\n  -\n    name: a # x\n    weight: 1\n",
            of_account(0, "weight", "2"),
            "accounts:\n  -\n    name: a # x\n    weight: 2\n",
        ),
        // Lists and mappings as blocks: comments inside are not lost.
        (
            "accounts:\n- name: a\n  models:\n  - x # why\n  - y\n  weight: 1\n",
            of_account(0, "models", r#"["x", "z*"]"#),
            "accounts:\n- name: a\n  # why\n  models:\n  - x\n  - \"z*\"\n  weight: 1\n",
        ),
        (
            "models:\n  aliases:\n    a: x # why\n    # and\n    \"b*\": y\n",
            set("models.aliases", r#"{"b*": "z", "c": "d"}"#),
            "models:\n  aliases:\n    # a: why\n    # and\n    \"b*\": z\n    c: d\n",
        ),
        (
            "models:\n  aliases:\n    a: x # why\n    # and\n    \"b*\": y\n",
            set("models.aliases", "{}"),
            "models:\n  aliases:\n    # a: why\n    # and\n",
        ),
        (
            "models:\n  aliases:\n    a: x # why\n    b: y\n",
            set("models.aliases", r#"{"b": "y", "a": "x"}"#),
            "models:\n  # why\n  aliases: { b: \"y\", a: x }\n",
        ),
        (
            "models: # m\n  aliases: # why\n    a: x\n",
            set("models.aliases", "null"),
            "models: # m\n  # why\n",
        ),
        // A text of many lines.
        (
            "proxy:\n  api_key: >-\n    sk-one\n    two\n\n  # c\n  port: 1\n",
            set("proxy.api_key", "\"sk-0123456789\""),
            "proxy:\n  api_key: sk-0123456789\n\n  # c\n  port: 1\n",
        ),
        (
            "proxy:\n  api_key: \"sk-\\\n    two\" # c\n",
            set("proxy.api_key", "\"sk 1\""),
            "proxy:\n  api_key: \"sk 1\" # c\n",
        ),
        // Anchors.
        ("a: &x 1\nb: *x\n", set("b", "2"), "a: &x 1\nb: 2\n"),
        ("---\nproxy: { port: 2 }\n", set("proxy.port", "1"), "---\nproxy: { port: 1 }\n"),
    ] {
        let after = edited(text, std::slice::from_ref(&change));
        assert_eq!(after.as_deref(), Ok(expected), "{text}");
    }
}

#[test]
fn what_would_harm_something_else_is_left_to_the_owner() {
    let account = || given(r#"{"name": "z", "provider": "zai"}"#);
    for (text, change, expected) in [
        (
            "a: &x 1\nb: *x\n",
            set("a", "2"),
            "f.yaml:1: a is tied to other parts of the file; change this line by hand",
        ),
        ("a: &x\n  c: 1\n  d: 1\nb: *x\n", set("b.c", "2"), "f.yaml:4: b.c "),
        (
            "proxy: {\n  port: 1, # one\n  strict: true }\n",
            set("proxy.strict", "null"),
            "f.yaml:3: proxy.strict has a comment",
        ),
        (
            "accounts:\n  - enabled: true # c\n    name: x\n",
            of_account(0, "enabled", "null"),
            "f.yaml:2: accounts[0].enabled has a comment",
        ),
        ("accounts: 5\n", Change::RemoveAccount(0), "f.yaml:1: accounts[0] "),
        ("accounts: 5\n", Change::AddAccount(account()), "f.yaml:1: accounts "),
        ("accounts:\n- name: a\n", Change::RemoveAccount(1), "f.yaml:1: accounts[1] "),
        ("proxy: 5\n", set("proxy.port", "1"), "f.yaml:1: proxy.port "),
        ("a: [1\n", set("proxy.port", "1"), "f.yaml:"),
        ("? a\n: 1\n", set("a", "2"), "f.yaml:1: a "),
    ] {
        let why = edited(text, &[change]).unwrap_err();
        assert!(why.starts_with(expected), "{text}: {why}");
    }
}

/// Comments that stand on lines of their own, and those behind values.
fn comments(text: &str) -> Vec<String> {
    let comment = |line: &str| line.find("# ").map(|at| line[at..].to_owned());
    text.lines().filter_map(comment).collect()
}

/// The configuration without one of its parts, as text.
fn meaning(text: &str) -> Vec<(&'static str, String)> {
    let environment = Environment::from_iter([("GEMINI_API_KEY", "g"), ("OPENAI_API_KEY", "o")]);
    let config = Config::parse(text, Path::new("f"), &Options::default(), &environment).unwrap();
    vec![
        (
            "proxy",
            format!("{:?}", (config.proxy.port, config.proxy.auth_mode, config.proxy.strict)),
        ),
        ("timeouts", format!("{:?}", config.proxy.timeouts)),
        ("accounts", format!("{:?}", config.accounts)),
        ("models", format!("{:?}", config.aliases)),
        ("pool", format!("{:?}", config.pool)),
        ("monitor", format!("{:?}", config.monitor)),
        ("console", format!("{:?}", config.console)),
    ]
}

/// A change that is right, and the part of the configuration that it is about.
fn any_change() -> impl Strategy<Value = (&'static str, Change)> {
    let word = "[a-z]{1,8}[*]?";
    prop_oneof![
        (1024..60000_u16).prop_map(|port| ("proxy", set("proxy.port", &port.to_string()))),
        prop::sample::select(vec!["\"off\"", "\"strict\"", "\"auto\"", "null"])
            .prop_map(|mode| ("proxy", set("proxy.auth_mode", mode))),
        any::<bool>().prop_map(|strict| ("proxy", set("proxy.strict", &strict.to_string()))),
        (1..99_u8).prop_map(|s| ("timeouts", set("proxy.timeouts.idle", &format!("\"{s}s\"")))),
        (1..20_u8).prop_map(|most| ("pool", set("pool.max_attempts", &most.to_string()))),
        (1..99_u8).prop_map(|days| ("monitor", set("monitor.retention.days", &days.to_string()))),
        any::<bool>().prop_map(|on| ("console", set("console.enabled", &on.to_string()))),
        prop::collection::btree_map(word, "[a-z0-9.-]{1,9}[a-z]", 0..4).prop_map(|aliases| {
            ("models", set("models.aliases", &serde_json::to_string(&aliases).unwrap()))
        }),
        (0..2_usize, 1..1000_u16)
            .prop_map(|(at, weight)| ("accounts", of_account(at, "weight", &weight.to_string()))),
        (0..2_usize).prop_map(|at| ("accounts", of_account(at, "weight", "null"))),
        (0..2_usize, prop::collection::vec(word, 1..4)).prop_map(|(at, models)| {
            ("accounts", of_account(at, "models", &serde_json::to_string(&models).unwrap()))
        }),
        (0..2_usize, "[!-~]{1,9}").prop_map(|(at, key)| {
            let key = key.replace("${", "x");
            ("accounts", of_account(at, "api_key", &serde_json::to_string(&key.trim()).unwrap()))
        }),
        (0..2_usize, prop::collection::btree_map("x-[a-z]{1,5}", "[!-~]{1,9}", 0..3)).prop_map(
            |(at, headers)| {
                let text = serde_json::to_string(&headers).unwrap().replace("${", "x");
                ("accounts", of_account(at, "headers", &text))
            }
        ),
        any::<u32>().prop_map(|number| {
            let account = format!(
                r#"{{"name": "n{number}", "provider": "openai", "api_key": "k", "clients": ["gemini"]}}"#
            );
            ("accounts", Change::AddAccount(given(&account)))
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn any_changes_keep_comments_and_all_other_values(
        changes in prop::collection::vec(any_change(), 1..8),
        crlf in any::<bool>(),
    ) {
        let mut text = if crlf { TEMPLATE.replace('\n', "\r\n") } else { TEMPLATE.to_owned() };
        for (part, change) in changes {
            let (before, were) = (comments(&text), meaning(&text));
            let after = edited(&text, &[change]);
            prop_assert!(after.is_ok(), "{after:?}");
            text = after.unwrap();
            let now = meaning(&text);
            for ((name, was), (_, is)) in were.iter().zip(&now) {
                prop_assert!(*name == part || was == is, "{name}: {was} is {is}");
            }
            for comment in before {
                prop_assert!(text.contains(comment.trim_start_matches("# ")), "{comment}: {text}");
            }
            prop_assert!(!crlf || text.matches('\n').count() == text.matches("\r\n").count());
        }
    }

    #[test]
    fn a_text_is_read_back_as_it_was_given(texts in prop::collection::vec("\\PC{0,12}|[ -~]{0,6}\n?", 1..4)) {
        let changes = texts.iter().map(|text| {
            set("models.aliases.a", &serde_json::to_string(text).unwrap())
        });
        let changes: Vec<Change> = changes.collect();
        let after = edited("models:\n  aliases: # c\n    b: 1\n", &changes);
        prop_assert!(after.is_ok(), "{after:?}");
    }

    #[test]
    fn no_text_is_a_panic(text in "[-a-c:{}\\[\\],\"'#&*!|>~ \n\t?%@`é]{0,40}", at in 0..3_usize) {
        for change in [set("a.b", "1"), set("a", "{\"b\": [1]}"), set("a", "null"), Change::RemoveAccount(at),
            Change::AddAccount(given("{\"name\": \"a\"}")), of_account(at, "b", "1")] {
            let _ = edited(&text, std::slice::from_ref(&change));
            let _ = edited(&format!("accounts:\n{text}"), &[change]);
        }
    }
}
