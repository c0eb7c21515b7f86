//! The key that clients send: the configured one, the saved one, or a new one.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::TryRng;
use rand::rngs::SysRng;

use super::environment::Environment;
use super::forms::client_key;
use super::{AuthMode, Proxy, Secret, private};

/// Where the client key comes from.
#[derive(Debug, PartialEq, Eq)]
pub enum Source {
    /// Auth is off: no request needs one.
    NotNeeded,
    /// `proxy.api_key` or `LEVITY_API_KEY`.
    Configured(Secret),
    /// An earlier start saved it in this file.
    Saved(PathBuf, Secret),
    /// There is none yet: the next start makes one and saves it in this file.
    Missing(PathBuf),
}

/// A client key, and whether it is new.
#[derive(Debug, PartialEq, Eq)]
pub enum ClientKey {
    /// It was there before; the owner knows it.
    Known(Secret),
    /// Made just now and saved in this file: to be shown this once.
    Generated(PathBuf, Secret),
}

impl ClientKey {
    /// The key itself.
    pub const fn secret(&self) -> &Secret {
        match self {
            Self::Known(key) | Self::Generated(_, key) => key,
        }
    }
}

/// Why there is no client key.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Neither a key nor a place for one.
    #[error("no place to save a client key: neither XDG_STATE_HOME nor HOME is set")]
    NoPlace,
    /// The saved key is not one.
    #[error("the saved client key in {} {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The file cannot be read or written.
    #[error("cannot {doing} the client key in {}: {}", path.display(), source.kind())]
    File {
        /// `read` or `save`.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The system gave no random bytes.
    #[error("cannot make a client key: {0}")]
    Random(String),
}

/// Says where the client key would come from; writes nothing.
pub fn find(proxy: &Proxy, environment: &Environment) -> Result<Source, Error> {
    if proxy.effective_auth() == AuthMode::Off {
        return Ok(Source::NotNeeded);
    }
    if let Some(key) = &proxy.api_key {
        return Ok(Source::Configured(key.clone()));
    }
    let path = state_file(environment).ok_or(Error::NoPlace)?;
    Ok(match read(&path)? {
        Some(key) => Source::Saved(path, key),
        None => Source::Missing(path),
    })
}

/// The client key, made and saved when there is none; nothing when auth is off.
pub fn obtain(proxy: &Proxy, environment: &Environment) -> Result<Option<ClientKey>, Error> {
    match find(proxy, environment)? {
        Source::NotNeeded => Ok(None),
        Source::Configured(key) | Source::Saved(_, key) => Ok(Some(ClientKey::Known(key))),
        Source::Missing(path) => save(&path, generate(&mut SysRng)?).map(Some),
    }
}

/// Makes a key: `sk-` and 256 random bits.
pub fn generate(random: &mut impl TryRng) -> Result<Secret, Error> {
    let mut bytes = [0_u8; 32];
    random.try_fill_bytes(&mut bytes).map_err(|error| Error::Random(error.to_string()))?;
    Ok(Secret::new(format!("sk-{}", URL_SAFE_NO_PAD.encode(bytes))))
}

/// Says what is wrong with a key that clients are to send.
pub fn check(key: &Secret) -> Result<(), &'static str> {
    client_key(key)?;
    if key.expose().bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(())
    } else {
        Err("has a character that cannot stand in an HTTP header")
    }
}

/// The key that an earlier start saved, whether it is needed now or not.
pub fn saved(environment: &Environment) -> Result<Option<Secret>, Error> {
    state_file(environment).map_or(Ok(None), |path| read(&path))
}

/// Saves a key in the place of the one that is saved. It has been checked.
pub fn replace(key: &Secret, environment: &Environment) -> Result<(), Error> {
    let path = state_file(environment).ok_or(Error::NoPlace)?;
    let written = private::replace(&path, key.expose());
    written.map_err(|source| Error::File { doing: "save", path, source })
}

/// `api_key` among the gateway's own files.
fn state_file(environment: &Environment) -> Option<PathBuf> {
    Some(environment.state_folder()?.join("api_key"))
}

fn read(path: &Path) -> Result<Option<Secret>, Error> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(Error::File { doing: "read", path: path.to_owned(), source }),
    };
    let key = Secret::new(text.trim());
    match client_key(&key) {
        Ok(()) => Ok(Some(key)),
        Err(reason) => Err(Error::Damaged { path: path.to_owned(), reason }),
    }
}

/// Saves the key unless another gateway has saved one in the meantime: then that one counts.
fn save(path: &Path, key: Secret) -> Result<ClientKey, Error> {
    let failed = |source| Error::File { doing: "save", path: path.to_owned(), source };
    match private::create(path, key.expose()) {
        Ok(()) => Ok(ClientKey::Generated(path.to_owned(), key)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => match read(path)? {
            Some(saved) => Ok(ClientKey::Known(saved)),
            None => Err(failed(error)),
        },
        Err(error) => Err(failed(error)),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::config::Config;
    use crate::config::load::Options;

    /// A state folder and the settings of a gateway that uses it.
    fn gateway(proxy: &str) -> (tempfile::TempDir, Environment, Proxy) {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state").display().to_string();
        let environment = Environment::from_iter([("XDG_STATE_HOME", state)]);
        let text = format!("proxy: {{ {proxy} }}");
        let config = Config::parse(&text, Path::new("f"), &Options::default(), &environment);
        (folder, environment, config.unwrap().proxy)
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn generated_keys_are_long_and_differ() {
        let keys: Vec<Secret> = (0..2).map(|_| generate(&mut SysRng).unwrap()).collect();
        assert_eq!(keys[0].expose().len(), "sk-".len() + 43);
        assert!(client_key(&keys[0]).is_ok());
        assert_ne!(keys[0], keys[1]);
    }

    #[test]
    fn a_missing_key_is_made_saved_and_read_back() {
        let (_folder, environment, proxy) = gateway("auth_mode: strict");
        let Source::Missing(path) = find(&proxy, &environment).unwrap() else {
            panic!("there is a key")
        };
        assert!(!path.exists(), "find writes nothing");
        let Some(ClientKey::Generated(saved_in, key)) = obtain(&proxy, &environment).unwrap()
        else {
            panic!("no key was made")
        };
        assert_eq!(saved_in, path);
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "a draft is left");
        assert_eq!(obtain(&proxy, &environment).unwrap(), Some(ClientKey::Known(key.clone())));
        assert_eq!(find(&proxy, &environment).unwrap(), Source::Saved(path, key));
    }

    #[test]
    fn a_configured_key_or_none_touches_no_file() {
        for (written, expected) in [
            ("auth_mode: off", None),
            ("auth_mode: auto", None),
            ("auth_mode: strict, api_key: sk-0123456789", Some("sk-0123456789")),
            ("allow_lan_access: true, api_key: sk-0123456789", Some("sk-0123456789")),
        ] {
            let (folder, environment, proxy) = gateway(written);
            let key = obtain(&proxy, &environment).unwrap();
            assert_eq!(key, expected.map(|key| ClientKey::Known(Secret::new(key))), "{written}");
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "{written}");
        }
    }

    #[test]
    fn the_first_of_two_gateways_counts() {
        let (_folder, environment, _) = gateway("auth_mode: strict");
        let path = state_file(&environment).unwrap();
        let first = save(&path, Secret::new("sk-the-first-one")).unwrap();
        assert_eq!(first, ClientKey::Generated(path.clone(), Secret::new("sk-the-first-one")));
        let second = save(&path, Secret::new("sk-the-second-one")).unwrap();
        assert_eq!(second, ClientKey::Known(Secret::new("sk-the-first-one")));
    }

    #[test]
    fn a_damaged_key_is_refused_and_not_shown() {
        let (_folder, environment, proxy) = gateway("auth_mode: strict");
        let path = state_file(&environment).unwrap();
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        for text in ["", "sk-1\n", "something else\n"] {
            fs::write(&path, text).unwrap();
            let error = obtain(&proxy, &environment).unwrap_err();
            assert!(matches!(error, Error::Damaged { .. }), "{text}: {error}");
            assert!(text.is_empty() || !error.to_string().contains(text.trim()), "{error}");
        }
    }

    #[test]
    fn the_state_file_follows_the_environment() {
        for (variables, expected) in [
            (&[("HOME", "/home/me")][..], Some("/home/me/.local/state/levity/api_key")),
            (&[("HOME", "/home/me"), ("XDG_STATE_HOME", "/s")], Some("/s/levity/api_key")),
            (&[("HOME", "/h"), ("XDG_STATE_HOME", "s")], Some("/h/.local/state/levity/api_key")),
            (&[], None),
        ] {
            let environment: Environment = variables.iter().copied().collect();
            assert_eq!(state_file(&environment).as_deref(), expected.map(Path::new));
        }
    }
}
