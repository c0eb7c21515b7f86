//! `levity run`: the gateway in the foreground.

use std::io::{self, IsTerminal as _, Write};
use std::net::{SocketAddr, TcpListener};
use std::num::NonZeroU32;
use std::sync::Arc;

use url::Url;

use super::Run;
use crate::admin::token::Token;
use crate::admin::{self, Admin};
use crate::clock::Now;
use crate::config::environment::Environment;
use crate::config::key::ClientKey;
use crate::config::outbound::WayOut;
use crate::config::{Account, AuthMode, Config, Dispatch, Provider, Secret};
use crate::cooldowns::Cooldowns;
use crate::dialects::Dialect;
use crate::error::Failure;
use crate::loader::{Loader, Setup};
use crate::metrics::Metrics;
use crate::monitor::redact::Redactor;
use crate::monitor::{self, Monitor};
use crate::proxy::watch::Watch;
use crate::server::port::{self, Bound};
use crate::server::upgrade::{self, Taken};
use crate::server::{self, Server, Start, lan};
use crate::store::{self, Limits, Store};
use crate::telemetry::Traces;

/// Runs the gateway until it is told to stop.
pub fn run(
    arguments: &Run,
    environment: &Environment,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let _lines = super::logger::install(arguments.log_format, arguments.log_level);
    let demo =
        if arguments.demo { Some(port::bind(([127, 0, 0, 1], 0).into())?.listener) } else { None };
    let demo_address = demo.as_ref().map(TcpListener::local_addr).transpose()?;
    let demo_accounts = demo_address.map(demo_accounts).transpose()?.unwrap_or_default();
    let certificates = server::certificates()?;
    let loader = Loader::new(arguments.options(), environment.clone(), demo_accounts, certificates);
    let setup = loader.load()?;
    setup.usable()?;
    let mut before = if arguments.upgrade { take_over(&setup.config, environment)? } else { None };
    let port = bind_port(&setup.config, before.as_mut())?;
    let console = bind_console(&setup.config, before.as_mut());
    let store = open_store(environment);
    let watch = open_watch(&setup, environment)?;
    watch.traces.configure(&setup.config, loader.certificates());
    let server = Server::new(loader, &setup, store, watch)?;
    let live = Arc::clone(server.control().live());
    let cooldowns = environment.state_folder().map(|folder| {
        Arc::new(Cooldowns::restore(&folder, setup.config.proxy.port, &live.load().pool))
    });
    let control = server.control().clone();
    if let Some(cooldowns) = &cooldowns {
        let (keep, control) = (Arc::clone(cooldowns).keep(Arc::clone(&live)), control.clone());
        // From then on the file is the other process's.
        server.spawn(async move {
            tokio::select! { () = keep => {}, () = control.given_away() => {} }
        });
    }
    if let Some(listener) = demo {
        listener.set_nonblocking(true)?;
        server.spawn(serve_demo(listener));
    }
    let token = obtain_token(&setup.config, environment)?;
    announce(&setup, port.as_ref().map(|bound| bound.address), out)?;
    if let Some(bound) = &console {
        announce_console(bound.address, &token, out)?;
    }
    for warning in &setup.config.warnings {
        writeln!(out, "warning: {warning}")?;
    }
    out.flush()?;
    let router = admin::router(Admin::new(control.clone(), token));
    server.run(Start { port, console, router, before })?;
    if let Some(cooldowns) = cooldowns.filter(|_| !control.state().given_away) {
        cooldowns.write(&live.load().pool);
    }
    Ok(())
}

/// The running gateway's ports. Where none runs, there is nothing to take over, and this one starts as ever.
fn take_over(config: &Config, environment: &Environment) -> Result<Option<Taken>, Failure> {
    let taken = upgrade::take(environment.state_folder().as_deref(), config.proxy.port)?;
    match &taken {
        Some(taken) => log::info!("taking over from {}", taken.from()),
        None => log::info!(
            "no gateway with the port {} runs to take over from; starting as ever",
            config.proxy.port
        ),
    }
    Ok(taken)
}

/// The proxy's port; none when the gateway that is taken over from is stopped.
fn bind_port(config: &Config, taken: Option<&mut Taken>) -> Result<Option<Bound>, Failure> {
    let address = config.proxy.bind();
    match taken {
        Some(taken) if !taken.is_running() => Ok(None),
        Some(taken) => taken.port(address).map(Some),
        None => port::bind(address).map(Some),
    }
}

/// The console's port, where it is on and can be had: the gateway works without it.
fn bind_console(config: &Config, taken: Option<&mut Taken>) -> Option<Bound> {
    if !config.console.enabled {
        return None;
    }
    let address = config.console.address();
    match taken.map_or_else(|| port::bind(address), |taken| taken.console(address)) {
        Ok(bound) => Some(bound),
        Err(failure) => {
            log::warn!(
                "console: {failure}; the console is off: give this gateway a console.port of its own, or set console.enabled to false"
            );
            None
        }
    }
}

/// The console's token; one that cannot be kept serves this process alone.
fn obtain_token(config: &Config, environment: &Environment) -> Result<Token, Failure> {
    let token = Token::obtain(environment.state_folder().as_deref()).or_else(|error| {
        if config.console.enabled {
            log::warn!("{error}; commands cannot ask this gateway");
        }
        Token::passing()
    });
    token.map_err(|error| Failure::failed(error.to_string()))
}

fn open_store(environment: &Environment) -> Store {
    match environment.state_folder() {
        Some(folder) => {
            let now = Now::read().since_epoch().as_secs();
            Store::open(folder.join(store::FILE), Limits::default(), now)
        }
        None => Store::in_memory(Limits::default()),
    }
}

/// The request log, the counters and the traces, which go nowhere yet.
fn open_watch(setup: &Setup, environment: &Environment) -> Result<Watch, Failure> {
    let config = &setup.config;
    let path = environment.state_folder().map(|folder| folder.join(monitor::FILE));
    let redactor = Redactor::new(config, setup.secret());
    let metrics = Metrics::new()
        .map_err(|error| Failure::failed(format!("cannot count requests: {error}")))?;
    Ok(Watch {
        monitor: Monitor::start(path, config.monitor, redactor),
        metrics,
        traces: Traces::default(),
    })
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
            way_out: WayOut::Direct,
            vertex: None,
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
    setup: &Setup,
    address: Option<SocketAddr>,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let config = &setup.config;
    let port = address.map_or(config.proxy.port, |address| address.port());
    let base = format!("http://127.0.0.1:{port}");
    if address.is_some() {
        writeln!(out, "levity is running at {base}")?;
    } else {
        writeln!(out, "levity is stopped; `levity start` opens {base}")?;
    }
    if config.proxy.allow_lan_access {
        let host =
            lan::address().map_or_else(|| "this machine's address".to_owned(), |ip| ip.to_string());
        writeln!(out, "  on the LAN   http://{host}:{port}")?;
    }
    let auth = config.proxy.effective_auth();
    writeln!(out, "  auth         {}", auth_in_words(auth))?;
    match &setup.client_key {
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
    Ok(())
}

/// Says where the console is. The token goes to a terminal alone: what is piped or filed may be read by others.
fn announce_console(
    address: SocketAddr,
    token: &Token,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let terminal = io::stdout().is_terminal();
    if terminal {
        writeln!(out, "  console      http://{address}/#token={}", token.secret().expose())?;
        return Ok(());
    }
    writeln!(out, "  console      http://{address}")?;
    match &token.path {
        Some(path) => writeln!(out, "               its token is in {}", path.display())?,
        None => writeln!(out, "               its token is shown on a terminal alone")?,
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
