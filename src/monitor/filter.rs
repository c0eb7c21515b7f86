//! Which requests are wanted.

use super::record::{Row, Time};

/// Which requests are wanted; what is `None` does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// What the client got.
    pub status: Option<Status>,
    /// The model, as it was asked for or as the account was asked for it.
    pub model: Option<String>,
    /// The account that was asked last.
    pub account: Option<String>,
    /// What the client speaks.
    pub dialect: Option<String>,
    /// Whose key it was.
    pub caller: Option<String>,
    /// Stands somewhere in path, model, account, outcome, error or id; letters of either case.
    pub text: Option<String>,
    /// Begun then or later.
    pub since: Option<Time>,
    /// Begun before.
    pub until: Option<Time>,
}

/// A kind of status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Those from the first to the last: `429`, `2xx`.
    Within(u16, u16),
    /// Whatever ended in an error, streams that broke off included.
    Error,
}

impl Filter {
    /// Whether a request passes. `error` is what its client was told, where that is known.
    pub fn passes(&self, row: &Row, error: Option<&str>) -> bool {
        let is = |wanted: &Option<String>, is: Option<&str>| {
            wanted.as_deref().is_none_or(|wanted| is == Some(wanted))
        };
        let status = match self.status {
            None => true,
            Some(Status::Error) => row.failed(),
            Some(Status::Within(least, most)) => {
                row.status.is_some_and(|status| (least..=most).contains(&status))
            }
        };
        let (asked, used) = (row.model.as_deref(), row.used.as_deref());
        status
            && (is(&self.model, asked) || is(&self.model, used))
            && is(&self.account, row.account.as_deref())
            && is(&self.dialect, Some(&row.dialect))
            && is(&self.caller, row.caller.as_deref())
            && self.since.is_none_or(|since| row.time >= since)
            && self.until.is_none_or(|until| row.time < until)
            && self.text.as_deref().is_none_or(|text| holds(row, error, text))
    }
}

/// Whether a text stands somewhere in what is known of a request.
fn holds(row: &Row, error: Option<&str>, text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    let (account, outcome) = (row.account.as_deref(), row.outcome.as_deref());
    let (model, used) = (row.model.as_deref(), row.used.as_deref());
    let places = [Some(&*row.path), model, used, account, outcome, error, Some(&*row.id)];
    let mut places = places.into_iter().flatten();
    places.any(|place| place.to_ascii_lowercase().contains(&text))
}

impl Status {
    /// Reads `429`, `2xx` or `error`.
    pub fn parse(text: &str) -> Option<Self> {
        if text == "error" {
            return Some(Self::Error);
        }
        if let Some(class) = text.strip_suffix("xx") {
            let class: u16 = class.parse().ok().filter(|class| (1..=5).contains(class))?;
            return Some(Self::Within(class * 100, class * 100 + 99));
        }
        let status = text.parse().ok().filter(|status| (100..1000).contains(status))?;
        Some(Self::Within(status, status))
    }
}
