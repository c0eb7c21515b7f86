//! `levity init`: writes a commented config with a fresh key.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::Args;
use rand::rngs::SysRng;

use crate::config::key;
use crate::config::load::FILE_NAME;
use crate::error::Failure;

/// Every key with its default.
const TEMPLATE: &str = include_str!("../../conf/levity.yaml");
/// What the fresh key takes the place of.
const KEY: &str = "${LEVITY_API_KEY:-}";

/// The arguments of `levity init`.
#[derive(Args, Debug, PartialEq, Eq)]
pub struct Arguments {
    /// The file to write
    #[arg(value_name = "FILE", default_value = FILE_NAME)]
    pub file: PathBuf,
}

/// Writes the file and says what to do next.
pub fn run(arguments: &Arguments, out: &mut impl Write) -> Result<(), Failure> {
    let path = &arguments.file;
    let key = key::generate(&mut SysRng)?;
    let text = TEMPLATE.replacen(KEY, key.expose(), 1);
    write_new(path, &text).map_err(|error| failure(path, &error))?;
    let usual = path == Path::new(FILE_NAME);
    let flag = if usual { String::new() } else { format!(" --config {}", path.display()) };
    writeln!(out, "wrote {}, with a fresh client key in proxy.api_key", path.display())?;
    writeln!(out, "next:")?;
    writeln!(out, "  1. give it an account: put a provider's key into the file,")?;
    writeln!(out, "     or into the environment, such as: export GEMINI_API_KEY=…")?;
    writeln!(out, "  2. levity check{flag}")?;
    writeln!(out, "  3. levity run{flag}")?;
    Ok(())
}

/// Writes a file that was not there before and that only its owner can read.
fn write_new(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}

fn failure(path: &Path, error: &io::Error) -> Failure {
    let kind = error.kind();
    let shown = path.display();
    if kind == io::ErrorKind::AlreadyExists {
        Failure::failed(format!("{shown} is already there, and init never overwrites"))
            .with_hint("name another file: levity init FILE")
    } else if kind == io::ErrorKind::NotFound {
        Failure::failed(format!("cannot write {shown}: its folder does not exist"))
            .with_hint("make the folder first")
    } else {
        Failure::failed(format!("cannot write {shown}: {kind}"))
    }
}
