//! `levity run`: the gateway in the foreground.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::num::NonZeroU32;

use url::Url;

use super::Run;
use crate::clock::Now;
use crate::config::environment::Environment;
use crate::config::key::{self, ClientKey};
use crate::config::{Account, AuthMode, Config, Dispatch, Provider, Secret, State};
use crate::dialects::Dialect;
use crate::error::Failure;
use crate::proxy::live::Live;
use crate::server::{self, Server};
use crate::store::{self, Limits, Store};

/// Runs the gateway until it is told to stop.
pub fn run(
    arguments: &Run,
    environment: &Environment,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let _lines = super::log::install(arguments.log_format, arguments.log_level);
    let demo = if arguments.demo { Some(server::bind(([127, 0, 0, 1], 0).into())?) } else { None };
    let demo_address = demo.as_ref().map(TcpListener::local_addr).transpose()?;
    let certificates = server::certificates()?;
    let load = |previous: Option<&Live>| {
        let mut config = Config::load(&arguments.options(), environment)?;
        if let Some(address) = demo_address {
            config.accounts.extend(demo_accounts(address)?);
        }
        usable(&config)?;
        let client_key = key::obtain(&config.proxy, environment)?;
        let secret = client_key.as_ref().map(ClientKey::secret);
        Ok::<_, Failure>((
            Live::new(config.clone(), secret, certificates.clone(), previous),
            config,
            client_key,
        ))
    };
    let (live, config, client_key) = load(None)?;
    let listener = server::bind(config.proxy.bind())?;
    let address = listener.local_addr()?;
    let store = match environment.state_folder() {
        Some(folder) => {
            let now = Now::read().since_epoch().as_secs();
            Store::open(folder.join(store::FILE), Limits::default(), now)
        }
        None => Store::in_memory(Limits::default()),
    };
    let server = Server::new(live, store, certificates.clone());
    if let Some(listener) = demo {
        listener.set_nonblocking(true)?;
        server.spawn(serve_demo(listener));
    }
    announce(&config, address, client_key.as_ref(), out)?;
    out.flush()?;
    server.run(listener, |previous| load(Some(previous)).map(|(live, ..)| live))
}

/// Refuses to start a gateway that could answer nothing.
fn usable(config: &Config) -> Result<(), Failure> {
    if let State::Redis(_) = config.state {
        return Err(Failure::wrong("state.backend: redis is not served yet")
            .with_hint("set state.backend to memory, or leave it out"));
    }
    if config.accounts.iter().any(Account::is_active) {
        return Ok(());
    }
    let message = "there is no account to ask: every request would fail";
    let hint = "set GEMINI_API_KEY, OPENAI_API_KEY, ANTHROPIC_API_KEY or ZAI_API_KEY, or add an account to the config (`levity init` writes one); `levity run --demo` needs none";
    Err(Failure::wrong(message).with_hint(hint))
}

/// The embedded upstream as accounts: one for each dialect, behind the owner's own.
fn demo_accounts(address: SocketAddr) -> Result<Vec<Account>, Failure> {
    let account = |dialect: Dialect| {
        let path = match dialect {
            Dialect::OpenAiChat | Dialect::OpenAiResponses => "/v1",
            Dialect::Anthropic | Dialect::Gemini => "",
        };
        let base_url = Url::parse(&format!("http://{address}{path}"))
            .map_err(|error| Failure::failed(format!("cannot name the demo: {error}")))?;
        Ok(Account {
            name: format!("demo-{}", dialect.name().replace('_', "-")),
            provider: Provider::Custom,
            api_key: Secret::new(""),
            base_url,
            dialects: vec![dialect],
            models: vec!["*".to_owned()],
            model_map: Vec::new(),
            dispatch: Dispatch::Fallback,
            clients: Dialect::ALL.to_vec(),
            weight: NonZeroU32::MIN,
            max_concurrency: 0,
            enabled: true,
            headers: Vec::new(),
        })
    };
    Dialect::ALL.into_iter().map(account).collect()
}

async fn serve_demo(listener: TcpListener) {
    let served = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => crate::demo::serve(listener, std::future::pending()).await,
        Err(error) => Err(error),
    };
    if let Err(error) = served {
        log::error!("the demo upstream stopped: {error}");
    }
}

/// Says what is up, and what each SDK is to be given.
fn announce(
    config: &Config,
    address: SocketAddr,
    client_key: Option<&ClientKey>,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let port = address.port();
    let base = format!("http://127.0.0.1:{port}");
    writeln!(out, "levity is running at {base}")?;
    if config.proxy.allow_lan_access {
        let host =
            lan_address().map_or_else(|| "this machine's address".to_owned(), |ip| ip.to_string());
        writeln!(out, "  on the LAN   http://{host}:{port}")?;
    }
    let auth = config.proxy.effective_auth();
    writeln!(out, "  auth         {}", auth_in_words(auth))?;
    match client_key {
        Some(ClientKey::Generated(path, key)) => {
            writeln!(out, "  key          {}", key.expose())?;
            writeln!(
                out,
                "               made just now and saved in {}; it is not shown again",
                path.display()
            )?;
        }
        Some(ClientKey::Known(_)) => {
            writeln!(out, "  key          the one that you have set or saved before")?;
        }
        None => {}
    }
    let active: Vec<String> = config
        .accounts
        .iter()
        .filter(|account| account.is_active())
        .map(|account| format!("{} ({})", account.name, account.provider.name()))
        .collect();
    writeln!(out, "  accounts     {} active: {}", active.len(), active.join(", "))?;
    writeln!(out, "  OpenAI SDKs, Codex            base URL {base}/v1")?;
    writeln!(out, "  Anthropic SDKs, Claude Code   base URL {base}")?;
    writeln!(out, "  Gemini SDKs, Gemini CLI       base URL {base}")?;
    for warning in &config.warnings {
        writeln!(out, "warning: {warning}")?;
    }
    Ok(())
}

const fn auth_in_words(mode: AuthMode) -> &'static str {
    match mode {
        AuthMode::Off => "off: no request needs a key",
        AuthMode::Strict => "strict: every request needs the key",
        AuthMode::AllExceptHealth | AuthMode::Auto => {
            "all_except_health: every request but GET /healthz needs the key"
        }
    }
}

/// This machine's address in its LAN. Nothing is sent: connecting a UDP socket only looks the route up.
fn lan_address() -> Option<std::net::IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).ok()?;
    let ip = socket.local_addr().ok()?.ip();
    (!ip.is_unspecified()).then_some(ip)
}
