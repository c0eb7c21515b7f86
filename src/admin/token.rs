//! The token that the admin API asks for: made at the first start, kept in a file that the command line reads.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::TryRng as _;
use rand::rngs::SysRng;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::config::{Secret, private};

/// The file's name in the state folder.
pub const FILE: &str = "console.token";
/// Random bytes in it.
const BYTES: usize = 32;
/// Letters that write them in base64url.
const LETTERS: usize = 43;

/// The console's token, and where it is kept.
pub struct Token {
    secret: Secret,
    hash: [u8; 32],
    /// The file that holds it; `None` when it lasts as long as this process.
    pub path: Option<PathBuf>,
}

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read or written.
    #[error("cannot keep the console's token in {}: {}", path.display(), source.kind())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The system gave no random bytes.
    #[error("cannot make the console's token: {0}")]
    Random(String),
}

impl Token {
    /// The token of this state folder, made when there is none; without a folder, one for this process alone.
    ///
    /// One that is no token, or that others could have read, is made anew.
    pub fn obtain(state_folder: Option<&Path>) -> Result<Self, Error> {
        let Some(path) = state_folder.map(|folder| folder.join(FILE)) else {
            return Ok(Self::new(generate()?, None));
        };
        let failed = |source| Error::File { path: path.clone(), source };
        if let Some(secret) = read(&path).map_err(failed)? {
            return Ok(Self::new(secret, Some(path)));
        }
        let secret = generate()?;
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            Ok(()) | Err(_) => {}
        }
        match private::create(&path, secret.expose()) {
            Ok(()) => Ok(Self::new(secret, Some(path))),
            // Another gateway was as quick: then that one counts.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let secret = read(&path).map_err(failed)?.ok_or_else(|| failed(error))?;
                Ok(Self::new(secret, Some(path)))
            }
            Err(error) => Err(failed(error)),
        }
    }

    /// A token for this process alone.
    pub fn passing() -> Result<Self, Error> {
        Ok(Self::new(generate()?, None))
    }

    fn new(secret: Secret, path: Option<PathBuf>) -> Self {
        let hash = Sha256::digest(secret.expose().as_bytes()).into();
        Self { secret, hash, path }
    }

    /// Whether this is the token. Takes the same time however near it is.
    pub fn is(&self, token: &[u8]) -> bool {
        let hash: [u8; 32] = Sha256::digest(token).into();
        self.hash.ct_eq(&hash).into()
    }

    /// The token itself, for the owner's own eyes.
    pub const fn secret(&self) -> &Secret {
        &self.secret
    }
}

/// The token in a file, if it is one and nobody else could have read it.
pub fn read(path: &Path) -> io::Result<Option<Secret>> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error)
            if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::InvalidData) =>
        {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let others = fs::metadata(path)?.permissions().mode() & 0o077;
    let token = text.trim();
    let whole = token.len() == LETTERS && URL_SAFE_NO_PAD.decode(token).is_ok();
    Ok((others == 0 && whole).then(|| Secret::new(token)))
}

fn generate() -> Result<Secret, Error> {
    let mut bytes = [0_u8; BYTES];
    SysRng.try_fill_bytes(&mut bytes).map_err(|error| Error::Random(error.to_string()))?;
    Ok(Secret::new(URL_SAFE_NO_PAD.encode(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_made_once_and_kept_private() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("levity");
        let first = Token::obtain(Some(&state)).unwrap();
        let path = first.path.clone().unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let second = Token::obtain(Some(&state)).unwrap();
        assert!(second.is(first.secret().expose().as_bytes()));
        assert!(!second.is(b"") && !second.is(&first.secret().expose().as_bytes()[1..]));
    }

    #[test]
    fn one_that_is_damaged_or_was_open_to_others_is_made_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        for (text, mode) in [("", 0o600), ("short", 0o600), (&*"x".repeat(LETTERS), 0o644)] {
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let token = Token::obtain(Some(folder.path())).unwrap();
            assert!(!token.is(text.as_bytes()), "{text}");
            assert_eq!(read(&path).unwrap(), Some(token.secret().clone()));
        }
    }

    #[test]
    fn without_a_folder_it_lasts_as_long_as_the_process() {
        let (first, second) = (Token::obtain(None).unwrap(), Token::obtain(None).unwrap());
        assert!(first.path.is_none() && !first.is(second.secret().expose().as_bytes()));
    }
}
