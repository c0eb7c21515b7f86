//! The proxy as Pingora's service, with patience at its end: whoever has just been let in may still say what they want.
//!
//! Pingora closes every connection on which no request is under way as soon as a service stops listening, so that a client
//! whose request is on its way is cut off. Where another port, or another process, takes the place of this one, nobody is
//! to notice that.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use pingora::apps::ServerApp;
use pingora::protocols::Stream;
use pingora::proxy::HttpProxy;
use pingora::server::ShutdownWatch;
use tokio::sync::Notify;

use crate::proxy::Gateway;

/// The proxy, and how it is to end.
pub(super) struct Patient {
    pub(super) proxy: Arc<HttpProxy<Gateway>>,
    pub(super) ending: Arc<Ending>,
}

/// How a service is to end.
#[derive(Default)]
pub(super) struct Ending {
    /// How long connections stay open without a request, in milliseconds.
    patience: AtomicU64,
    /// Told when nobody is let in any more.
    closed: Notify,
}

impl Ending {
    /// Says how long connections stay open without a request.
    pub(super) fn set_patience(&self, patience: Duration) {
        let patience = crate::clock::milliseconds(patience);
        self.patience.store(patience, Ordering::Relaxed);
    }

    /// Resolves when nobody is let in any more.
    pub(super) async fn closed(&self) {
        self.closed.notified().await;
    }
}

#[async_trait]
impl ServerApp for Patient {
    async fn process_new(
        self: &Arc<Self>,
        stream: Stream,
        shutdown: &ShutdownWatch,
    ) -> Option<Stream> {
        self.proxy.process_new(stream, shutdown).await
    }

    async fn cleanup(&self) {
        self.ending.closed.notify_one();
        let patience = Duration::from_millis(self.ending.patience.load(Ordering::Relaxed));
        if !patience.is_zero() {
            tokio::time::sleep(patience).await;
        }
        ServerApp::cleanup(&*self.proxy).await;
    }
}
