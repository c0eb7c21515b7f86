//! What a provider's rate-limit headers say is left at one account for one model, and whether that is enough for a request.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use http::HeaderMap;
use parking_lot::Mutex;

use super::wait::Clock;
use crate::clock::{self, Now};

/// What a limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dimension {
    /// Requests.
    Requests,
    /// Tokens, of questions and answers together.
    Tokens,
    /// Tokens of questions.
    InputTokens,
    /// Tokens of answers.
    OutputTokens,
}

/// A limit as its provider last told it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limit {
    /// What it counts.
    pub dimension: Dimension,
    /// The most that can be had at once.
    pub most: f64,
    /// What was left when it was told, less what was asked for since.
    pub left: f64,
    /// When it was told.
    told: Instant,
    /// When it is whole again; `None` where the provider does not say.
    pub whole: Option<Instant>,
}

/// The limits of one model at one account.
#[derive(Debug, Default)]
pub(super) struct Limits {
    /// Whether any was ever told: most accounts of one's own have none.
    told: AtomicBool,
    known: Mutex<[Option<Limit>; 4]>,
}

impl Dimension {
    const ALL: [Self; 4] = [Self::Requests, Self::Tokens, Self::InputTokens, Self::OutputTokens];

    /// Its name, as Anthropic's headers have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Tokens => "tokens",
            Self::InputTokens => "input-tokens",
            Self::OutputTokens => "output-tokens",
        }
    }

    /// What one request takes of it. Nobody knows beforehand how long an answer will be.
    #[expect(clippy::cast_precision_loss, reason = "tokens of one request")]
    const fn taken_by(self, tokens: u64) -> f64 {
        match self {
            Self::Requests => 1.0,
            Self::Tokens | Self::InputTokens => tokens as f64,
            Self::OutputTokens => 0.0,
        }
    }
}

impl Limit {
    /// What is left now. Providers fill a limit up continuously until it is whole.
    /// <https://docs.anthropic.com/en/api/rate-limits> <https://platform.openai.com/docs/guides/rate-limits>
    fn left_at(&self, now: Instant) -> f64 {
        let Some(whole) = self.whole else { return self.left };
        let time = whole.saturating_duration_since(self.told).as_secs_f64();
        let passed = now.saturating_duration_since(self.told).as_secs_f64();
        if passed >= time {
            return self.most;
        }
        self.left + (self.most - self.left) * passed / time
    }

    /// When enough for a request of so many tokens is left, where it is not now.
    fn short_until(&self, tokens: u64, now: Instant) -> Option<Instant> {
        // An estimate that exceeds the whole limit says nothing: images, and what a provider has cached, count for less.
        let need = self.dimension.taken_by(tokens);
        let need = if need > self.most { 1.0 } else { need };
        let (whole, left) = (self.whole?, self.left_at(now));
        if left >= need || whole <= now {
            return None;
        }
        let rest = whole.saturating_duration_since(now);
        let share = (need - left) / (self.most - left);
        Some(clock::add(now, rest.mul_f64(share.clamp(0.0, 1.0))))
    }
}

impl Limits {
    /// Takes in what the head of an answer says.
    pub(super) fn hear(&self, headers: &HeaderMap, now: Now) {
        let mut heard = [Heard::default(); 4];
        for (name, value) in headers {
            let Some((dimension, part)) = place(name.as_str()) else { continue };
            let Ok(text) = value.to_str() else { continue };
            let Some(heard) = heard.get_mut(dimension as usize) else { continue };
            match part {
                Part::Most => heard.most = text.trim().parse().ok(),
                Part::Left => heard.left = text.trim().parse().ok(),
                Part::Whole => heard.whole = Clock::of(headers, now).reset(text.trim()),
            }
        }
        let mut known = self.known.lock();
        for (dimension, (heard, known)) in
            Dimension::ALL.into_iter().zip(heard.into_iter().zip(known.iter_mut()))
        {
            if let Some(limit) = heard.limit(dimension, now.monotonic) {
                *known = Some(limit);
                self.told.store(true, Ordering::Release);
            }
        }
    }

    /// When enough is left for a request of so many tokens, where it is not now.
    pub(super) fn short_until(&self, tokens: u64, now: Instant) -> Option<Instant> {
        if !self.told.load(Ordering::Acquire) {
            return None;
        }
        let known = self.known.lock();
        known.iter().flatten().filter_map(|limit| limit.short_until(tokens, now)).max()
    }

    /// A request of so many tokens goes out: what is left is less until the provider says more.
    pub(super) fn take(&self, tokens: u64) {
        if !self.told.load(Ordering::Acquire) {
            return;
        }
        for limit in self.known.lock().iter_mut().flatten() {
            let taken = limit.dimension.taken_by(tokens);
            if taken <= limit.most {
                limit.left = (limit.left - taken).max(0.0);
            }
        }
    }

    /// All that is known, with what is left now.
    pub(super) fn all(&self, now: Instant) -> Vec<Limit> {
        let known = self.known.lock();
        known.iter().flatten().map(|limit| Limit { left: limit.left_at(now), ..*limit }).collect()
    }
}

/// Whether a head says anything of limits.
pub(super) fn are_in(headers: &HeaderMap) -> bool {
    headers.keys().any(|name| {
        let name = name.as_str();
        name.starts_with(OPENAI) || name.starts_with(ANTHROPIC)
    })
}

const OPENAI: &str = "x-ratelimit-";
const ANTHROPIC: &str = "anthropic-ratelimit-";

/// What one head says of one dimension.
#[derive(Clone, Copy, Default)]
struct Heard {
    most: Option<f64>,
    left: Option<f64>,
    whole: Option<Duration>,
}

impl Heard {
    /// A limit needs to say what is left; without a size it is as large as that.
    fn limit(self, dimension: Dimension, now: Instant) -> Option<Limit> {
        let left = self.left.filter(|left| left.is_finite())?.max(0.0);
        let most = self.most.filter(|most| most.is_finite()).unwrap_or(left).max(left);
        let whole = self.whole.map(|delay| clock::add(now, delay));
        Some(Limit { dimension, most, left, told: now, whole })
    }
}

/// What a header says of a dimension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Most,
    Left,
    Whole,
}

/// `x-ratelimit-remaining-tokens` of OpenAI and those that follow it, `anthropic-ratelimit-tokens-remaining`, and the plain
/// `x-ratelimit-remaining`, which counts requests.
fn place(name: &str) -> Option<(Dimension, Part)> {
    if let Some(rest) = name.strip_prefix(OPENAI) {
        let (part, dimension) = rest.split_once('-').unwrap_or((rest, "requests"));
        return Some((dimension_of(dimension)?, part_of(part)?));
    }
    let (dimension, part) = name.strip_prefix(ANTHROPIC)?.rsplit_once('-')?;
    Some((dimension_of(dimension)?, part_of(part)?))
}

fn dimension_of(name: &str) -> Option<Dimension> {
    Dimension::ALL.into_iter().find(|dimension| dimension.name() == name)
}

fn part_of(name: &str) -> Option<Part> {
    match name {
        "limit" => Some(Part::Most),
        "remaining" => Some(Part::Left),
        "reset" => Some(Part::Whole),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let line = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        lines.iter().map(line).collect()
    }

    fn heard(lines: &[(&'static str, &'static str)], now: Now) -> Limits {
        let limits = Limits::default();
        limits.hear(&headers(lines), now);
        limits
    }

    const OPENAI: &[(&str, &str)] = &[
        ("x-ratelimit-limit-requests", "60"),
        ("x-ratelimit-remaining-requests", "59"),
        ("x-ratelimit-reset-requests", "1s"),
        ("x-ratelimit-limit-tokens", "30000"),
        ("x-ratelimit-remaining-tokens", "6000"),
        ("x-ratelimit-reset-tokens", "48s"),
    ];

    #[test]
    fn a_request_that_exceeds_what_is_left_waits_for_its_part() {
        let now = Now::read();
        let limits = heard(OPENAI, now);
        assert_eq!(limits.short_until(6_000, now.monotonic), None);
        // 6,000 more tokens take a quarter of the 48 s in which 24,000 come back.
        let until = limits.short_until(12_000, now.monotonic).unwrap();
        assert_eq!(until.saturating_duration_since(now.monotonic).as_secs(), 12);
        assert_eq!(limits.short_until(12_000, now.after(Duration::from_secs(13)).monotonic), None);
        // What no limit can hold is an estimate that went wrong.
        assert_eq!(limits.short_until(1_000_000, now.monotonic), None);
    }

    #[test]
    fn what_goes_out_counts_until_the_provider_says_more() {
        let now = Now::read();
        let limits = heard(&[("x-ratelimit-remaining", "2"), ("x-ratelimit-reset", "30")], now);
        limits.take(10);
        assert_eq!(limits.short_until(10, now.monotonic), None);
        limits.take(10);
        assert!(limits.short_until(10, now.monotonic).is_some());
        limits.hear(&headers(&[("x-ratelimit-remaining", "5")]), now);
        assert_eq!(limits.short_until(10, now.monotonic), None);
    }

    #[test]
    fn anthropic_names_dates() {
        let now =
            Now { wall: std::time::UNIX_EPOCH + Duration::from_hours(490_896), ..Now::read() };
        let limits = heard(
            &[
                ("anthropic-ratelimit-input-tokens-limit", "1000"),
                ("anthropic-ratelimit-input-tokens-remaining", "0"),
                ("anthropic-ratelimit-input-tokens-reset", "2026-01-01T00:00:10Z"),
                ("anthropic-ratelimit-output-tokens-remaining", "0"),
                ("anthropic-ratelimit-output-tokens-reset", "2026-01-01T00:01:00Z"),
                ("anthropic-ratelimit-unified-5h-status", "allowed"),
            ],
            now,
        );
        let until = limits.short_until(500, now.monotonic).unwrap();
        assert_eq!(until.saturating_duration_since(now.monotonic).as_millis(), 5_000);
        assert_eq!(limits.all(now.monotonic).len(), 2);
    }

    #[test]
    fn nonsense_is_no_limit() {
        let now = Now::read();
        for lines in [
            &[("x-ratelimit-remaining-requests", "many")][..],
            &[("x-ratelimit-remaining-tokens", "NaN"), ("x-ratelimit-reset-tokens", "1s")],
            &[("x-ratelimit-limit-requests", "0")],
            &[("x-ratelimit-remaining-requests", "0")],
        ] {
            assert_eq!(heard(lines, now).short_until(10, now.monotonic), None, "{lines:?}");
        }
    }
}
