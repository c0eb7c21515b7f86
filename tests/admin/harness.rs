//! A gateway with a console: where that is, and how it is asked.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;

use crate::support::client::{Connection, Reply, Request, get};
use crate::support::gateway::{Config, Gateway};
use crate::support::{eventually, soon};

/// Turns the console on, at a port of the system's choice.
pub(crate) fn with_console(config: Config) -> Config {
    config.env("LEVITY_CONSOLE_ENABLED", "true").env("LEVITY_CONSOLE_PORT", "0")
}

/// A gateway's console port, and the token that it wants.
#[derive(Clone, Debug)]
pub(crate) struct Console {
    pub(crate) address: SocketAddr,
    pub(crate) token: String,
}

impl Console {
    /// The console of a gateway, once it has said where that is.
    pub(crate) async fn of(gateway: &Gateway) -> Self {
        let said = || {
            let said = gateway.stdout();
            let line = said.lines().find(|line| line.trim_start().starts_with("console "))?;
            line.split_once("http://")?.1.parse().ok()
        };
        let address = eventually("the console's URL on standard output", said).await;
        let file = gateway.home.path().join(".local/state/levity/console.token");
        let token = std::fs::read_to_string(file).unwrap().trim().to_owned();
        Self { address, token }
    }

    /// Sends a request with the token.
    pub(crate) async fn send(&self, request: Request) -> Reply {
        self.send_bare(&request.header("authorization", &format!("Bearer {}", self.token))).await
    }

    /// Sends a request as it is.
    pub(crate) async fn send_bare(&self, request: &Request) -> Reply {
        let mut connection = Connection::open(self.address).await.unwrap();
        soon("the console's answer", connection.send(request)).await.unwrap()
    }

    /// What a path of the API says, once it says 200.
    pub(crate) async fn read(&self, path: &str) -> Value {
        let reply = self.send(get(path)).await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.text());
        reply.json()
    }

    /// The request log's newest rows, once there are so many: a request is recorded when its answer is out.
    pub(crate) async fn logged(&self, count: usize) -> Vec<Value> {
        for _ in 0..500 {
            let page = self.read("/api/log").await;
            let rows = page["requests"].as_array().unwrap();
            assert!(rows.len() <= count, "{page}");
            if rows.len() == count {
                return rows.clone();
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the log never has {count} requests");
    }

    /// The status, once it is as it should be: what a request leaves behind is gone a moment after its answer.
    pub(crate) async fn status(&self, what: &str, is: impl Fn(&Value) -> bool) -> Value {
        soon(what, async {
            loop {
                let status = self.read("/api/status").await;
                if is(&status) {
                    return status;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await
    }

    /// The port, as a flag of a command.
    pub(crate) fn port(&self) -> String {
        self.address.port().to_string()
    }
}

/// Starts a gateway with a console.
pub(crate) async fn start(config: Config) -> (Gateway, Console) {
    let gateway = Gateway::start(&with_console(config)).await;
    let console = Console::of(&gateway).await;
    (gateway, console)
}
