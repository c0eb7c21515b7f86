//! How commands talk to the running gateway: its admin API, over plain HTTP on this machine.

use std::io::{self, Read};
use std::net::TcpStream;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use http::{Method, Request, Response, StatusCode, header};
use serde::Serialize;
use serde::de::DeserializeOwned;
use ureq::{Agent, Body};

use crate::admin::error::{Said, Written};
use crate::admin::token;
use crate::config::Secret;
use crate::config::environment::Environment;
use crate::config::load::{self, Options};
use crate::error::Failure;

/// How long connecting may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long an answer may take to begin.
const ANSWER: Duration = Duration::from_mins(1);

/// Which gateway a command is for.
#[derive(Args, Clone, Debug, Default, PartialEq, Eq)]
pub struct Target {
    /// The config file of the running gateway, which says its console's port
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The console's port, whatever the config says
    #[arg(long, value_name = "N")]
    pub console_port: Option<u16>,
}

/// The admin API of a running gateway.
pub struct Client {
    agent: Agent,
    /// `127.0.0.1:8046`
    address: String,
    token: Secret,
    token_path: PathBuf,
}

/// The console's port by the config of the running gateway; `None` where the console is off.
fn configured_port(target: &Target, environment: &Environment) -> Result<Option<u16>, Failure> {
    let options = Options { config: target.config.clone(), port: None };
    let console = load::console(&options, environment)?;
    Ok(console.enabled.then_some(console.port))
}

/// A body that says nothing.
#[derive(Serialize)]
struct Bare {}

/// A request that says nothing.
const NOTHING: Option<&()> = None;

impl Client {
    /// Finds the gateway that `target` names, and the token that it wants.
    pub fn new(target: &Target, environment: &Environment) -> Result<Self, Failure> {
        Self::find(target, environment)?.ok_or_else(|| {
            let message =
                "the console is off (console.enabled is false), so the gateway cannot be asked";
            let hint = "set console.enabled to true in its config; without a console, SIGHUP reloads a gateway and SIGTERM stops it";
            Failure::failed(message).with_hint(hint)
        })
    }

    /// The same, and `None` where the console is off.
    pub fn find(target: &Target, environment: &Environment) -> Result<Option<Self>, Failure> {
        let port = match target.console_port {
            Some(port) => Some(port),
            None => configured_port(target, environment)?,
        };
        let Some(port) = port else { return Ok(None) };
        let address = format!("127.0.0.1:{port}");
        let Some(folder) = environment.state_folder() else {
            return Err(Failure::failed(
                "cannot tell where the console's token is: neither XDG_STATE_HOME nor HOME is set",
            )
            .with_hint("set HOME to that of the user who runs the gateway"));
        };
        let token_path = folder.join(token::FILE);
        let token = token::read(&token_path).map_err(|error| {
            Failure::failed(format!(
                "cannot read the console's token in {}: {}",
                token_path.display(),
                error.kind()
            ))
            .with_hint("ask as the user who runs the gateway")
        })?;
        let token = token.unwrap_or_else(|| Secret::new(""));
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(None)
            .timeout_connect(Some(PATIENCE))
            .timeout_recv_response(Some(ANSWER))
            .build();
        Ok(Some(Self { agent: agent.into(), address, token, token_path }))
    }

    /// Whether anybody listens where the console should be.
    pub fn is_listened_to(&self) -> bool {
        let address = self.address.parse();
        address.is_ok_and(|address| TcpStream::connect_timeout(&address, PATIENCE).is_ok())
    }

    /// Where the console page is, and which file holds the token that it asks for.
    pub fn console(&self) -> String {
        format!("http://{}, its token is in {}", self.address, self.token_path.display())
    }

    /// `GET` of a path that answers JSON.
    pub fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.ask(&Method::GET, path, NOTHING)
    }

    /// `POST` to a path that needs no more said, and answers JSON.
    pub fn order<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.post(path, &Bare {})
    }

    /// `POST` of a JSON body to a path that answers JSON.
    pub fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, Failure> {
        self.ask(&Method::POST, path, Some(body))
    }

    /// A request, with a JSON body or none, to a path that answers JSON.
    pub fn ask<T: DeserializeOwned>(
        &self,
        method: &Method,
        path: &str,
        body: Option<&impl Serialize>,
    ) -> Result<T, Failure> {
        let mut response = self.send(method, path, body)?;
        let text = response.body_mut().read_to_string().map_err(|error| self.broken(&error))?;
        // An answer without a body (204) is read as nothing.
        let text = if text.is_empty() { "null" } else { &text };
        serde_json::from_str(text).map_err(|error| {
            Failure::failed(format!("the gateway's answer is not understood: {error}"))
                .with_hint("the running gateway may be another version: `levity --version`")
        })
    }

    /// A request whose answer is read as it comes: a stream, or lines without an end.
    pub fn stream(&self, path: &str) -> Result<impl Read + use<>, Failure> {
        Ok(self.send(&Method::GET, path, NOTHING)?.into_body().into_reader())
    }

    /// Sends a request; an answer that is a refusal is a failure that says what the gateway said.
    fn send(
        &self,
        method: &Method,
        path: &str,
        body: Option<&impl Serialize>,
    ) -> Result<Response<Body>, Failure> {
        let request = Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", self.address))
            .header(header::AUTHORIZATION, format!("Bearer {}", self.token.expose()));
        let unsent = |error: &dyn std::fmt::Display| {
            Failure::failed(format!("cannot ask the gateway: {error}"))
        };
        let sent = match body.map(serde_json::to_vec).transpose() {
            Ok(Some(body)) => {
                let request = request.header(header::CONTENT_TYPE, "application/json").body(body);
                self.agent.run(request.map_err(|error| unsent(&error))?)
            }
            Ok(None) => self.agent.run(request.body(()).map_err(|error| unsent(&error))?),
            Err(error) => return Err(unsent(&error)),
        };
        let response = sent.map_err(|error| self.broken(&error))?;
        if response.status().is_success() { Ok(response) } else { Err(self.refusal(response)) }
    }

    /// Why there is no answer.
    fn broken(&self, error: &ureq::Error) -> Failure {
        let nobody = matches!(error, ureq::Error::ConnectionFailed)
            || matches!(error, ureq::Error::Io(error) if error.kind() == io::ErrorKind::ConnectionRefused);
        if nobody {
            let message = format!("levity is not running (nothing listens on {})", self.address);
            return Failure::failed(message).with_hint(
                "`levity run` starts it; if its console has another port, name it with `--console-port N` or `--config FILE`",
            );
        }
        Failure::failed(format!("the console on {} does not answer: {error}", self.address))
            .with_hint("another program may have that port: name levity's with `--console-port N`")
    }

    /// What the gateway said against it.
    fn refusal(&self, mut response: Response<Body>) -> Failure {
        let status = response.status();
        if status == StatusCode::UNAUTHORIZED {
            let message = format!(
                "the gateway on {} does not take the token in {}",
                self.address,
                self.token_path.display()
            );
            return Failure::failed(message).with_hint(
                "it was started by another user, or with another HOME or XDG_STATE_HOME: ask in the same way",
            );
        }
        let text = response.body_mut().read_to_string().unwrap_or_default();
        match serde_json::from_str::<Written>(&text) {
            Ok(Written { error: Said { message, hint } }) if status == StatusCode::BAD_REQUEST => {
                Failure::Wrong { message, hint }
            }
            Ok(Written { error: Said { message, hint } }) => Failure::Failed { message, hint },
            Err(_) => Failure::failed(format!(
                "what listens on {} is not levity's console: it answers {status}",
                self.address
            ))
            .with_hint("name the console's port with `--console-port N` or `--config FILE`"),
        }
    }
}
