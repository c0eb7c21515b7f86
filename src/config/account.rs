//! `accounts:` as written → `Account`, with its provider's defaults filled in.

use std::num::NonZeroU32;
use std::sync::Arc;

use http::header::{HeaderName, HeaderValue};
use url::Url;

use super::file::replacements;
use super::forms::{base_url, choice, choice_or_off, label, number, positive, text, truth};
use super::outbound::{self, Outbound};
use super::problem::alternatives;
use super::provider::PROVIDERS;
use super::reader::{Key, Pair, Reader, Section};
use super::{Account, Dispatch, Provider, Secret, vertex};
use crate::dialects::Dialect;

/// `dialect` and `clients`.
const DIALECTS: &[(&str, Dialect)] = &[
    (Dialect::OpenAiChat.name(), Dialect::OpenAiChat),
    (Dialect::OpenAiResponses.name(), Dialect::OpenAiResponses),
    (Dialect::Anthropic.name(), Dialect::Anthropic),
    (Dialect::Gemini.name(), Dialect::Gemini),
];

/// `dispatch`.
const DISPATCHES: &[(&str, Dispatch)] = &[
    ("pooled", Dispatch::Pooled),
    ("exclusive", Dispatch::Exclusive),
    ("fallback", Dispatch::Fallback),
    ("off", Dispatch::Off),
];

/// Headers that belong to the connection or the body, never to the owner.
const RESERVED_HEADERS: &[&str] = &[
    "host",
    "content-length",
    "content-type",
    "content-encoding",
    "accept-encoding",
    "transfer-encoding",
    "connection",
    "upgrade",
    "te",
    "trailer",
    "expect",
];

/// Headers that carry an account's key.
const KEY_HEADERS: &[&str] = &["authorization", "x-api-key", "x-goog-api-key"];

impl Dispatch {
    /// The name used in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pooled => "pooled",
            Self::Exclusive => "exclusive",
            Self::Fallback => "fallback",
            Self::Off => "off",
        }
    }
}

/// Reads `accounts:`; names are unique.
pub(super) fn read(
    reader: &mut Reader<'_>,
    root: &mut Section,
    outbound: &Arc<Outbound>,
) -> Vec<Account> {
    let mut accounts: Vec<Account> = Vec::new();
    for mut section in reader.sections(root, "accounts") {
        let account = account(reader, &mut section, outbound);
        let name = account.as_ref().map(|account| account.name.clone()).unwrap_or_default();
        if accounts.iter().any(|other| other.name == name) {
            let message = format!("another account is already named \"{name}\"");
            reader.complain(&section, "name", &message);
        }
        accounts.extend(account);
        reader.finish(section);
    }
    accounts
}

/// One account, or nothing when a part that has no default is wrong.
fn account(
    reader: &mut Reader<'_>,
    section: &mut Section,
    outbound: &Arc<Outbound>,
) -> Option<Account> {
    let name = reader.required(section, "name", label);
    let provider = reader.required(section, "provider", choice(PROVIDERS));
    let enabled = reader.value(section, "enabled", truth).unwrap_or(true);
    let dispatch = reader.value(section, "dispatch", choice_or_off(DISPATCHES));
    let vertex = vertex::Draft::read(reader, section);
    let endpoint = endpoint(reader, section, provider, &vertex);
    let models = reader.values(section, "models", text);
    let model_map = replacements(reader, section, "model_map");
    let clients = reader.values(section, "clients", choice(DIALECTS));
    let weight = reader.value(section, "weight", positive(1000)).unwrap_or(NonZeroU32::MIN);
    let max_concurrency = reader.value(section, "max_concurrency", number(0..=1_000_000));
    let key = reader.secret(section, "api_key");
    let headers = headers(reader, section, &key);
    let way_out = outbound::read_way(reader, section, outbound);

    let (provider, (dialects, base_url)) = (provider?, endpoint?);
    let families = || provider.models().iter().map(|&family| family.to_owned()).collect();
    let mut account = Account {
        name: name?,
        provider,
        api_key: Secret::new(""),
        base_url,
        dialects,
        models: models.unwrap_or_else(families),
        model_map,
        dispatch: dispatch.unwrap_or(Dispatch::Pooled),
        clients: clients.unwrap_or_else(|| Dialect::ALL.to_vec()),
        weight,
        max_concurrency: max_concurrency.unwrap_or(0),
        enabled,
        headers,
        way_out,
        vertex: None,
    };
    if provider == Provider::Vertex {
        refuse_key(reader, section, &key);
        vertex.give(reader, section, &mut account);
    } else {
        vertex.refuse(reader, section, provider);
        give_key(reader, section, &mut account, key);
    }
    warn_of_base_url(reader, &account);
    Some(account)
}

/// What the account speaks and where.
fn endpoint(
    reader: &mut Reader<'_>,
    section: &mut Section,
    provider: Option<Provider>,
    vertex: &vertex::Draft,
) -> Option<(Vec<Dialect>, Url)> {
    if provider == Some(Provider::Custom) {
        let dialect = reader.required(section, "dialect", choice(DIALECTS));
        let url = reader.required(section, "base_url", base_url);
        return Some((vec![dialect?], url?));
    }
    let narrowed = reader.value(section, "dialect", choice(DIALECTS));
    let written = reader.value(section, "base_url", base_url);
    let provider = provider?;
    if provider == Provider::Vertex {
        if narrowed.is_some() {
            let message =
                "vertex accounts speak gemini, and anthropic about Claude models: leave it out";
            reader.complain(section, "dialect", message);
        }
        let (_, url) = vertex.location(reader);
        return Some((vec![Dialect::Gemini, Dialect::Anthropic], written.or(url)?));
    }
    let endpoints = provider.endpoints();
    let Some((own, url)) =
        endpoints.clone().find(|(dialect, _)| narrowed.is_none_or(|wanted| wanted == *dialect))
    else {
        let speaks = alternatives(endpoints.map(|(dialect, _)| dialect.name()));
        let message = format!("expected {speaks} for {}", provider.name());
        let hint = "for any other endpoint write provider: custom".to_owned();
        reader.complain_with_hint(section, "dialect", &message, Some(hint));
        return None;
    };
    // OpenAI serves both of its dialects at one base URL; elsewhere the second has its own.
    let shared = |(_, other): &(Dialect, &str)| narrowed.is_none() && *other == url;
    let others = endpoints.filter(shared).map(|(dialect, _)| dialect).filter(|other| *other != own);
    let dialects = std::iter::once(own).chain(others).collect();
    Some((dialects, written.or_else(|| Url::parse(url).ok())?))
}

/// Gives the account its key, or says what is to be thought of it having none.
///
/// An unset variable is an error, as it is likely forgotten; but an idle account needs no key, and
/// `${NAME:-}` says that the account is wanted only where the variable is set.
fn give_key(reader: &mut Reader<'_>, section: &Section, account: &mut Account, key: Key) {
    let idle = !account.is_active();
    let keyless = account.provider == Provider::Custom;
    match key {
        Key::Refused => {}
        Key::Known(secret) => account.api_key = secret,
        Key::Absent | Key::Unset(_) if idle => {}
        Key::Absent | Key::Blank if keyless => {}
        Key::Absent => {
            let message = format!("is missing; {} accounts need one", account.provider.name());
            reader.complain(section, "api_key", &message);
        }
        Key::Unset(name) => {
            let message = format!("the variable {name} is not set");
            let hint = format!(
                "set {name}; or write ${{{name}:-}} to leave the account out where it is not set"
            );
            reader.complain_with_hint(section, "api_key", &message, Some(hint));
        }
        Key::Blank => account.enabled = false,
    }
}

/// Vertex AI's keys are no key of an account: tokens are made for credentials.
fn refuse_key(reader: &mut Reader<'_>, section: &Section, key: &Key) {
    if !matches!(key, Key::Absent) {
        reader.complain(section, "api_key", "vertex accounts have none: write credentials");
    }
}

/// `headers`: added to each request.
pub(super) fn headers(
    reader: &mut Reader<'_>,
    section: &mut Section,
    key: &Key,
) -> Vec<(HeaderName, HeaderValue)> {
    let mut headers: Vec<(HeaderName, HeaderValue)> = Vec::new();
    for pair in reader.pairs(section, "headers") {
        match header(&pair, key) {
            Ok((name, _)) if headers.iter().any(|(other, _)| *other == name) => {
                reader.complain_of_pair(&pair, "written twice");
            }
            Ok(header) => headers.push(header),
            Err(message) => reader.complain_of_pair(&pair, message),
        }
    }
    headers
}

fn header(pair: &Pair, key: &Key) -> Result<(HeaderName, HeaderValue), &'static str> {
    let name = HeaderName::from_bytes(pair.key.as_bytes()).map_err(|_| "not a header name")?;
    if RESERVED_HEADERS.contains(&name.as_str()) {
        return Err("is set by the gateway and cannot be replaced");
    }
    if KEY_HEADERS.contains(&name.as_str()) && !matches!(key, Key::Absent) {
        return Err("carries the account's api_key; write one of the two");
    }
    let mut value = HeaderValue::from_str(pair.scalar.text.trim())
        .map_err(|_| "has a character that cannot stand in an HTTP header")?;
    // It may be a key, so Debug must not show it.
    value.set_sensitive(true);
    Ok((name, value))
}

/// A base URL is what the dialect's SDK is given; the usual slip is to add or forget `/v1`.
fn warn_of_base_url(reader: &mut Reader<'_>, account: &Account) {
    let path = account.base_path();
    let openai = account
        .dialects
        .iter()
        .any(|dialect| matches!(dialect, Dialect::OpenAiChat | Dialect::OpenAiResponses));
    let slip = match path {
        "" if openai => "usually ends in /v1 for the OpenAI dialects",
        "/v1" | "/v1beta" if !openai => "usually has no version for this dialect: leave it out",
        _ => return,
    };
    reader.warnings.push(format!("account \"{}\": base_url {slip}", account.name));
}
