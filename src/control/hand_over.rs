//! Giving the open ports to another process.

use std::net::TcpListener;
use std::sync::Arc;

use tokio::sync::OwnedMutexGuard;

use super::{Change, Control, Doors, PATIENCE};

/// The open ports, about to be given away: nothing else can change them meanwhile. Dropped, they stay.
pub struct HandOver {
    control: Control,
    doors: OwnedMutexGuard<Doors>,
}

impl Control {
    /// Begins to give the ports away.
    pub async fn hand_over(&self) -> HandOver {
        let doors = Arc::clone(&self.shared.doors).lock_owned().await;
        HandOver { control: self.clone(), doors }
    }

    /// Resolves when the ports have been given away.
    pub async fn given_away(&self) {
        let mut states = self.watch();
        // The sender lives as long as this handle.
        let _ = states.wait_for(|state| state.given_away).await;
    }
}

impl HandOver {
    /// The proxy port's listener, while it is open.
    pub fn port(&self) -> Option<&TcpListener> {
        self.doors.port.as_ref().map(|port| &port.listener)
    }

    /// The console's listener, while it is on.
    pub fn console(&self) -> Option<&TcpListener> {
        self.doors.console.as_ref()
    }

    /// The other process serves: this one's ports close, and their requests go on.
    pub async fn complete(mut self) {
        if let Some(port) = self.doors.port.take() {
            self.control.close(port, PATIENCE).await;
        }
        self.doors.console = None;
        // With the receiver gone the process is at its end.
        let _ = self.doors.consoles.send(Change::Close);
        self.control.shared.state.send_modify(|state| {
            state.given_away = true;
            state.console = None;
        });
    }
}
