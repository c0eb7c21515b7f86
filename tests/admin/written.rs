//! A gateway whose configuration was written by a person, with comments.

use std::path::PathBuf;

use serde_json::Value;

use crate::harness::Console;
use crate::support::client::{Reply, post, request};
use crate::support::gateway::{Gateway, Home};

/// A running gateway over a text.
pub(crate) struct Written {
    pub(crate) gateway: Gateway,
    pub(crate) console: Console,
    path: PathBuf,
}

impl Written {
    /// Starts a gateway on this text.
    pub(crate) async fn start(text: &str) -> Self {
        Self::start_with(text, &[]).await
    }

    /// Starts a gateway on this text, with these variables.
    pub(crate) async fn start_with(text: &str, variables: &[(&str, &str)]) -> Self {
        let home = home(variables);
        std::fs::write(home.config(), text).unwrap();
        let path = home.config();
        let command = home.run();
        let gateway = Gateway::launch(home, command, Vec::new()).await;
        let console = Console::of(&gateway).await;
        Self { gateway, console, path }
    }

    /// The text of the file now.
    pub(crate) fn text(&self) -> String {
        std::fs::read_to_string(&self.path).unwrap()
    }

    /// Writes the file by hand.
    pub(crate) fn write(&self, text: &str) {
        std::fs::write(&self.path, text).unwrap();
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Reply {
        self.console.send(post(path, body.to_string())).await
    }

    pub(crate) async fn patch(&self, path: &str, body: Value) -> Reply {
        send(&self.console, "PATCH", path, body).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Reply {
        self.console.send(request("DELETE", path)).await
    }
}

/// A home with a console at a port of the system's choice.
pub(crate) fn home(variables: &[(&str, &str)]) -> Home {
    let console =
        Home::empty().env("LEVITY_CONSOLE_ENABLED", "true").env("LEVITY_CONSOLE_PORT", "0");
    variables.iter().fold(console, |home, (name, value)| home.env(name, value))
}

/// Sends a JSON body with any method.
pub(crate) async fn send(
    console: &Console,
    method: &'static str,
    path: &str,
    body: Value,
) -> Reply {
    let mut request = post(path, body.to_string());
    request.method = method;
    console.send(request).await
}

/// What a refusal says.
pub(crate) fn refused(reply: &Reply, status: u16) -> String {
    assert_eq!(reply.status, status, "{}", reply.text());
    reply.json()["error"]["message"].as_str().unwrap().to_owned()
}
