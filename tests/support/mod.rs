//! What the black-box tests share: a scripted upstream, a gateway process, and a client that tidies nothing up.

pub(crate) mod samples;

pub(crate) mod gateway;

pub(crate) mod client;

pub(crate) mod upstream;

pub(crate) mod script;

pub(crate) mod tls;

pub(crate) mod proxy;

pub(crate) mod google;

pub(crate) mod wire;

use std::future::Future;
use std::time::Duration;

/// Long enough for a loaded machine, short enough that a hang is a failure and not a wait.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// Waits for `future`, and fails the test by name when it takes too long.
pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    within(SOON, what, future).await
}

/// Waits for `future`, and fails the test by name when it takes longer than `limit`.
pub(crate) async fn within<T>(limit: Duration, what: &str, future: impl Future<Output = T>) -> T {
    let Ok(value) = tokio::time::timeout(limit, future).await else {
        panic!("{what} took longer than {limit:?}");
    };
    value
}

/// Asks until the answer is there: for what another process does in its own time.
pub(crate) async fn eventually<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    soon(what, async {
        loop {
            if let Some(value) = ask() {
                return value;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
}
