//! A config file that changes is loaded again, whoever changes it and however: in place, by another file of the same
//! name, or by another target of a link.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use parking_lot::Mutex;
use tokio::sync::mpsc;

use crate::control::Control;

/// How long a file must be left alone before it is loaded: editors write in several steps.
const QUIET: Duration = Duration::from_millis(200);
/// How long that is waited for in all.
const LONGEST_WAIT: Duration = Duration::from_secs(2);
/// Links that are followed on the way to a file.
const MOST_LINKS: usize = 16;

/// Reloads whenever the config file is another than the last one loaded, until another process has taken over.
pub async fn config(control: Control) {
    let (tell, mut told) = mpsc::channel(1);
    let names = Arc::new(Mutex::new(BTreeSet::new()));
    let wanted = Arc::clone(&names);
    let notice = move |event: notify::Result<Event>| {
        if event.map_or(true, |event| is_change(event.kind) && concerns(&event, &wanted.lock())) {
            // One that is waiting already says the same.
            let _ = tell.try_send(());
        }
    };
    let mut watcher = match notify::recommended_watcher(notice) {
        Ok(watcher) => watcher,
        Err(error) => {
            log::warn!("the config file is not watched ({error}): `levity reload` loads it");
            return;
        }
    };
    let mut states = control.watch();
    let mut known = BTreeSet::new();
    while !control.state().given_away {
        // A file that is gone for a moment keeps its watch.
        if let Some(file) = control.loader().file() {
            let way = way(&file.path);
            *names.lock() = way.names;
            watch_folders(&mut watcher, &mut known, way.folders);
        }
        // Looked at first: it may have changed before it was watched.
        if control.loader().has_news() {
            log::info!("the config file has changed");
            // Why not is in the log.
            drop(control.reload().await);
        }
        tokio::select! {
            told = told.recv() => if told.is_none() { return },
            // A reload may have found the file elsewhere.
            changed = states.changed() => if changed.is_err() { return } else { continue },
        }
        let began = Instant::now();
        while began.elapsed() < LONGEST_WAIT
            && tokio::time::timeout(QUIET, told.recv()).await.is_ok()
        {}
    }
}

/// Whether a file may be another after it. Reading one, as is done here, is told as well.
const fn is_change(kind: EventKind) -> bool {
    !matches!(kind, EventKind::Access(access) if !matches!(access, AccessKind::Close(AccessMode::Write)))
}

/// Whether it is about a name on the way to the file. Others may be written in the same folder all the time.
fn concerns(event: &Event, names: &BTreeSet<OsString>) -> bool {
    let is_on_the_way = |path: &PathBuf| path.file_name().is_some_and(|name| names.contains(name));
    event.paths.is_empty() || event.need_rescan() || event.paths.iter().any(is_on_the_way)
}

/// Watches the folders in which the file, or a link to it, may be exchanged for another.
fn watch_folders(
    watcher: &mut RecommendedWatcher,
    known: &mut BTreeSet<PathBuf>,
    wanted: BTreeSet<PathBuf>,
) {
    for gone in known.difference(&wanted) {
        // A folder that was removed is watched no longer anyway.
        let _ = watcher.unwatch(gone);
    }
    for new in wanted.difference(known) {
        if let Err(error) = watcher.watch(new, RecursiveMode::NonRecursive) {
            log::warn!("{} is not watched: {error}", new.display());
        }
    }
    *known = wanted;
}

/// What leads to a file.
#[derive(Default)]
struct Way {
    /// The folder of the file and, where it is a link, of each file that it leads to.
    folders: BTreeSet<PathBuf>,
    /// What may be exchanged there for another: the file, and what its links name, folders too.
    names: BTreeSet<OsString>,
}

fn way(path: &Path) -> Way {
    let mut way = Way::default();
    let mut path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    way.names.extend(path.file_name().map(ToOwned::to_owned));
    for _ in 0..MOST_LINKS {
        let Some(folder) = path.parent() else { break };
        way.folders.insert(folder.to_owned());
        let Ok(target) = path.read_link() else { break };
        way.names.extend(target.components().filter_map(|component| match component {
            Component::Normal(name) => Some(name.to_owned()),
            Component::Prefix(_)
            | Component::RootDir
            | Component::CurDir
            | Component::ParentDir => None,
        }));
        path = folder.join(target);
    }
    way
}
