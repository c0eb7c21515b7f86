//! How a command ends badly: what is said on stderr, and the exit code.

use std::io::{self, Write};
use std::process::ExitCode;

use crate::config::{key, load};

/// What a command could not do.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Wrong usage or configuration; exit code 2.
    #[error("{message}")]
    Wrong {
        /// What is wrong; each line is an error of its own.
        message: String,
        /// What to do about it.
        hint: Option<String>,
    },
    /// Something went wrong at run time; exit code 1.
    #[error("{message}")]
    Failed {
        /// What went wrong.
        message: String,
        /// What to do about it.
        hint: Option<String>,
    },
}

impl Failure {
    /// Wrong usage or configuration.
    pub fn wrong(message: impl Into<String>) -> Self {
        Self::Wrong { message: message.into(), hint: None }
    }

    /// Something went wrong at run time.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::Failed { message: message.into(), hint: None }
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn with_hint(self, advice: impl Into<String>) -> Self {
        let hint = Some(advice.into());
        match self {
            Self::Wrong { message, .. } => Self::Wrong { message, hint },
            Self::Failed { message, .. } => Self::Failed { message, hint },
        }
    }

    /// The process's exit code.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Wrong { .. } => ExitCode::from(2),
            Self::Failed { .. } => ExitCode::from(1),
        }
    }

    /// Writes `error: …`, and `hint: …` where there is something to do about it.
    pub fn report(&self, out: &mut impl Write) -> io::Result<()> {
        let (Self::Wrong { message, hint } | Self::Failed { message, hint }) = self;
        for line in message.lines() {
            writeln!(out, "error: {line}")?;
        }
        match hint {
            Some(hint) => writeln!(out, "hint: {hint}"),
            None => Ok(()),
        }
    }
}

impl From<load::Error> for Failure {
    fn from(error: load::Error) -> Self {
        let hint = match &error {
            load::Error::Read { path, reason: io::ErrorKind::NotFound } => {
                Some(format!("`levity init {}` writes one to start from", path.display()))
            }
            load::Error::Read { .. } => None,
            load::Error::Invalid(problems) => {
                problems.iter().find_map(|problem| problem.hint()).map(ToOwned::to_owned)
            }
        };
        Self::Wrong { message: error.to_string(), hint }
    }
}

impl From<key::Error> for Failure {
    fn from(error: key::Error) -> Self {
        let hint = match &error {
            key::Error::NoPlace | key::Error::File { .. } | key::Error::Random(_) => {
                "set proxy.api_key in the config, or LEVITY_API_KEY"
            }
            key::Error::Damaged { .. } => "delete the file; the next start makes a new key",
        };
        Self::failed(error.to_string()).with_hint(hint)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::failed(format!("cannot write the output: {}", error.kind()))
    }
}
