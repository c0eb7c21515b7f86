//! The file that keeps the providers' cooldowns over a restart.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use parking_lot::Mutex;

use crate::clock::Now;
use crate::config::private;
use crate::pool::Pool;
use crate::pool::kept::Kept;
use crate::proxy::live::Live;

/// How soon a change is written down.
const EVERY: Duration = Duration::from_secs(1);

/// The file, and what was written to it last.
#[derive(Debug)]
pub struct Cooldowns {
    path: PathBuf,
    written: Mutex<Vec<Kept>>,
}

impl Cooldowns {
    /// Puts back what an earlier run of the gateway at this port left in the folder: two gateways do not know the same of
    /// an account. A file that cannot be read is no reason not to start.
    pub fn restore(folder: &Path, port: u16, pool: &Pool) -> Self {
        let path = folder.join(format!("cooldowns-{port}.json"));
        let written = match read(&path) {
            Ok(kept) => kept,
            Err(error) => {
                log::warn!("cooldowns of the last run are not known: {}: {error}", path.display());
                Vec::new()
            }
        };
        pool.restore(&written, Now::read());
        Self { path, written: Mutex::new(written) }
    }

    /// Writes changes down as they happen, for ever.
    pub async fn keep(self: Arc<Self>, live: Arc<ArcSwap<Live>>) {
        loop {
            tokio::time::sleep(EVERY).await;
            let (cooldowns, live) = (Arc::clone(&self), live.load_full());
            // A disk may be slow, and must not hold up requests.
            if tokio::task::spawn_blocking(move || cooldowns.write(&live.pool)).await.is_err() {
                return;
            }
        }
    }

    /// Writes what is known now, where it is news.
    pub fn write(&self, pool: &Pool) {
        let kept = pool.kept(Now::read());
        let mut written = self.written.lock();
        let is_news = written.len() != kept.len()
            || written.iter().zip(&kept).any(|(old, new)| !old.is_like(new));
        if !is_news {
            return;
        }
        if let Err(error) = keep(&self.path, &kept) {
            // Said once; the next change is the next attempt.
            log::warn!(
                "cannot keep cooldowns for the next start: {}: {error}",
                self.path.display()
            );
        }
        *written = kept;
    }
}

fn read(path: &Path) -> io::Result<Vec<Kept>> {
    match fs::read(path) {
        Ok(text) => Ok(serde_json::from_slice(&text)?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

fn keep(path: &Path, kept: &[Kept]) -> io::Result<()> {
    private::replace(path, &serde_json::to_string(kept)?)
}
