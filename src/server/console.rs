//! The console port: served, and moved to another listener.

use std::io;
use std::net::TcpListener;
use std::time::Duration;

use axum::Router;
use tokio::sync::{mpsc, watch};

/// How long an answer may still take when the port is closed. Live streams of the page would never end.
const PATIENCE: Duration = Duration::from_secs(3);

/// What becomes of the console's port.
pub enum Change {
    /// It is served on this listener, and no longer on the one before.
    Open(TcpListener),
    /// It is not served.
    Close,
}

/// Serves the console wherever it is to be, until nobody can change that any more.
pub async fn serve(router: Router, mut changes: mpsc::UnboundedReceiver<Change>) {
    // A port is open for as long as its sender lives.
    let mut _open = None;
    while let Some(change) = changes.recv().await {
        _open = match change {
            Change::Open(listener) => open(listener, router.clone())
                .inspect_err(|error| log::error!("the console cannot be served: {error}"))
                .ok(),
            Change::Close => None,
        };
    }
}

fn open(listener: TcpListener, router: Router) -> io::Result<watch::Sender<()>> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let (open, ending) = watch::channel(());
    let serve = axum::serve(listener, router).with_graceful_shutdown(dropped(ending.clone()));
    tokio::spawn(async move {
        let at_last = async {
            dropped(ending).await;
            tokio::time::sleep(PATIENCE).await;
        };
        tokio::select! {
            served = serve => if let Err(error) = served { log::error!("the console stopped: {error}"); },
            () = at_last => {}
        }
    });
    Ok(open)
}

/// Resolves when the sender is dropped.
async fn dropped(mut receiver: watch::Receiver<()>) {
    while receiver.changed().await.is_ok() {}
}
