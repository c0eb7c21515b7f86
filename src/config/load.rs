//! Finds the file, lays environment and flags over it, and reads the result.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::environment::{Environment, SETTINGS};
use super::file;
use super::problem::{Place, Problem};
use super::provider::VARIABLES;
use super::reader::Reader;
use super::yaml::{self, Entry, Node, Value};
use super::{Config, Console};

/// The file's name wherever it is looked for.
pub const FILE_NAME: &str = "levity.yaml";

/// What the command line says: it wins over the environment, which wins over the file.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// `--config`
    pub config: Option<PathBuf>,
    /// `--port`
    pub port: Option<u16>,
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read.
    #[error("cannot read {}: {}", path.display(), plain(*.reason))]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        reason: io::ErrorKind,
    },
    /// Something in it is wrong: every problem, in file order.
    #[error("{}", lines(.0))]
    Invalid(Vec<Problem>),
}

/// A config file as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Where it is.
    pub path: PathBuf,
    /// What is in it.
    pub text: String,
}

impl File {
    /// Reads the file that flags and environment name, else the first of the usual ones that exists; `None` without one.
    pub fn read(options: &Options, environment: &Environment) -> Result<Option<Self>, Error> {
        let Some(path) = find(options, environment, Path::exists) else { return Ok(None) };
        match fs::read_to_string(&path) {
            Ok(text) => Ok(Some(Self { path, text })),
            Err(error) => Err(Error::Read { path, reason: error.kind() }),
        }
    }
}

impl Config {
    /// Loads the configuration that flags, environment and file ask for.
    ///
    /// Without a file, each provider key in the environment makes one account.
    pub fn load(options: &Options, environment: &Environment) -> Result<Self, Error> {
        Self::of(File::read(options, environment)?.as_ref(), options, environment)
    }

    /// The configuration that flags, environment and this file ask for.
    pub fn of(
        file: Option<&File>,
        options: &Options,
        environment: &Environment,
    ) -> Result<Self, Error> {
        match file {
            Some(File { path, text }) => Self::parse(text, path, options, environment),
            None => build(from_environment(environment), None, options, environment),
        }
    }

    /// Reads a file's text; `path` is for messages.
    pub fn parse(
        text: &str,
        path: &Path,
        options: &Options,
        environment: &Environment,
    ) -> Result<Self, Error> {
        let tree = yaml::parse(text, path).map_err(|problem| Error::Invalid(vec![problem]))?;
        build(tree, Some(path), options, environment)
    }
}

/// `console:` of the configuration, as well as it can be told: all else in the file may be wrong.
pub fn console(options: &Options, environment: &Environment) -> Result<Console, Error> {
    let file = File::read(options, environment)?;
    let tree = file.and_then(|file| yaml::parse(&file.text, &file.path).ok());
    Ok(read(tree.unwrap_or_else(Node::empty_map), None, options, environment).0.console)
}

/// Lays environment and flags over the tree and reads it.
fn build(
    tree: Node,
    path: Option<&Path>,
    options: &Options,
    environment: &Environment,
) -> Result<Config, Error> {
    let (config, problems) = read(tree, path, options, environment);
    if problems.is_empty() {
        Ok(Config { path: path.map(Path::to_owned), ..config })
    } else {
        Err(Error::Invalid(problems))
    }
}

/// The configuration, with defaults in the place of what is wrong, and what is wrong.
fn read(
    mut tree: Node,
    path: Option<&Path>,
    options: &Options,
    environment: &Environment,
) -> (Config, Vec<Problem>) {
    for (variable, key) in SETTINGS {
        if let Some(value) = environment.get(variable) {
            tree.set(key, Node::given(Place::Variable(variable), value));
        }
    }
    if let Some(port) = options.port {
        tree.set(&["proxy", "port"], Node::given(Place::Flag("--port"), &port.to_string()));
    }
    let mut reader = Reader::new(environment, path);
    let config = file::read(tree, &mut reader);
    let problems = reader.problems();
    (config, problems)
}

/// The file to read: the one that is named, else the first of the usual ones that exists.
fn find(
    options: &Options,
    environment: &Environment,
    exists: impl Fn(&Path) -> bool,
) -> Option<PathBuf> {
    let named = || environment.get("LEVITY_CONFIG").map(PathBuf::from);
    if let Some(path) = options.config.clone().or_else(named) {
        return Some(path);
    }
    let user = user_file(environment);
    std::iter::once(PathBuf::from(FILE_NAME)).chain(user).find(|path| exists(path))
}

/// The user's own file, `~/.config/levity/levity.yaml`; `None` where there is no home.
pub fn user_file(environment: &Environment) -> Option<PathBuf> {
    let home = || environment.get("HOME").map(|home| Path::new(home).join(".config"));
    let user = environment.get("XDG_CONFIG_HOME").map(PathBuf::from).or_else(home);
    user.map(|folder| folder.join("levity").join(FILE_NAME))
}

/// What wins over the file, as the key's path with dots and the variable or flag that says it.
pub fn overridden(
    options: &Options,
    environment: &Environment,
) -> impl Iterator<Item = (String, &'static str)> {
    let set = SETTINGS.iter().filter(|(variable, _)| environment.get(variable).is_some());
    let variables: Vec<_> = set.map(|(variable, key)| (key.join("."), *variable)).collect();
    let flag = options.port.map(|_| ("proxy.port".to_owned(), "--port"));
    // The flag is the last to speak.
    variables.into_iter().chain(flag)
}

/// The accounts that the environment makes where there is no file: each provider, and the variable of its key.
pub fn accounts_of(
    environment: &Environment,
) -> impl Iterator<Item = (&'static str, &'static str)> {
    VARIABLES.iter().filter_map(|(provider, variables)| {
        let set = variables.iter().find(|name| environment.get(name).is_some());
        set.map(|variable| (*provider, *variable))
    })
}

/// A tree with one account for each provider key in the environment, named like its provider.
fn from_environment(environment: &Environment) -> Node {
    let account = |(provider, variables): &(&str, &'static [&'static str])| {
        let set = |name: &&'static str| environment.get(name).map(|key| (*name, key));
        let (variable, key) = variables.iter().find_map(set)?;
        let place = Place::Variable(variable);
        let entry = |key: &str, text| Entry { key: key.to_owned(), node: Node::given(place, text) };
        let entries =
            vec![entry("name", provider), entry("provider", provider), entry("api_key", key)];
        Some(Node { place, value: Value::Map(entries) })
    };
    let accounts = VARIABLES.iter().filter_map(account).collect();
    let mut tree = Node::empty_map();
    tree.set(&["accounts"], Node { place: Place::Line(1), value: Value::List(accounts) });
    tree
}

/// What the system says, in words for a file.
pub(super) fn plain(reason: io::ErrorKind) -> String {
    if reason == io::ErrorKind::NotFound {
        "no such file".to_owned()
    } else if reason == io::ErrorKind::InvalidData {
        "not UTF-8 text".to_owned()
    } else {
        reason.to_string()
    }
}

fn lines(problems: &[Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(variables: &[(&str, &str)]) -> Environment {
        variables.iter().copied().collect()
    }

    #[test]
    fn the_file_is_looked_for_in_order() {
        let named = Options { config: Some("flag.yaml".into()), port: None };
        let (home, xdg) = (("HOME", "/home/me"), ("XDG_CONFIG_HOME", "/xdg"));
        let here = FILE_NAME;
        let (in_home, in_xdg) = ("/home/me/.config/levity/levity.yaml", "/xdg/levity/levity.yaml");
        let all = [here, in_home, in_xdg];
        let variable = ("LEVITY_CONFIG", "variable.yaml");
        for (options, variables, there, expected) in [
            (&named, &[variable][..], &all[..], Some("flag.yaml")),
            (&Options::default(), &[variable], &all, Some("variable.yaml")),
            (&Options::default(), &[home, xdg], &all, Some(here)),
            (&Options::default(), &[home, xdg], &[in_home, in_xdg], Some(in_xdg)),
            (&Options::default(), &[home], &[in_home, in_xdg], Some(in_home)),
            (&Options::default(), &[home, xdg], &[in_home], None),
            (&Options::default(), &[], &[], None),
        ] {
            let exists = |path: &Path| there.iter().any(|name| Path::new(name) == path);
            let found = find(options, &environment(variables), exists);
            assert_eq!(found.as_deref(), expected.map(Path::new), "{variables:?} {there:?}");
        }
    }

    #[test]
    fn flags_win_over_variables_and_variables_over_the_file() {
        let text = "proxy:\n  port: 1000\n  strict: true\n";
        for (flag, variables, expected) in [
            (None, &[][..], 1000),
            (None, &[("LEVITY_PORT", "2000")], 2000),
            (None, &[("LEVITY_PORT", "")], 1000),
            (Some(3000), &[("LEVITY_PORT", "2000")], 3000),
        ] {
            let options = Options { config: None, port: flag };
            let environment = environment(variables);
            let config = Config::parse(text, Path::new("f"), &options, &environment).unwrap();
            assert_eq!((config.proxy.port, config.proxy.strict), (expected, true));
        }
    }

    #[test]
    fn every_variable_reaches_its_key() {
        let config = Config::parse(
            "",
            Path::new("f"),
            &Options::default(),
            &environment(&[
                ("LEVITY_PORT", "1"),
                ("LEVITY_ALLOW_LAN_ACCESS", "1"),
                ("LEVITY_AUTH_MODE", "off"),
                ("LEVITY_API_KEY", "sk-0123456789"),
                ("LEVITY_MAX_BODY", "1MiB"),
                ("LEVITY_THREADS", "3"),
                ("LEVITY_EXPOSE_ROUTING", "true"),
                ("LEVITY_STRICT", "yes"),
                ("LEVITY_MONITOR_ENABLED", "false"),
                ("LEVITY_CONSOLE_ENABLED", "off"),
                ("LEVITY_CONSOLE_PORT", "2"),
            ]),
        )
        .unwrap();
        let proxy = &config.proxy;
        assert_eq!(proxy.bind().to_string(), "0.0.0.0:1");
        assert_eq!(proxy.auth_mode.name(), "off");
        assert!(proxy.api_key.is_some() && proxy.expose_routing && proxy.strict);
        assert_eq!((proxy.max_body, proxy.threads), (1 << 20, 3));
        assert!(!config.monitor.enabled && !config.console.enabled);
        assert_eq!(config.console.port, 2);
        assert_eq!(SETTINGS.len(), 11, "a new variable needs a line here");
    }

    #[test]
    fn a_wrong_variable_is_named() {
        let environment = environment(&[("LEVITY_PORT", "x"), ("LEVITY_API_KEY", "short")]);
        let error = Config::parse("", Path::new("f"), &Options::default(), &environment);
        assert_eq!(
            error.unwrap_err().to_string(),
            "LEVITY_API_KEY: proxy.api_key: must begin with sk-\n\
             LEVITY_PORT: proxy.port: expected a whole number from 0 to 65535"
        );
    }

    #[test]
    fn without_a_file_each_provider_key_makes_an_account() {
        let environment = environment(&[
            ("GOOGLE_API_KEY", "g"),
            ("OPENAI_API_KEY", "o"),
            ("ANTHROPIC_API_KEY", ""),
            ("ZAI_API_KEY", "z"),
        ]);
        let options = Options::default();
        let config = build(from_environment(&environment), None, &options, &environment).unwrap();
        let accounts = config.accounts.iter().map(|a| (a.name.as_str(), a.api_key.expose()));
        assert_eq!(accounts.collect::<Vec<_>>(), [("gemini", "g"), ("openai", "o"), ("zai", "z")]);
    }

    #[test]
    fn a_file_that_cannot_be_read_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("missing.yaml");
        for (path, reason) in
            [(missing.as_path(), "no such file"), (folder.path(), "is a directory")]
        {
            let options = Options { config: Some(path.to_owned()), port: None };
            let error = Config::load(&options, &Environment::default()).unwrap_err().to_string();
            assert_eq!(error, format!("cannot read {}: {reason}", path.display()));
        }
    }
}
