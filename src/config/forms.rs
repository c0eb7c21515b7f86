//! Scalar → typed value: one function for each form that a value of the file can have.

use std::fmt::Display;
use std::num::NonZeroU32;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use bytesize::ByteSize;
use url::Url;

use super::problem::{alternatives, nearest};
use super::yaml::{Scalar, Style};
use super::{Late, Secret, Share};

/// What was expected instead, and the valid name that was probably meant.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) expected: String,
    pub(super) near: Option<&'static str>,
}

impl Wrong {
    pub(super) fn expected(expected: impl Into<String>) -> Self {
        Self { expected: expected.into(), near: None }
    }
}

/// Any text but the empty one.
pub(super) fn text(scalar: &Scalar) -> Result<String, Wrong> {
    let text = scalar.text.trim();
    if text.is_empty() { Err(Wrong::expected("a text")) } else { Ok(text.to_owned()) }
}

/// `true` or `false`; from the environment also `1`, `0` and the like.
pub(super) fn truth(scalar: &Scalar) -> Result<bool, Wrong> {
    let text = scalar.text.trim().to_lowercase();
    let given = scalar.style == Style::Given;
    match text.as_str() {
        "true" if scalar.style != Style::Quoted => Ok(true),
        "false" if scalar.style != Style::Quoted => Ok(false),
        "1" | "yes" | "on" if given => Ok(true),
        "0" | "no" | "off" if given => Ok(false),
        _ => Err(Wrong::expected(format!("true or false{}", unquoted(scalar)))),
    }
}

/// A whole number within `range`.
pub(super) fn number<T>(range: RangeInclusive<T>) -> impl Fn(&Scalar) -> Result<T, Wrong>
where
    T: FromStr + PartialOrd + Display,
{
    move |scalar| {
        let number = scalar.text.trim().parse().ok().filter(|_| scalar.style != Style::Quoted);
        number.filter(|number| range.contains(number)).ok_or_else(|| {
            let (low, high) = (range.start(), range.end());
            Wrong::expected(format!("a whole number from {low} to {high}{}", unquoted(scalar)))
        })
    }
}

/// A whole number from 1 to `high`.
pub(super) fn positive(high: u32) -> impl Fn(&Scalar) -> Result<NonZeroU32, Wrong> {
    number(NonZeroU32::MIN..=NonZeroU32::MIN.saturating_add(high.saturating_sub(1)))
}

/// A duration with its unit, longer than nothing and at most a day.
pub(super) fn duration(scalar: &Scalar) -> Result<Duration, Wrong> {
    const DAY: Duration = Duration::from_hours(24);
    humantime::parse_duration(scalar.text.trim())
        .ok()
        .filter(|duration| *duration > Duration::ZERO && *duration <= DAY)
        .ok_or_else(|| Wrong::expected("a duration with its unit, such as 500ms, 10s or 5m"))
}

/// A duration, or `off`.
pub(super) fn duration_or_off(scalar: &Scalar) -> Result<Option<Duration>, Wrong> {
    match (scalar.text.trim(), scalar.style) {
        ("off", _) | ("false", Style::Plain) => Ok(None),
        _ => duration(scalar)
            .map(Some)
            .map_err(|_| Wrong::expected("off, or a duration with its unit, such as 15s")),
    }
}

/// How late an answer must be: a percentile of the measured times, a duration, or `off`.
pub(super) fn late_or_off(scalar: &Scalar) -> Result<Option<Late>, Wrong> {
    let text = scalar.text.trim();
    match (text, scalar.style) {
        ("off", _) | ("false", Style::Plain) => return Ok(None),
        _ => {}
    }
    let percentile = text.strip_prefix('p').and_then(|digits| digits.parse().ok());
    let late = match percentile {
        Some(percentile) => (50..=99).contains(&percentile).then_some(Late::Percentile(percentile)),
        None => duration(scalar).ok().map(Late::After),
    };
    late.map(Some).ok_or_else(|| {
        Wrong::expected(
            "off, a percentile from p50 to p99, or a duration with its unit, such as 2s",
        )
    })
}

/// A part of a whole, in percent.
pub(super) fn share(scalar: &Scalar) -> Result<Share, Wrong> {
    let wrong = || Wrong::expected("a share from 0.1% to 100%, such as 5%");
    let (whole, part) = {
        let number = scalar.text.trim().strip_suffix('%').ok_or_else(wrong)?.trim_end();
        number.split_once('.').unwrap_or((number, "0"))
    };
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_digits(whole) || !is_digits(part) || part.len() > 2 {
        return Err(wrong());
    }
    let hundredths = format!("{whole}{part:0<2}").parse().map_err(|_| wrong())?;
    (10..=10_000).contains(&hundredths).then_some(Share(hundredths)).ok_or_else(wrong)
}

/// A number of bytes within `range`.
pub(super) fn size(range: RangeInclusive<ByteSize>) -> impl Fn(&Scalar) -> Result<u64, Wrong> {
    move |scalar| {
        let size: Option<ByteSize> = scalar.text.trim().parse().ok();
        size.filter(|size| range.contains(size)).map(|size| size.as_u64()).ok_or_else(|| {
            let (low, high) = (range.start().display().iec(), range.end().display().iec());
            Wrong::expected(format!("a size from {low} to {high}, such as 64MiB"))
        })
    }
}

/// One of a few names.
pub(super) fn choice<T: Copy>(
    names: &'static [(&'static str, T)],
) -> impl Fn(&Scalar) -> Result<T, Wrong> {
    move |scalar| {
        let text = scalar.text.trim();
        let found = names.iter().find(|(name, _)| *name == text);
        found.map(|(_, value)| *value).ok_or_else(|| Wrong {
            expected: alternatives(names.iter().map(|(name, _)| *name)),
            near: nearest(text, names.iter().map(|(name, _)| *name)),
        })
    }
}

/// One of a few names, `off` among them: YAML 1.1 tools turn an unquoted `off` into `false`.
pub(super) fn choice_or_off<T: Copy>(
    names: &'static [(&'static str, T)],
) -> impl Fn(&Scalar) -> Result<T, Wrong> {
    let form = choice(names);
    move |scalar| match (scalar.text.as_str(), scalar.style) {
        ("false", Style::Plain) => form(&Scalar { text: "off".to_owned(), style: Style::Plain }),
        _ => form(scalar),
    }
}

/// The key that clients send.
pub(super) fn client_key(secret: &Secret) -> Result<(), &'static str> {
    let key = secret.expose();
    if !key.starts_with("sk-") {
        Err("must begin with sk-")
    } else if key.len() < 10 {
        Err("is too short: at least 10 characters, the sk- included")
    } else {
        Ok(())
    }
}

/// A name that fits a log line and a response header.
pub(super) fn label(scalar: &Scalar) -> Result<String, Wrong> {
    text(scalar)
        .ok()
        .filter(|text| text.len() <= 64 && text.chars().all(|c| c == ' ' || c.is_ascii_graphic()))
        .ok_or_else(|| Wrong::expected("a name of 1 to 64 printable ASCII characters"))
}

/// The name of one model, not a pattern.
pub(super) fn model(scalar: &Scalar) -> Result<String, Wrong> {
    text(scalar)
        .ok()
        .filter(|text| !text.contains('*'))
        .ok_or_else(|| Wrong::expected("the name of one model, without *"))
}

/// Where an account's API is, without a trailing slash.
pub(super) fn base_url(scalar: &Scalar) -> Result<Url, Wrong> {
    let wrong =
        || Wrong::expected("an http:// or https:// URL without user, password, query or fragment");
    let mut url = Url::parse(scalar.text.trim()).map_err(|_| wrong())?;
    let bare = url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    if !bare || !matches!(url.scheme(), "http" | "https") {
        return Err(wrong());
    }
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&path);
    Ok(url)
}

/// Where Redis is.
pub(super) fn redis_url(scalar: &Scalar) -> Result<Url, Wrong> {
    Url::parse(scalar.text.trim())
        .ok()
        .filter(|url| matches!(url.scheme(), "redis" | "rediss") && url.has_host())
        .ok_or_else(|| Wrong::expected("a redis:// or rediss:// URL"))
}

fn unquoted(scalar: &Scalar) -> &'static str {
    if scalar.style == Style::Quoted { ", without quotes" } else { "" }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> Scalar {
        Scalar { text: text.to_owned(), style: Style::Plain }
    }

    /// Checks which texts a form takes, and as what.
    fn check<T: std::fmt::Debug + PartialEq>(
        form: impl Fn(&Scalar) -> Result<T, Wrong>,
        table: &[(&str, Option<T>)],
    ) {
        for (text, expected) in table {
            assert_eq!(form(&plain(text)).ok(), *expected, "{text}");
        }
    }

    #[test]
    fn numbers_stay_in_range() {
        let table =
            [("1", Some(1)), ("9", Some(9)), ("0", None), ("10", None), ("-1", None), ("x", None)];
        check(number(1..=9_u16), &table);
        check(number(0..=u16::MAX), &[("65535", Some(u16::MAX)), ("65536", None), ("1.5", None)]);
    }

    #[test]
    fn types_follow_the_quotes() {
        let styled = |text: &str, style| Scalar { text: text.to_owned(), style };
        assert_eq!(number(0..=9)(&styled("8", Style::Given)), Ok(8));
        let wrong = number(0..=9)(&styled("8", Style::Quoted)).unwrap_err();
        assert_eq!(wrong.expected, "a whole number from 0 to 9, without quotes");
        assert_eq!(truth(&styled("1", Style::Given)), Ok(true));
        assert!(truth(&styled("true", Style::Quoted)).is_err());
        check(truth, &[("true", Some(true)), ("False", Some(false)), ("yes", None), ("1", None)]);
    }

    #[test]
    fn durations_need_a_unit() {
        let seconds = |n| Some(Duration::from_secs(n));
        let half = Some(Duration::from_millis(500));
        check(
            duration,
            &[("10s", seconds(10)), ("1m 30s", seconds(90)), ("5m", seconds(300)), ("500ms", half)],
        );
        check(duration, &[("10", None), ("0s", None), ("2days", None), ("-1s", None), ("", None)]);
    }

    #[test]
    fn late_is_a_percentile_a_duration_or_off() {
        let percentile = |n| Some(Some(Late::Percentile(n)));
        let two = Some(Some(Late::After(Duration::from_secs(2))));
        check(
            late_or_off,
            &[("p95", percentile(95)), ("p50", percentile(50)), ("2s", two), ("off", Some(None))],
        );
        check(late_or_off, &[("p49", None), ("p100", None), ("p", None), ("95", None), ("", None)]);
        assert_eq!(Late::Percentile(95).to_string(), "p95");
        assert_eq!(Late::After(Duration::from_millis(1500)).to_string(), "1s 500ms");
    }

    #[test]
    fn shares_are_percents() {
        let some = |hundredths| Some(Share(hundredths));
        check(share, &[("5%", some(500)), ("2.5%", some(250)), ("0.1 %", some(10))]);
        check(share, &[("100%", some(10_000)), ("33.33%", some(3333))]);
        check(share, &[("5", None), ("0%", None), ("101%", None), ("-1%", None), ("0.05%", None)]);
        check(share, &[("%", None), (".5%", None), ("5.%", None), ("1.234%", None), ("", None)]);
        assert_eq!(
            ["5%", "2.5%"].map(|text| share(&plain(text)).unwrap().to_string()),
            ["5%", "2.5%"]
        );
    }

    #[test]
    fn sizes_are_bytes_with_or_without_a_unit() {
        let form = || size(ByteSize::kib(1)..=ByteSize::gib(1));
        check(
            form(),
            &[("64MiB", Some(64 << 20)), ("64 MiB", Some(64 << 20)), ("1MB", Some(1_000_000))],
        );
        check(form(), &[("2048", Some(2048)), ("1", None), ("2GiB", None), ("big", None)]);
        let wrong = form()(&plain("1")).unwrap_err();
        assert_eq!(wrong.expected, "a size from 1.0 KiB to 1.0 GiB, such as 64MiB");
    }

    #[test]
    fn choices_name_the_nearest() {
        let form = choice(&[("off", 0), ("strict", 1), ("auto", 2)]);
        let wrong = form(&plain("strcit")).unwrap_err();
        assert_eq!(wrong.expected, "off, strict or auto");
        assert_eq!(wrong.near, Some("strict"));
        assert_eq!(form(&plain("auto")), Ok(2));
    }

    #[test]
    fn base_urls_are_bare() {
        let shown = |scalar: &Scalar| base_url(scalar).map(|url| url.to_string());
        let some = |url: &str| Some(url.to_owned());
        check(
            shown,
            &[
                ("https://api.openai.com/v1", some("https://api.openai.com/v1")),
                ("https://api.openai.com/v1/", some("https://api.openai.com/v1")),
                ("http://localhost:11434//", some("http://localhost:11434/")),
                ("https://user@host/", None),
                ("https://user:pass@host/", None),
                ("https://host/?key=secret", None),
                ("https://host/#top", None),
                ("ftp://host/", None),
                ("host/v1", None),
                ("", None),
            ],
        );
    }

    #[test]
    fn client_keys_are_long_enough() {
        for (key, expected) in
            [("sk-1234567", true), ("sk-123456", false), ("pk-1234567890", false), ("", false)]
        {
            assert_eq!(client_key(&Secret::new(key)).is_ok(), expected, "{key}");
        }
    }
}
