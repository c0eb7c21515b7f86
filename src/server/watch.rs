//! A config file that changes is loaded again, whoever changes it and however: in place, by another file of the same
//! name, or by another target of a link.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;

use crate::control::Control;

/// How long a file must be left alone before it is loaded: editors write in several steps.
const QUIET: Duration = Duration::from_millis(200);
/// Links that are followed on the way to a file.
const MOST_LINKS: usize = 16;

/// Reloads whenever the config file is another than the last one loaded. Does not end.
pub async fn config(control: Control) {
    let (tell, mut told) = mpsc::channel(1);
    let notice = move |event: notify::Result<Event>| {
        if event.map_or(true, |event| is_change(event.kind)) {
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
    loop {
        watch_folders(&mut watcher, &mut known, &control);
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
        while tokio::time::timeout(QUIET, told.recv()).await.is_ok() {}
    }
}

/// Whether a file may be another after it. Reading one, as is done here, is told as well.
const fn is_change(kind: EventKind) -> bool {
    !matches!(kind, EventKind::Access(access) if !matches!(access, AccessKind::Close(AccessMode::Write)))
}

/// Watches the folders in which the file, or a link to it, may be exchanged for another.
fn watch_folders(
    watcher: &mut RecommendedWatcher,
    known: &mut BTreeSet<PathBuf>,
    control: &Control,
) {
    // A file that is gone for a moment keeps its watch.
    let Some(file) = control.loader().file() else { return };
    let wanted = folders(&file.path);
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

/// The folder of a file and, where it is a link, of each file that it leads to.
fn folders(path: &Path) -> BTreeSet<PathBuf> {
    let mut folders = BTreeSet::new();
    let mut path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    for _ in 0..MOST_LINKS {
        let Some(folder) = path.parent() else { break };
        folders.insert(folder.to_owned());
        let Ok(target) = path.read_link() else { break };
        path = folder.join(target);
    }
    folders
}
