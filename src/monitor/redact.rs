//! What must not be kept: keys, in whatever text they turn up.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::Regex;

use crate::config::{Config, Secret};

/// What stands in the place of a secret.
const MASK: &str = "•••";
/// Shorter texts are no keys, and stand in other words by chance.
const SHORTEST: usize = 8;

/// What keys look like, and what to put in their place.
static FORMS: LazyLock<Vec<(Regex, &'static str)>> = LazyLock::new(|| {
    let forms = [
        (r"-----BEGIN [A-Z ]*PRIVATE KEY-----[^-]*(?:-----END [A-Z ]*PRIVATE KEY-----)?", MASK),
        (r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*", MASK),
        (
            r"\b(?:sk-|rk-|pk-|gsk_|xai-|AIza|ya29\.|gh[pousr]_|github_pat_|xox[abprs]-|AKIA)[A-Za-z0-9_.-]{8,}",
            MASK,
        ),
        (r"(?i)\b(bearer\s+)[A-Za-z0-9._~+/=-]{8,}", "${1}•••"),
        (r#"(?i)([?&](?:key|api_?key|access_token|token|sig|signature)=)[^&\s"'\\]+"#, "${1}•••"),
        (
            r#"(?i)((?:api[_-]?key|secret|password|authorization|access[_-]?token|refresh[_-]?token|private[_-]?key(?:_id)?)\\*"\s*:\s*\\*")[^"]*[^"\\]"#,
            "${1}•••",
        ),
    ];
    forms.into_iter().filter_map(|(form, by)| Some((Regex::new(form).ok()?, by))).collect()
});

/// Takes keys out of texts: those of the configuration, and whatever looks like one.
#[derive(Clone, Default)]
pub struct Redactor {
    known: Vec<String>,
}

impl Redactor {
    /// One that knows the secrets of a configuration, and the client key in use.
    pub fn new(config: &Config, key: Option<&Secret>) -> Self {
        let known = config.secrets().chain(key.map(Secret::expose));
        let mut known: Vec<String> =
            known.filter(|secret| secret.len() >= SHORTEST).map(ToOwned::to_owned).collect();
        known.sort();
        known.dedup();
        Self { known }
    }

    /// The text without its secrets.
    pub fn clean(&self, text: &str) -> String {
        let mut clean = Cow::Borrowed(text);
        for secret in &self.known {
            if clean.contains(secret.as_str()) {
                clean = Cow::Owned(clean.replace(secret.as_str(), MASK));
            }
        }
        for (form, by) in FORMS.iter() {
            if let Cow::Owned(replaced) = form.replace_all(&clean, *by) {
                clean = Cow::Owned(replaced);
            }
        }
        clean.into_owned()
    }

    /// The same for a text that was cut at its end, perhaps in the middle of a secret.
    pub fn clean_cut(&self, text: &str) -> String {
        let tails = self.known.iter().filter_map(|secret| {
            let begun = (SHORTEST / 2..secret.len()).rev();
            let mut begun = begun.filter(|end| secret.is_char_boundary(*end));
            begun.find(|end| secret.get(..*end).is_some_and(|begun| text.ends_with(begun)))
        });
        let tail = tails.max().unwrap_or(0);
        let mut clean = self.clean(text.get(..text.len() - tail).unwrap_or_default());
        if tail > 0 {
            clean.push_str(MASK);
        }
        clean
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redactor() -> Redactor {
        Redactor { known: vec!["a-secret-of-no-form".to_owned()] }
    }

    #[test]
    fn keys_are_found_by_their_form() {
        for (text, clean) in [
            ("use a-secret-of-no-form.", "use •••."),
            (
                "Incorrect API key provided: sk-ant-api03-abcDEF_123",
                "Incorrect API key provided: •••",
            ),
            ("AIzaSyA1234567890abcdefghijklmnopqrstu here", "••• here"),
            ("Authorization: Bearer abc.def-123456", "Authorization: Bearer •••"),
            (
                "https://x/v1beta/models?key=short&alt=sse",
                "https://x/v1beta/models?key=•••&alt=sse",
            ),
            (r#"{"api_key": "x1"}"#, r#"{"api_key": "•••"}"#),
            (
                r#"{"arguments":"{\"password\":\"x1\"}"}"#,
                r#"{"arguments":"{\"password\":\"•••\"}"}"#,
            ),
            ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc", "•••"),
            ("-----BEGIN PRIVATE KEY-----\\nMIIE\\n-----END PRIVATE KEY-----", "•••"),
            (
                "a task-force, a risk-averse monkey=1 and tokens",
                "a task-force, a risk-averse monkey=1 and tokens",
            ),
        ] {
            assert_eq!(redactor().clean(text), clean);
        }
        assert_eq!(FORMS.len(), 6, "a form is no regular expression");
    }

    #[test]
    fn a_key_that_is_cut_is_none_to_keep() {
        assert_eq!(redactor().clean_cut("use a-secret-of"), "use •••");
        assert_eq!(redactor().clean_cut("use a-s"), "use a-s");
        assert_eq!(redactor().clean_cut("a-secret-of-no-form"), "•••");
    }
}
