//! An owner's change of the configuration: made in the file's text, checked as a whole, written, and put to work; or not
//! made at all.

use std::fs;
use std::path::{Path, PathBuf};

use super::Admin;
use super::error::Error;
use crate::config::Config;
use crate::config::edit::given::Given;
use crate::config::edit::{self, Change};
use crate::config::environment::Environment;
use crate::config::{load, save};
use crate::control::state::Phase;
use crate::error::Failure;
use crate::loader::{self, Loader};

/// How often a file is read again that someone else changes at the same time.
const TRIES: usize = 3;

/// What a file begins with that is made because there was none.
const HEADING: &str = "# Levity's configuration, begun by its console. What is left out keeps its default; `levity init FILE` writes a file\n# with every key and its meaning.\n";

/// What was written, and how it is undone.
struct Written {
    path: PathBuf,
    /// `None`: there was no file.
    before: Option<String>,
    after: String,
}

/// Makes the changes that `wanted` finds out from the file's own configuration.
pub(super) async fn make(
    admin: &Admin,
    wanted: impl Fn(&Config) -> Result<Vec<Change>, Error> + Send + 'static,
) -> Result<(), Error> {
    let hand = admin.clone();
    alone(admin, async move {
        let writer = hand.clone();
        let written = blocking(move || write(&writer, &wanted)).await??;
        let Err(refused) = hand.control.reload().await else { return Ok(()) };
        let undone = blocking(move || undo(&written)).await?;
        // What runs is what the file says again.
        let _ = hand.control.reload().await;
        undone.map_err(|error| {
            Error::internal(format!("{refused}; and the old file could not be put back: {error}"))
        })?;
        Err(refused.into())
    })
    .await
}

/// Makes a change while no other is made, and to its end: a client that leaves in the midst of it must not leave behind
/// what is written and not at work.
pub(super) async fn alone<T: Send + 'static>(
    admin: &Admin,
    change: impl Future<Output = Result<T, Error>> + Send + 'static,
) -> Result<T, Error> {
    let admin = admin.clone();
    let made = tokio::spawn(async move {
        let _one_at_a_time = admin.changing.lock().await;
        change.await
    });
    made.await.map_err(|_| Error::internal("the change was broken off"))?
}

/// Runs what waits for the disk.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Error> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|_| Error::internal("the work was broken off"))
}

type Wanted<'a> = &'a dyn Fn(&Config) -> Result<Vec<Change>, Error>;

fn write(admin: &Admin, wanted: Wanted<'_>) -> Result<Written, Error> {
    let loader = admin.control.loader();
    let running = admin.control.state().phase == Phase::Running;
    let Some(path) = admin.live.load().config.path.clone() else {
        return begin(loader, wanted, running);
    };
    for _ in 0..TRIES {
        let before = fs::read_to_string(&path)
            .map_err(|error| Error::conflict(format!("cannot read {}: {error}", path.display())))?;
        let after = changed(loader, (&path, &before), wanted, running)?;
        match save::replace(&path, &before, &after) {
            Ok(()) => return Ok(Written { path, before: Some(before), after }),
            Err(save::Error::Changed(_)) => {}
            Err(error @ save::Error::File { .. }) => {
                return Err(Error::conflict(error.to_string()));
            }
        }
    }
    Err(Error::conflict(save::Error::Changed(path).to_string()))
}

/// Begins a file where there is none. The accounts that the environment made until now are written into it, by the names of
/// their variables, for with a file the environment makes none.
fn begin(loader: &Loader, wanted: Wanted<'_>, running: bool) -> Result<Written, Error> {
    let hint = "`levity init FILE` writes one; then start with `levity run --config FILE`";
    let Some(path) = load::user_file(loader.environment()) else {
        let message = "there is no config file, and no place for one: neither XDG_CONFIG_HOME nor HOME is set";
        return Err(Error::conflict(message).with_hint(hint));
    };
    let accounts: Vec<Change> = accounts_of(loader.environment());
    let text = edit::apply(HEADING, &path, &accounts).map_err(|error| by_hand(&error))?;
    let after = changed(loader, (&path, &text), wanted, running)?;
    save::create(&path, &after)
        .map_err(|error| Error::conflict(error.to_string()).with_hint(hint))?;
    Ok(Written { path, before: None, after })
}

fn accounts_of(environment: &Environment) -> Vec<Change> {
    let account = |(provider, variable): (&str, &str)| {
        let key = |key: &str, text: String| (key.to_owned(), Given::Text(text));
        Change::AddAccount(Given::Map(vec![
            key("name", provider.to_owned()),
            key("provider", provider.to_owned()),
            key("api_key", format!("${{{variable}:-}}")),
        ]))
    };
    load::accounts_of(environment).map(account).collect()
}

/// The text with the changes made, which has been found right as a whole.
fn changed(
    loader: &Loader,
    (path, before): (&Path, &str),
    wanted: Wanted<'_>,
    running: bool,
) -> Result<String, Error> {
    let config = loader.parse(before, path).map_err(|failure| {
        let (message, _) = said(failure);
        Error::conflict(message).with_hint("the file is wrong as it stands: mend it first")
    })?;
    let after = edit::apply(before, path, &wanted(&config)?).map_err(|error| by_hand(&error))?;
    let config = loader.parse(&after, path).map_err(|failure| {
        let (message, hint) = said(failure);
        hinted(Error::bad(message), hint)
    })?;
    if running {
        loader::usable(&config).map_err(|failure| {
            let (message, _) = said(failure);
            Error::conflict(message).with_hint("stop the gateway first, or add another account")
        })?;
    }
    Ok(after)
}

fn undo(written: &Written) -> Result<(), save::Error> {
    match &written.before {
        Some(before) => save::replace(&written.path, &written.after, before),
        None => save::remove(&written.path, &written.after),
    }
}

fn by_hand(error: &edit::Error) -> Error {
    Error::conflict(error.to_string())
}

fn said(failure: Failure) -> (String, Option<String>) {
    let (Failure::Wrong { message, hint } | Failure::Failed { message, hint }) = failure;
    (message, hint)
}

fn hinted(error: Error, hint: Option<String>) -> Error {
    match hint {
        Some(hint) => error.with_hint(hint),
        None => error,
    }
}
