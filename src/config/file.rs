//! The file as written → `Config`: every key, its form and its default.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use bytesize::ByteSize;

use super::account;
use super::forms::{
    choice, choice_or_off, client_key, duration, duration_or_off, late_or_off, model, number,
    positive, redis_url, share, size, truth,
};
use super::outbound;
use super::reader::{Key, Reader, Section};
use super::telemetry;
use super::yaml::Node;
use super::{
    AuthMode, Config, Console, Hedge, Monitor, Pool, Proxy, Queue, Retention, Scheduling, Secret,
    Share, State, Timeouts,
};

/// `proxy.auth_mode`.
const AUTH_MODES: &[(&str, AuthMode)] = &[
    ("off", AuthMode::Off),
    ("strict", AuthMode::Strict),
    ("all_except_health", AuthMode::AllExceptHealth),
    ("auto", AuthMode::Auto),
];

/// `pool.scheduling`.
const SCHEDULINGS: &[(&str, Scheduling)] = &[
    ("cache_first", Scheduling::CacheFirst),
    ("balance", Scheduling::Balance),
    ("performance_first", Scheduling::PerformanceFirst),
];

/// `state.backend`.
#[derive(Clone, Copy)]
enum Backend {
    Memory,
    Redis,
}

const BACKENDS: &[(&str, Backend)] = &[("memory", Backend::Memory), ("redis", Backend::Redis)];

impl AuthMode {
    /// The name used in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Strict => "strict",
            Self::AllExceptHealth => "all_except_health",
            Self::Auto => "auto",
        }
    }
}

impl Scheduling {
    /// The name used in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::CacheFirst => "cache_first",
            Self::Balance => "balance",
            Self::PerformanceFirst => "performance_first",
        }
    }
}

/// Reads the whole tree. What is wrong is left in the reader, and a default stands in its place.
pub(super) fn read(tree: Node, reader: &mut Reader<'_>) -> Config {
    let mut root = reader.root(tree);
    let proxy = proxy(reader, &mut root);
    let accounts = account::read(reader, &mut root, &proxy.outbound);
    let aliases = aliases(reader, &mut root);
    let pool = pool(reader, &mut root);
    let monitor = monitor(reader, &mut root);
    let console = console(reader, &mut root, &proxy);
    let telemetry = telemetry::read(reader, &mut root, &proxy.outbound);
    let state = state(reader, &mut root);
    reader.finish(root);
    if proxy.allow_lan_access && proxy.effective_auth() == AuthMode::Off {
        reader.warnings.push(
            "open to the LAN without a key: proxy.allow_lan_access is true and proxy.auth_mode \
             is off; anyone who reaches this port can spend your accounts"
                .to_owned(),
        );
    }
    let warnings = std::mem::take(&mut reader.warnings);
    Config {
        path: None,
        proxy,
        accounts,
        aliases,
        pool,
        monitor,
        console,
        telemetry,
        state,
        warnings,
    }
}

fn proxy(reader: &mut Reader<'_>, root: &mut Section) -> Proxy {
    let mut section = reader.section(root, "proxy");
    let one = &mut section;
    let port = reader.value(one, "port", number(0..=u16::MAX)).unwrap_or(8045);
    let allow_lan_access = reader.value(one, "allow_lan_access", truth).unwrap_or(false);
    let auth_mode =
        reader.value(one, "auth_mode", choice_or_off(AUTH_MODES)).unwrap_or(AuthMode::Auto);
    let mut proxy = Proxy {
        port,
        allow_lan_access,
        auth_mode,
        api_key: None,
        max_body: reader
            .value(one, "max_body", size(ByteSize::kib(1)..=ByteSize::gib(4)))
            .unwrap_or(ByteSize::mib(64).as_u64()),
        threads: reader.value(one, "threads", number(0..=1024)).unwrap_or(0),
        expose_routing: reader.value(one, "expose_routing", truth).unwrap_or(false),
        strict: reader.value(one, "strict", truth).unwrap_or(false),
        timeouts: timeouts(reader, one),
        keepalive: reader.value(one, "keepalive", duration_or_off).flatten(),
        outbound: Arc::new(outbound::read(reader, one)),
    };
    proxy.api_key = api_key(reader, one, proxy.effective_auth());
    reader.finish(section);
    proxy
}

/// The client key. An unset `${VAR}` is a missing key, and a missing key is generated when one is
/// needed, so that the gateway never runs open by accident.
fn api_key(reader: &mut Reader<'_>, section: &mut Section, effective: AuthMode) -> Option<Secret> {
    match reader.secret(section, "api_key") {
        Key::Absent | Key::Blank | Key::Refused => None,
        Key::Unset(name) => {
            if effective != AuthMode::Off {
                reader.warnings.push(format!(
                    "proxy.api_key: the variable {name} is not set; a saved or new key is used"
                ));
            }
            None
        }
        Key::Known(secret) => match client_key(&secret) {
            Ok(()) => Some(secret),
            Err(message) => {
                reader.complain(section, "api_key", message);
                None
            }
        },
    }
}

fn timeouts(reader: &mut Reader<'_>, proxy: &mut Section) -> Timeouts {
    let mut section = reader.section(proxy, "timeouts");
    let mut timeout = |key, seconds| {
        let written = reader.value(&mut section, key, duration);
        written.unwrap_or_else(|| Duration::from_secs(seconds))
    };
    let timeouts = Timeouts {
        connect: timeout("connect", 10),
        first_byte: timeout("first_byte", 300),
        idle: timeout("idle", 300),
        drain: timeout("drain", 600),
    };
    reader.finish(section);
    timeouts
}

fn aliases(reader: &mut Reader<'_>, root: &mut Section) -> Vec<(String, String)> {
    let mut section = reader.section(root, "models");
    let aliases = replacements(reader, &mut section, "aliases");
    reader.finish(section);
    aliases
}

/// A mapping of patterns to model names.
pub(super) fn replacements(
    reader: &mut Reader<'_>,
    section: &mut Section,
    key: &'static str,
) -> Vec<(String, String)> {
    let mut replacements = Vec::new();
    for pair in reader.pairs(section, key) {
        if pair.key.trim().is_empty() {
            reader.complain_of_pair(&pair, "the pattern is empty");
        }
        if let Some(model) = reader.pair_value(&pair, model) {
            replacements.push((pair.key, model));
        }
    }
    replacements
}

fn pool(reader: &mut Reader<'_>, root: &mut Section) -> Pool {
    let mut section = reader.section(root, "pool");
    let scheduling = reader.value(&mut section, "scheduling", choice(SCHEDULINGS));
    let max_attempts = reader.value(&mut section, "max_attempts", positive(20));
    let max_concurrency = reader.value(&mut section, "max_concurrency", number(0..=1_000_000));
    let mut inner = reader.section(&mut section, "queue");
    let queue = Queue {
        size: reader.value(&mut inner, "size", number(0..=100_000)).unwrap_or(256),
        wait: reader.value(&mut inner, "wait", duration).unwrap_or(Duration::from_secs(30)),
    };
    reader.finish(inner);
    let mut inner = reader.section(&mut section, "hedge");
    let hedge = Hedge {
        after: reader.value(&mut inner, "after", late_or_off).flatten(),
        budget: reader.value(&mut inner, "budget", share).unwrap_or(Share(500)),
    };
    reader.finish(inner);
    reader.finish(section);
    Pool {
        scheduling: scheduling.unwrap_or(Scheduling::CacheFirst),
        max_attempts: max_attempts.unwrap_or(NonZeroU32::MIN.saturating_add(2)),
        max_concurrency: max_concurrency.unwrap_or(0),
        queue,
        hedge,
    }
}

fn monitor(reader: &mut Reader<'_>, root: &mut Section) -> Monitor {
    let mut section = reader.section(root, "monitor");
    let enabled = reader.value(&mut section, "enabled", truth).unwrap_or(true);
    let bodies = reader.value(&mut section, "bodies", truth).unwrap_or(false);
    let mut inner = reader.section(&mut section, "retention");
    let retention = Retention {
        days: reader.value(&mut inner, "days", number(1..=36_500)).unwrap_or(30),
        rows: reader.value(&mut inner, "rows", number(1..=1_000_000_000)).unwrap_or(100_000),
        size: reader
            .value(&mut inner, "size", size(ByteSize::mib(1)..=ByteSize::tib(1)))
            .unwrap_or(ByteSize::mib(512).as_u64()),
    };
    reader.finish(inner);
    reader.finish(section);
    Monitor { enabled, bodies, retention }
}

fn console(reader: &mut Reader<'_>, root: &mut Section, proxy: &Proxy) -> Console {
    let mut section = reader.section(root, "console");
    let enabled = reader.value(&mut section, "enabled", truth).unwrap_or(true);
    let port = reader.value(&mut section, "port", number(0..=u16::MAX)).unwrap_or(8046);
    if enabled && port != 0 && port == proxy.port {
        let message = format!("is {port}, and so is proxy.port; they need one each");
        let hint = "choose another console.port, or set console.enabled to false".to_owned();
        reader.complain_with_hint(&section, "port", &message, Some(hint));
    }
    reader.finish(section);
    Console { enabled, port }
}

fn state(reader: &mut Reader<'_>, root: &mut Section) -> State {
    let mut section = reader.section(root, "state");
    let backend = reader.value(&mut section, "backend", choice(BACKENDS));
    let url = match backend.unwrap_or(Backend::Memory) {
        Backend::Redis => reader.required(&mut section, "url", redis_url),
        Backend::Memory => {
            if reader.value(&mut section, "url", redis_url).is_some() {
                reader.warnings.push("state.url is not used: state.backend is memory".to_owned());
            }
            None
        }
    };
    reader.finish(section);
    url.map_or(State::Memory, State::Redis)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::environment::Environment;
    use crate::config::load::Options;
    use crate::config::yaml;

    const TEMPLATE: &str = include_str!("../../conf/levity.yaml");

    fn load(text: &str, variables: &[(&str, &str)]) -> Config {
        let environment = variables.iter().copied().collect::<Environment>();
        Config::parse(text, Path::new("levity.yaml"), &Options::default(), &environment).unwrap()
    }

    /// The template with its commented keys in force.
    fn uncommented() -> String {
        let uncomment = |line: &str| {
            let (indent, rest) = line.split_once("# ").unwrap_or((line, ""));
            let key = rest.split_once(':').map_or("", |(key, _)| key);
            let is_key = !key.is_empty()
                && key.chars().all(|c| c.is_ascii_lowercase() || c == '_')
                && rest.as_bytes().get(key.len() + 1) == Some(&b' ');
            if indent.trim().is_empty() && is_key && !rest.starts_with(' ') {
                format!("{indent}{rest}")
            } else {
                line.to_owned()
            }
        };
        TEMPLATE.lines().map(uncomment).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn an_empty_file_is_all_defaults() {
        let config = load("", &[]);
        assert_eq!(config.proxy.bind().to_string(), "127.0.0.1:8045");
        assert_eq!(config.proxy.effective_auth(), AuthMode::Off);
        assert_eq!(config.proxy.max_body, 64 << 20);
        assert_eq!(config.proxy.timeouts.first_byte, Duration::from_mins(5));
        assert_eq!(config.pool.max_attempts.get(), 3);
        assert_eq!(config.monitor.retention.size, 512 << 20);
        assert_eq!((config.console.enabled, config.console.port), (true, 8046));
        assert_eq!(config.state, State::Memory);
        assert!(config.accounts.is_empty() && config.aliases.is_empty());
        assert!(config.warnings.is_empty(), "{:?}", config.warnings);
    }

    #[test]
    fn auth_mode_off_needs_no_quotes() {
        for (written, expected) in [
            ("off", AuthMode::Off),
            ("\"off\"", AuthMode::Off),
            ("'off'", AuthMode::Off),
            ("false", AuthMode::Off),
            ("strict", AuthMode::Strict),
            ("all_except_health", AuthMode::AllExceptHealth),
            ("auto", AuthMode::Auto),
        ] {
            let config = load(&format!("proxy: {{ auth_mode: {written} }}"), &[]);
            assert_eq!(config.proxy.auth_mode, expected, "{written}");
            assert_eq!(AUTH_MODES.iter().find(|(_, m)| *m == expected).unwrap().0, expected.name());
        }
    }

    #[test]
    fn an_open_lan_is_told() {
        for (written, told) in [
            ("{ allow_lan_access: true, auth_mode: off }", true),
            ("{ allow_lan_access: true }", false),
            ("{ auth_mode: off }", false),
        ] {
            let config = load(&format!("proxy: {written}"), &[]);
            assert_eq!(config.warnings.iter().any(|w| w.contains("LAN")), told, "{written}");
        }
    }

    #[test]
    fn an_unset_client_key_is_a_missing_one() {
        let text = "proxy: { auth_mode: strict, api_key: \"${MINE}\" }";
        let config = load(text, &[]);
        assert_eq!(config.proxy.api_key, None);
        assert!(config.warnings[0].contains("MINE"), "{:?}", config.warnings);
        let config = load(text, &[("MINE", "sk-0123456789")]);
        assert_eq!(config.proxy.api_key, Some(Secret::new("sk-0123456789")));
    }

    #[test]
    fn the_template_is_the_defaults() {
        let defaults = load("", &[]);
        for text in [TEMPLATE.to_owned(), uncommented()] {
            let config = load(&text, &[]);
            assert_eq!(format!("{:?}", config.proxy), format!("{:?}", defaults.proxy));
            assert_eq!(format!("{:?}", config.pool), format!("{:?}", defaults.pool));
            assert_eq!(format!("{:?}", config.monitor), format!("{:?}", defaults.monitor));
            assert_eq!(format!("{:?}", config.console), format!("{:?}", defaults.console));
            assert_eq!(config.telemetry, defaults.telemetry);
            assert_eq!(config.state, defaults.state);
            assert!(config.accounts.iter().all(|account| !account.is_active()));
        }
    }

    #[test]
    fn the_template_works_with_any_provider_key() {
        for (variable, name) in [
            ("GEMINI_API_KEY", "google-1"),
            ("GOOGLE_API_KEY", "google-1"),
            ("OPENAI_API_KEY", "openai-1"),
            ("ANTHROPIC_API_KEY", "anthropic-1"),
            ("ZAI_API_KEY", "zai-1"),
        ] {
            let mut accounts = load(TEMPLATE, &[(variable, "k")]).accounts;
            accounts.retain(super::super::Account::is_active);
            assert_eq!(accounts.len(), 1, "{variable}");
            assert_eq!(accounts[0].name, name);
            assert_eq!(accounts[0].api_key.expose(), "k");
        }
        // The commented values are what is assumed without them.
        let short = load(TEMPLATE, &[("GEMINI_API_KEY", "k")]).accounts;
        let long = load(&uncommented(), &[("GEMINI_API_KEY", "k")]).accounts;
        assert_eq!(format!("{:?}", short[0]), format!("{:?}", long[0]));
    }

    #[test]
    fn the_template_has_every_key() {
        let environment = Environment::default();
        let mut reader = Reader::new(&environment, None);
        read(yaml::parse(&uncommented(), Path::new("f")).unwrap(), &mut reader);
        let keys = reader.schema().iter().map(|(_, key)| *key).collect::<Vec<_>>();
        assert!(keys.contains(&"max_concurrency") && keys.contains(&"url"), "{keys:?}");
        for key in keys {
            let written = TEMPLATE.lines().any(|line| {
                line.trim_start_matches([' ', '#', '-']).starts_with(&format!("{key}:"))
            });
            assert!(written, "{key} is not in conf/levity.yaml");
        }
    }
}
