//! What single words of an error body mean for an account: tables, each row with its source.

use http::StatusCode;

use super::fault::Fault;
use super::verdict::{Kind, Scope};
use crate::config::Provider;

/// What a word comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    Client,
    Unfit,
    Missing,
    Rejected,
    Limited(Scope, Kind),
}

const PURSE: Sign = Sign::Limited(Scope::Account, Kind::Quota);
const BUSY: Sign = Sign::Limited(Scope::Model, Kind::Capacity);
const RATE: Sign = Sign::Limited(Scope::Model, Kind::Rate);

/// Codes that decide, whatever the status: `code`, `type`, `status` or a reason in Google's
/// details.
///
/// <https://platform.openai.com/docs/guides/error-codes>
/// <https://help.openai.com/en/articles/5955604-troubleshooting-api-rate-limits-and-429-errors>
/// <https://docs.anthropic.com/en/api/errors>
/// <https://github.com/googleapis/googleapis/blob/master/google/api/error_reason.proto>
const CODES: &[(&str, Sign, &str)] = &[
    // OpenAI sends these with 429, where waiting a moment does not help.
    ("insufficient_quota", PURSE, "no credit is left"),
    ("credit_balance_exhausted", PURSE, "no credit is left"),
    ("organization_spend_limit_exceeded", PURSE, "the spend limit is reached"),
    ("project_spend_limit_exceeded", PURSE, "the spend limit is reached"),
    ("organization_usage_limit_exceeded", PURSE, "the usage limit is reached"),
    ("billing_hard_limit_reached", PURSE, "the spend limit is reached"),
    ("billing_not_active", PURSE, "billing is not active"),
    // ChatGPT's plans. <https://github.com/earendil-works/pi/issues/4172>
    ("usage_limit_reached", PURSE, "the plan's usage limit is reached"),
    ("usage_not_included", PURSE, "the plan does not include this"),
    ("billing_error", PURSE, "billing has a problem"),
    ("enforced_spend_limit_reached", PURSE, "the spend limit is reached"),
    ("BILLING_DISABLED", PURSE, "billing is disabled"),
    ("QUOTA_EXHAUSTED", PURSE, "the quota is used up"),
    ("invalid_api_key", Sign::Rejected, "the key was refused"),
    ("account_deactivated", Sign::Rejected, "the account is deactivated"),
    // Gemini says with 400 that the key is wrong.
    ("API_KEY_INVALID", Sign::Rejected, "the key was refused"),
    ("API_KEY_EXPIRED", Sign::Rejected, "the key has expired"),
    ("API_KEY_SERVICE_BLOCKED", Sign::Rejected, "the key may not use this API"),
    ("CONSUMER_INVALID", Sign::Rejected, "the project was refused"),
    ("CONSUMER_SUSPENDED", Sign::Rejected, "the project is suspended"),
    ("SERVICE_DISABLED", Sign::Rejected, "the API is not enabled for the project"),
    // OpenAI Responses sends this one with 400, Chat Completions with 404, a project's key with
    // 403.
    ("model_not_found", Sign::Missing, "the account does not have the model"),
    ("DeploymentNotFound", Sign::Missing, "the account does not have the deployment"),
    ("overloaded_error", BUSY, "the provider is overloaded"),
    ("server_is_overloaded", BUSY, "the provider is overloaded"),
    ("slow_down", BUSY, "the provider asks to slow down"),
    ("engine_overloaded", BUSY, "the provider is overloaded"),
    ("MODEL_CAPACITY_EXHAUSTED", BUSY, "the model has no capacity left"),
];

/// Business codes of z.ai, which come with 200, 401, 429 or 500 alike.
/// <https://docs.z.ai/api-reference/api-code>
const ZAI_CODES: &[(&str, Sign, &str)] = &[
    ("1000", Sign::Rejected, "1000: the key was refused"),
    ("1001", Sign::Rejected, "1001: the key is missing"),
    ("1002", Sign::Rejected, "1002: the key was refused"),
    ("1003", Sign::Rejected, "1003: the key has expired"),
    ("1004", Sign::Rejected, "1004: the key was refused"),
    ("1110", Sign::Rejected, "1110: the account is inactive"),
    ("1111", Sign::Rejected, "1111: the account does not exist"),
    ("1112", Sign::Rejected, "1112: the account is locked"),
    ("1113", PURSE, "1113: the balance is used up"),
    ("1121", Sign::Rejected, "1121: the account is locked"),
    ("1211", Sign::Missing, "1211: the model does not exist"),
    ("1220", Sign::Missing, "1220: the model is not allowed"),
    ("1302", RATE, "1302: too many requests at once"),
    ("1303", RATE, "1303: too many requests"),
    ("1304", PURSE, "1304: the day's calls are used up"),
    ("1305", BUSY, "1305: too many requests to the model"),
    ("1308", PURSE, "1308: the plan's usage limit is reached"),
    ("1309", PURSE, "1309: the plan has expired"),
    ("1310", PURSE, "1310: the week's or month's limit is reached"),
    ("1313", PURSE, "1313: limited by the fair-use policy"),
];

/// Phrases that decide at some statuses, in lower case; the first that fits. `^`: the message
/// starts with it.
///
/// At 400 all of them do, for such a message may quote the prompt.
const PHRASES: &[(&[u16], &str, Sign, &str)] = &[
    // A wrong or spent account that Anthropic and Gemini report as a bad request.
    // <https://github.com/anthropics/anthropic-sdk-python/issues/818>
    (&[400, 403], "^your credit balance is too low", PURSE, "no credit is left"),
    // <https://github.com/anthropics/claude-code/issues/38035>
    (
        &[400, 403, 429],
        "^you have reached your specified api usage limits",
        PURSE,
        "the spend limit is reached",
    ),
    (&[400, 401], "^api key not valid", Sign::Rejected, "the key was refused"),
    (&[400], "^api key expired", Sign::Rejected, "the key has expired"),
    // <https://ai.google.dev/gemini-api/docs/troubleshooting>
    (&[400], "^user location is not supported", PURSE, "the provider does not serve this place"),
    (&[400], "^gemini api free tier is not available", PURSE, "billing is required in this place"),
    // Gemini's whole text when a project lacks something; files and caches say what they lack.
    (&[400], "^precondition check failed", Sign::Unfit, "the project lacks something"),
    (&[400], "^the long context beta is not yet available", Sign::Unfit, "no long context"),
    // xAI and z.ai.
    (&[400, 404], "^model not found", Sign::Missing, "the account does not have the model"),
    (&[400, 404], "^unknown model", Sign::Missing, "the account does not have the model"),
    (
        &[400],
        "^imagen api is only accessible to billed users",
        Sign::Missing,
        "the model requires billing",
    ),
    (&[400], "^our servers are currently overloaded", BUSY, "the provider is overloaded"),
    // A file or cache of another key: that key may be in the pool, and this one is no worse for it.
    // <https://github.com/snailyp/gemini-balance/issues/401>
    (&[403, 404], "permission to access the file", Sign::Unfit, "the file is another account's"),
    (&[403, 404], "cachedcontent not found", Sign::Unfit, "the cache is another account's"),
    (&[403], "this model", Sign::Missing, "the account may not use the model"),
    (&[403], "access to model", Sign::Missing, "the account may not use the model"),
    (&[403], "access to the model", Sign::Missing, "the account may not use the model"),
    // OpenRouter's moderation. <https://openrouter.ai/docs/api-reference/errors>
    (&[403], "requires moderation", Sign::Client, "the input was flagged"),
    (&[402], "prompt tokens limit exceeded", Sign::Unfit, "too large for the credit left"),
    // `model: x` of Anthropic, `models/x is not found` of Gemini, `Publisher Model` of Vertex, and
    // OpenAI's sentence where its code is missing.
    (&[404], "model", Sign::Missing, "the account does not have the model"),
    (&[404], "^resource not found", Sign::Missing, "the account does not have the deployment"),
    // Larger than the account's whole minute: it never fits here, and others still do.
    // <https://github.com/DrShushen/climb/issues/13>
    (&[429], "request too large", Sign::Unfit, "larger than the account's limit"),
    // <https://github.com/Wei-Shaw/sub2api/issues/572>
    (&[429], "required for long context", Sign::Unfit, "no long context"),
    // Money comes before windows.
    // <https://github.com/can1357/oh-my-pi/pull/5418>
    (&[429], "spend limit", PURSE, "the spend limit is reached"),
    (&[429], "spending cap", PURSE, "the spend limit is reached"),
    (&[429], "credits are depleted", PURSE, "no credit is left"),
    (&[429], "insufficient balance", PURSE, "no credit is left"),
    (&[429], "usage limit", PURSE, "the plan's usage limit is reached"),
    // Gemini says this of any limit, per minute as a rule.
    (&[429], "exhausted (e.g. check quota)", RATE, "429: too many requests"),
    // Vertex without a reservation.
    // <https://cloud.google.com/vertex-ai/generative-ai/docs/error-code-429>
    (&[429], "error-code-429", BUSY, "the provider has no capacity left"),
    (&[429], "overloaded", BUSY, "the provider is overloaded"),
    (&[429], "high demand, please", BUSY, "the provider is overloaded"),
];

/// What the body decides, if anything.
pub(super) fn sign(
    status: StatusCode,
    provider: Provider,
    fault: &Fault<'_>,
) -> Option<(Sign, &'static str)> {
    // Elsewhere the same numbers mean other things.
    let zai_codes = if provider == Provider::Zai { ZAI_CODES } else { &[] };
    let code = CODES.iter().chain(zai_codes).find(|(code, ..)| fault.has_code(code));
    if let Some((_, sign, note)) = code {
        return Some((*sign, note));
    }
    let fits = |phrase: &str| match phrase.strip_prefix('^') {
        Some(start) => fault.message.starts_with(start),
        None => fault.says(phrase),
    };
    let row = PHRASES
        .iter()
        .find(|(statuses, phrase, ..)| statuses.contains(&status.as_u16()) && fits(phrase));
    if let Some((_, _, sign, note)) = row {
        return Some((*sign, note));
    }
    // Without Google's details the message is all there is.
    let by_message = status == StatusCode::TOO_MANY_REQUESTS && fault.quotas.is_empty();
    match window(&fault.message).filter(|_| by_message)? {
        Kind::Quota => Some((Sign::Limited(Scope::Model, Kind::Quota), "429: a quota is used up")),
        kind @ (Kind::Rate | Kind::Capacity) => {
            Some((Sign::Limited(Scope::Model, kind), "429: a limit per minute"))
        }
    }
}

/// Which window a limit's name or message means, in lower case.
///
/// "Quota exceeded for quota metric 'requests per minute'" is a rate: the minute is tested first.
pub(super) fn window(text: &str) -> Option<Kind> {
    const MINUTE: &[&str] =
        &["per minute", "perminute", "per_minute", "per min", "per second", "persecond"];
    const DAY: &[&str] =
        &["per day", "perday", "per_day", "daily", "per month", "permonth", "quota"];
    let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
    if says(MINUTE) {
        return Some(Kind::Rate);
    }
    says(DAY).then_some(Kind::Quota)
}

/// The status that an error event stands for: its own number, else its type's.
///
/// <https://docs.anthropic.com/en/api/errors> <https://cloud.google.com/apis/design/errors>
pub(super) fn status_of_event(fault: &Fault<'_>) -> StatusCode {
    const STATUSES: &[(&str, u16)] = &[
        ("invalid_request_error", 400),
        ("invalid_prompt", 400),
        ("context_length_exceeded", 400),
        ("INVALID_ARGUMENT", 400),
        ("FAILED_PRECONDITION", 400),
        ("authentication_error", 401),
        ("UNAUTHENTICATED", 401),
        ("permission_error", 403),
        ("PERMISSION_DENIED", 403),
        ("not_found_error", 404),
        ("NOT_FOUND", 404),
        ("request_too_large", 413),
        ("rate_limit_error", 429),
        ("rate_limit_exceeded", 429),
        ("too_many_requests", 429),
        ("RESOURCE_EXHAUSTED", 429),
        ("timeout_error", 504),
        ("DEADLINE_EXCEEDED", 504),
        ("UNAVAILABLE", 503),
        ("overloaded_error", 529),
    ];
    let number = fault
        .codes
        .iter()
        .find_map(|code| code.parse().ok().filter(|code| (400..600).contains(code)));
    let named =
        || STATUSES.iter().find(|(code, _)| fault.has_code(code)).map(|(_, status)| *status);
    let status = number.or_else(named).and_then(|status| StatusCode::from_u16(status).ok());
    status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}
