//! How a running gateway gets its configuration: at the start, and again at each reload, always in the same way.

use std::path::{Path, PathBuf};

use parking_lot::Mutex;

use crate::config::environment::Environment;
use crate::config::key::{self, ClientKey};
use crate::config::load::{File, Options};
use crate::config::{Account, Config, Secret, State};
use crate::error::Failure;
use crate::proxy::live::Live;

/// What a configuration is loaded from, and what it is put to work with.
pub struct Loader {
    options: Options,
    environment: Environment,
    demo: Vec<Account>,
    certificates: Option<String>,
    /// The file as it was when it was last loaded, whether it was good or not.
    last: Mutex<Option<File>>,
}

/// A configuration that is complete, and the key that clients need with it.
pub struct Setup {
    /// The configuration, with the demo's accounts behind the owner's.
    pub config: Config,
    /// The client key; `None` when auth is off.
    pub client_key: Option<ClientKey>,
}

impl Loader {
    /// A loader for these flags, this environment, and the embedded upstream's accounts, where it runs. `certificates` is
    /// the file of authorities to trust.
    pub fn new(
        options: Options,
        environment: Environment,
        demo: Vec<Account>,
        certificates: Option<String>,
    ) -> Self {
        Self { options, environment, demo, certificates, last: Mutex::new(None) }
    }

    /// Loads the configuration as it stands, and makes the client key where one is missing.
    pub fn load(&self) -> Result<Setup, Failure> {
        let file = File::read(&self.options, &self.environment)?;
        self.last.lock().clone_from(&file);
        let config = Config::of(file.as_ref(), &self.options, &self.environment)?;
        let config = self.complete(config)?;
        let client_key = key::obtain(&config.proxy, &self.environment)?;
        Ok(Setup { config, client_key })
    }

    /// The file that would be loaded now; `None` when it is the environment alone, or cannot be read.
    pub fn file(&self) -> Option<File> {
        File::read(&self.options, &self.environment).ok().flatten()
    }

    /// Whether there is a file that can be read and is another than the last one loaded.
    pub fn has_news(&self) -> bool {
        self.file().is_some_and(|file| self.last.lock().as_ref() != Some(&file))
    }

    /// What `load` would make of a file of this text at `path`: nothing is written, and nothing changes.
    pub fn parse(&self, text: &str, path: &Path) -> Result<Config, Failure> {
        self.complete(Config::parse(text, path, &self.options, &self.environment)?)
    }

    /// Puts a configuration to work; what `previous` knew of accounts that stay is kept.
    pub fn animate(&self, setup: &Setup, previous: Option<&Live>) -> Live {
        let key = setup.client_key.as_ref().map(ClientKey::secret);
        Live::new(setup.config.clone(), key, self.certificates.clone(), previous)
    }

    /// The flags that go before environment and file.
    pub const fn options(&self) -> &Options {
        &self.options
    }

    /// The environment that the process was started in.
    pub const fn environment(&self) -> &Environment {
        &self.environment
    }

    /// Where the gateway keeps its own files.
    pub fn state_folder(&self) -> Option<PathBuf> {
        self.environment.state_folder()
    }

    /// The file of authorities to trust.
    pub fn certificates(&self) -> Option<&str> {
        self.certificates.as_deref()
    }

    /// The embedded upstream's accounts, which stand behind all others.
    pub fn demo(&self) -> &[Account] {
        &self.demo
    }

    /// Whether the embedded upstream runs.
    pub const fn is_demo(&self) -> bool {
        !self.demo.is_empty()
    }

    fn complete(&self, mut config: Config) -> Result<Config, Failure> {
        if let State::Redis(_) = config.state {
            return Err(Failure::wrong("state.backend: redis is not served yet")
                .with_hint("set state.backend to memory, or leave it out"));
        }
        config.accounts.extend(self.demo.iter().cloned());
        Ok(config)
    }
}

impl Setup {
    /// The client key, where one is needed.
    pub fn secret(&self) -> Option<&Secret> {
        self.client_key.as_ref().map(ClientKey::secret)
    }

    /// Refuses a gateway that could answer nothing.
    pub fn usable(&self) -> Result<(), Failure> {
        usable(&self.config)
    }
}

/// Refuses a gateway that could answer nothing.
pub fn usable(config: &Config) -> Result<(), Failure> {
    if config.accounts.iter().any(Account::is_active) {
        return Ok(());
    }
    let message = "there is no account to ask: every request would fail";
    let hint = "set GEMINI_API_KEY, OPENAI_API_KEY, ANTHROPIC_API_KEY or ZAI_API_KEY, or add an account to the config (`levity init` writes one); `levity run --demo` needs none";
    Err(Failure::wrong(message).with_hint(hint))
}
