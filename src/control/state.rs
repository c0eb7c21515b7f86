//! What the running gateway is about, and why something was refused.

use std::net::SocketAddr;
use std::time::SystemTime;

use crate::config::Secret;
use crate::error::Failure;
use crate::proxy::live::InFlight;

/// Whether the gateway takes requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The port is open.
    Running,
    /// The port is closed, and requests that came in before still run.
    Stopping,
    /// The port is closed, and no request runs.
    Stopped,
}

impl Phase {
    /// Its name in the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
        }
    }
}

/// What the gateway is about.
#[derive(Clone, Debug)]
pub struct State {
    /// Whether it takes requests.
    pub phase: Phase,
    /// Where it listens; `None` while the port is closed.
    pub address: Option<SocketAddr>,
    /// When the port was opened; `None` while it is closed.
    pub opened: Option<SystemTime>,
    /// Where the console listens; `None` while it is off.
    pub console: Option<SocketAddr>,
    /// Whether another process has taken over.
    pub given_away: bool,
    /// When the configuration was loaded that is at work.
    pub loaded: SystemTime,
    /// Why the newest configuration was not taken, if it was not.
    pub problem: Option<String>,
    /// The client key, where auth is on.
    pub client_key: Option<Secret>,
    /// What the owner should know of what is running, beside the configuration's own warnings.
    pub warnings: Vec<String>,
    /// Ports that closed while requests of theirs still ran.
    pub(super) draining: Vec<InFlight>,
    /// Requests under way at the open port.
    pub(super) open: InFlight,
}

impl State {
    /// Requests under way, on the open port and on those that have closed.
    pub fn requests(&self) -> usize {
        self.open.count() + self.draining.iter().map(InFlight::count).sum::<usize>()
    }

    /// The port was closed; these requests of its are still under way.
    pub(super) fn closed(&mut self, in_flight: InFlight) {
        self.address = None;
        self.opened = None;
        self.open = InFlight::default();
        self.draining.push(in_flight);
        self.phase = Phase::Stopping;
    }

    /// A closed port's requests are over.
    pub(super) fn drained(&mut self, in_flight: &InFlight) {
        self.draining.retain(|draining| !draining.is(in_flight));
        if self.phase == Phase::Stopping && self.draining.is_empty() {
            self.phase = Phase::Stopped;
        }
    }
}

/// Why the gateway was not started or reloaded. What ran before still does.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Refused {
    /// The configuration is wrong.
    #[error("{message}")]
    Invalid {
        /// What is wrong; each line is a problem of its own.
        message: String,
        /// What to do about it.
        hint: Option<String>,
    },
    /// The configuration is right, but what it asks for cannot be had now: a port is taken, or there is no account.
    #[error("{message}")]
    Conflict {
        /// What cannot be had.
        message: String,
        /// What to do about it.
        hint: Option<String>,
    },
}

impl Refused {
    pub(super) fn invalid(failure: Failure) -> Self {
        let (Failure::Wrong { message, hint } | Failure::Failed { message, hint }) = failure;
        Self::Invalid { message, hint }
    }

    pub(super) fn conflict(failure: Failure) -> Self {
        let (Failure::Wrong { message, hint } | Failure::Failed { message, hint }) = failure;
        Self::Conflict { message, hint }
    }
}
