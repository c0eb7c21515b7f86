//! How long an account is to rest, as far as the provider said: headers and body → a moment.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{HeaderMap, header};

use super::cooldown::Wait;
use super::fault::Fault;
use crate::clock::{self, Now};
use crate::config::Provider;

/// The wait of a limit: what was said outright, else what the rate-limit headers come to.
pub(super) fn of_limit(said: &Said<'_>, now: Now) -> Wait {
    let clock = Clock::of(said.headers, now);
    wait(outright(said, clock).or_else(|| resets(said, clock)), now)
}

/// The wait of any other answer: only what was said outright, for the rate-limit headers are on all
/// of them.
pub(super) fn of_failure(said: &Said<'_>, now: Now) -> Wait {
    wait(outright(said, Clock::of(said.headers, now)), now)
}

/// Where a wait may stand.
pub(super) struct Said<'a> {
    /// Who said it.
    pub(super) provider: Provider,
    /// In the answer's head,
    pub(super) headers: &'a HeaderMap,
    /// or in its body.
    pub(super) fault: &'a Fault<'a>,
}

fn wait(delay: Option<Duration>, now: Now) -> Wait {
    delay.map_or(Wait::Unknown, |delay| Wait::Until(clock::add(now.monotonic, delay)))
}

/// The longest, for all of them have to pass. A zero is no time: the account would be asked again
/// at once.
fn outright(said: &Said<'_>, clock: Clock) -> Option<Duration> {
    let Said { provider, headers, fault } = said;
    let ends = [
        retry_after(headers, clock),
        rejected_windows(headers, clock).and_then(|windows| windows.wait),
        fault.retry_delay.as_deref().and_then(duration),
        fault.resets_at.and_then(seconds).and_then(|at| clock.until(UNIX_EPOCH.checked_add(at)?)),
        fault.resets_in.and_then(seconds),
        delay_in(&fault.message),
        date_in(&fault.message, *provider).and_then(|date| clock.until(date)),
    ];
    ends.into_iter().flatten().max().filter(|delay| !delay.is_zero())
}

/// The provider's own clock where it sent a `Date`: a wrong local clock then does no harm.
#[derive(Clone, Copy)]
pub(super) struct Clock(SystemTime);

impl Clock {
    pub(super) fn of(headers: &HeaderMap, now: Now) -> Self {
        let date = headers.get(header::DATE).and_then(|value| value.to_str().ok());
        Self(date.and_then(|date| httpdate::parse_http_date(date).ok()).unwrap_or(now.wall))
    }

    fn until(self, moment: SystemTime) -> Option<Duration> {
        moment.duration_since(self.0).ok()
    }

    /// A header that may be a date, a number of seconds, or seconds or milliseconds since 1970.
    pub(super) fn reset(self, text: &str) -> Option<Duration> {
        if let Ok(number) = text.parse::<f64>() {
            // OpenRouter counts milliseconds, GitHub seconds; below a billion nothing is a date.
            return match number {
                _ if number >= 1e12 => self.until(UNIX_EPOCH.checked_add(seconds(number / 1e3)?)?),
                _ if number >= 1e9 => self.until(UNIX_EPOCH.checked_add(seconds(number)?)?),
                _ => seconds(number),
            };
        }
        date(text).map_or_else(|| duration(text), |moment| self.until(moment))
    }
}

/// `retry-after-ms` says the same as `retry-after`, only finer.
/// <https://www.rfc-editor.org/rfc/rfc9110#field.retry-after>
fn retry_after(headers: &HeaderMap, clock: Clock) -> Option<Duration> {
    let fine = text(headers, "retry-after-ms").and_then(|text| text.parse::<f64>().ok());
    if let Some(delay) = fine.and_then(|milliseconds| seconds(milliseconds / 1e3)) {
        return Some(delay);
    }
    let value = text(headers, "retry-after")?;
    match value.parse::<f64>() {
        Ok(number) => seconds(number),
        Err(_) => date(value).map_or_else(|| duration(value), |moment| clock.until(moment)),
    }
}

/// The windows of an Anthropic subscription that refused the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Windows {
    /// Whether only a model's own window refused, and not the account's.
    pub(super) model_only: bool,
    /// The latest of their resets: a request must pass all windows.
    wait: Option<Duration>,
}

/// Reads `anthropic-ratelimit-unified-<window>-status` and `-reset`; the windows of the whole
/// account are `5h` and `7d`, others are a model's.
/// <https://github.com/router-for-me/CLIProxyAPI/pull/5033>
fn rejected_windows(headers: &HeaderMap, clock: Clock) -> Option<Windows> {
    const PREFIX: &str = "anthropic-ratelimit-unified-";
    let reset = |window: &str| {
        text(headers, &format!("{PREFIX}{window}reset")).and_then(|text| clock.reset(text))
    };
    let mut windows = match text(headers, &format!("{PREFIX}status")) {
        Some("rejected") => Some(Windows { model_only: false, wait: reset("") }),
        // A window may be full and the request allowed, as overage.
        Some(_) => return None,
        None => None,
    };
    let mut named = false;
    for (name, value) in headers {
        let Some(window) = name.as_str().strip_prefix(PREFIX) else { continue };
        let Some(window) = window.strip_suffix("-status") else { continue };
        // Paid overage that is not bought is no window of its own.
        if value != "rejected" || window.starts_with("overage") {
            continue;
        }
        let shared = matches!(window, "5h" | "7d");
        let windows = windows.get_or_insert(Windows { model_only: false, wait: None });
        windows.model_only = !shared && (windows.model_only || !named);
        windows.wait = windows.wait.max(reset(&format!("{window}-")));
        named = true;
    }
    windows
}

/// The same, for the scope of a limit.
pub(super) fn windows(headers: &HeaderMap, now: Now) -> Option<Windows> {
    rejected_windows(headers, Clock::of(headers, now))
}

/// `x-ratelimit-reset-tokens: 6m0s` of OpenAI, `anthropic-ratelimit-tokens-reset:
/// 2026-01-01T00:00:00Z` and plain ones.
///
/// They are on every answer, so what counts is the dimension that the error names or that has
/// nothing left; when neither is known, the longest.
/// <https://platform.openai.com/docs/guides/rate-limits> <https://docs.anthropic.com/en/api/rate-limits>
fn resets(said: &Said<'_>, clock: Clock) -> Option<Duration> {
    let Said { headers, fault, .. } = said;
    let mut exhausted = None;
    let mut any = None;
    for (name, value) in *headers {
        let Some((dimension, remaining)) = dimension(name.as_str()) else { continue };
        let Some(delay) = value.to_str().ok().and_then(|text| clock.reset(text.trim())) else {
            continue;
        };
        any = any.max(Some(delay));
        let left = text(headers, &remaining).and_then(|text| text.parse::<f64>().ok());
        if fault.has_code(dimension) || left.is_some_and(|left| left <= 0.0) {
            exhausted = exhausted.max(Some(delay));
        }
    }
    exhausted.or(any).filter(|delay| !delay.is_zero())
}

/// The dimension of a reset header, and the name of the header that says how much of it is left.
fn dimension(name: &str) -> Option<(&str, String)> {
    if let Some(dimension) = name.strip_prefix("x-ratelimit-reset-") {
        return Some((dimension, format!("x-ratelimit-remaining-{dimension}")));
    }
    if let Some(dimension) =
        name.strip_prefix("anthropic-ratelimit-").and_then(|rest| rest.strip_suffix("-reset"))
    {
        let own = !dimension.starts_with("unified");
        return own.then(|| (dimension, format!("anthropic-ratelimit-{dimension}-remaining")));
    }
    let prefix =
        name.strip_suffix("ratelimit-reset").filter(|prefix| matches!(*prefix, "" | "x-"))?;
    Some(("", format!("{prefix}ratelimit-remaining")))
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

fn seconds(number: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(number).ok()
}

/// An HTTP date or RFC 3339, which Anthropic writes with `Z`.
fn date(text: &str) -> Option<SystemTime> {
    let utc = text.strip_suffix("+00:00").unwrap_or(text);
    let written = humantime::parse_rfc3339_weak(utc).ok();
    written.or_else(|| httpdate::parse_http_date(text).ok())
}

/// `20ms`, `1s`, `6m0s`, `26.604s`, `17 seconds`, `1h2m`: numbers with units, to the first thing
/// that is neither.
fn duration(text: &str) -> Option<Duration> {
    let mut rest = text.trim_start();
    let mut total = None;
    loop {
        let digits =
            rest.find(|next: char| !(next.is_ascii_digit() || next == '.')).unwrap_or(rest.len());
        let (number, after) = rest.split_at(digits);
        // A sentence ends in a full stop, not in a number.
        let Ok(number) = number.trim_end_matches('.').parse::<f64>() else { return total };
        let after = after.trim_start();
        let letters = after.find(|next: char| !next.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, after) = after.split_at(letters);
        let Some(factor) = unit_seconds(unit) else { return total };
        total = Some(total.unwrap_or(Duration::ZERO).saturating_add(seconds(number * factor)?));
        rest = after.trim_start();
    }
}

fn unit_seconds(unit: &str) -> Option<f64> {
    Some(match unit {
        "ms" | "millisecond" | "milliseconds" => 1e-3,
        "s" | "sec" | "secs" | "second" | "seconds" => 1.0,
        "m" | "min" | "mins" | "minute" | "minutes" => 60.0,
        "h" | "hour" | "hours" => 3600.0,
        "d" | "day" | "days" => 86400.0,
        _ => return None,
    })
}

/// `Please try again in 7m12s.`, `Please retry in 48.8s`, `Please retry after 26 seconds.`
fn delay_in(message: &str) -> Option<Duration> {
    let phrases = ["try again in ", "retry in ", "retry after ", "try again after "];
    phrases.iter().find_map(|phrase| duration(message.split_once(phrase)?.1))
}

/// `You will regain access on 2026-04-01 at 00:00 UTC.` of Anthropic, and `Your limit will reset at
/// 2026-09-09 05:38:28` of z.ai, which means Beijing's time; of others a date without a zone is
/// none.
/// <https://github.com/hugalafutro/model-hotel/pull/955>
fn date_in(message: &str, provider: Provider) -> Option<SystemTime> {
    let phrases = ["regain access on ", "reset at ", "resets at ", "您的限额将在 "];
    let rest = phrases.iter().find_map(|phrase| message.split_once(phrase))?.1;
    let (day, rest) = rest.split_at_checked("2026-04-01".len())?;
    let rest = rest.trim_start_matches([' ', 't']).trim_start_matches("at ");
    let digits = |text: &str| text.find(|next: char| !(next.is_ascii_digit() || next == ':'));
    let (time, zone) = rest.split_at(digits(rest).unwrap_or(rest.len()));
    let seconds = if time.len() == "00:00".len() { ":00" } else { "" };
    let written = humantime::parse_rfc3339_weak(&format!("{day}T{time}{seconds}")).ok()?;
    if zone.trim_start().starts_with("utc") || zone.starts_with('z') {
        return Some(written);
    }
    let beijing = (provider == Provider::Zai).then_some(Duration::from_hours(8))?;
    written.checked_sub(beijing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_as_providers_write_them() {
        let cases = [
            ("20ms", Some(20)),
            ("1s", Some(1_000)),
            ("6m0s", Some(360_000)),
            ("26.604s.", Some(26_604)),
            ("34.074824224s", Some(34_074)),
            ("17 seconds.", Some(17_000)),
            ("1h2m3s", Some(3_723_000)),
            ("2 minutes and more", Some(120_000)),
            ("1d", Some(86_400_000)),
            ("a while", None),
            ("17", None),
            ("", None),
        ];
        for (text, expected) in cases {
            assert_eq!(duration(text).map(|found| found.as_millis()), expected, "{text}");
        }
    }

    #[test]
    fn dates_inside_messages() {
        let at = |text| humantime::parse_rfc3339_weak(text).ok();
        let anthropic = "you will regain access on 2026-04-01 at 00:00 utc.";
        assert_eq!(date_in(anthropic, Provider::Anthropic), at("2026-04-01T00:00:00"));
        let zai = "usage limit reached for 5 hour. your limit will reset at 2026-09-09 05:38:28";
        assert_eq!(date_in(zai, Provider::Zai), at("2026-09-08T21:38:28"));
        assert_eq!(
            date_in("您的限额将在 2026-08-25 07:41:44 重置。", Provider::Zai),
            at("2026-08-24T23:41:44")
        );
        assert_eq!(date_in(zai, Provider::Custom), None);
        assert_eq!(date_in("will reset at midnight é", Provider::Zai), None);
    }
}
