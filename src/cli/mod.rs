//! The command line: what can be typed, and one file for each command.

pub mod check;
pub mod init;
pub mod run;

pub mod accounts;
pub mod client;
pub mod log;
pub mod reload;
pub mod start;
pub mod status;
pub mod stop;

mod logger;
mod plain;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::config::load::Options;
use crate::error::Failure;

/// A LAN gateway that lets any LLM client use any account of a pool.
#[derive(Debug, Parser)]
#[command(
    name = "levity",
    bin_name = "levity",
    version,
    disable_help_subcommand = true,
    arg_required_else_help = false
)]
struct Line {
    #[command(subcommand)]
    command: Command,
}

/// What levity is asked to do.
#[derive(Debug, PartialEq, Eq, Subcommand)]
pub enum Command {
    /// Run the gateway in the foreground
    Run(Run),
    /// Write a commented config with a fresh key; never overwrites
    Init(init::Arguments),
    /// Validate a config and say what it means
    Check(check::Arguments),
    /// Say what the running gateway is about
    Status(status::Arguments),
    /// Open the running gateway's proxy port
    Start(status::Arguments),
    /// Close the running gateway's proxy port; its console stays
    Stop(stop::Arguments),
    /// Show the request log; of one request, with its id, everything
    Log(Box<log::Arguments>),
    /// Have the running gateway read its config again
    Reload(status::Arguments),
    /// Show how each account of the running gateway fares
    Accounts(accounts::Arguments),
}

/// The arguments of `levity run`.
#[derive(Args, Debug, PartialEq, Eq)]
pub struct Run {
    /// The config file [default: levity.yaml, then ~/.config/levity/levity.yaml]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Add an embedded upstream, so that every example works with no key
    #[arg(long)]
    pub demo: bool,
    /// The proxy port, whatever the config says; 0 lets the system choose
    #[arg(long, value_name = "N")]
    pub port: Option<u16>,
    /// Take over from the gateway that runs with the same port: no stream is cut
    #[arg(long)]
    pub upgrade: bool,
    /// How the log is written
    #[arg(long, value_enum, default_value_t = LogFormat::Plain, value_name = "FORMAT")]
    pub log_format: LogFormat,
    /// How much is logged
    #[arg(long, value_enum, default_value_t = LogLevel::Info, value_name = "LEVEL")]
    pub log_level: LogLevel,
}

impl Run {
    /// What of it goes before environment and file.
    pub fn options(&self) -> Options {
        Options { config: self.config.clone(), port: self.port }
    }
}

/// `--log-format`
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Plain,
    /// For programs: one JSON object a line.
    Json,
}

/// `--log-level`
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogLevel {
    /// What failed.
    Error,
    /// What may need the owner.
    Warn,
    /// One line a request.
    Info,
    /// Each attempt.
    Debug,
    /// Everything.
    Trace,
}

/// What a command line turns out to be.
#[derive(Debug)]
pub enum Parsed {
    /// A command to carry out.
    Command(Command),
    /// Help or version: a text to print, and nothing else to do.
    Text(String),
}

/// Parses a command line, the program's name included.
pub fn parse(line: impl IntoIterator<Item = OsString>) -> Result<Parsed, Failure> {
    match Line::try_parse_from(line) {
        Ok(line) => Ok(Parsed::Command(line.command)),
        Err(error)
            if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) =>
        {
            Ok(Parsed::Text(error.render().to_string()))
        }
        Err(error) => Err(usage(&error.render().to_string())),
    }
}

/// clap's message in this program's form: the first paragraph is the error, a tip the hint.
fn usage(rendered: &str) -> Failure {
    let mut lines = rendered.lines().map(str::trim);
    let first: Vec<&str> = lines.by_ref().take_while(|line| !line.is_empty()).collect();
    let message = first.join(" ");
    let tip = lines.find_map(|line| line.strip_prefix("tip: "));
    let hint =
        tip.unwrap_or("`levity --help` lists the commands, `levity COMMAND --help` its flags");
    Failure::wrong(message.trim_start_matches("error: ")).with_hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_line(line: &str) -> Result<Parsed, Failure> {
        parse(line.split_whitespace().map(OsString::from))
    }

    #[test]
    fn reads_the_flags_of_run() {
        let Parsed::Command(Command::Run(run)) =
            parse_line("levity run --config a.yaml --demo --port 9 --log-format json").unwrap()
        else {
            panic!("not run")
        };
        assert_eq!(run.options().config, Some(PathBuf::from("a.yaml")));
        assert_eq!(run.options().port, Some(9));
        assert!(run.demo);
        assert_eq!((run.log_format, run.log_level), (LogFormat::Json, LogLevel::Info));
    }

    #[test]
    fn says_what_is_wrong_with_a_line() {
        for (line, message, hint) in [
            ("levity run --prot 1", "unexpected argument '--prot' found", "'--port'"),
            ("levity run --port x", "invalid value 'x' for '--port <N>'", "--help"),
            ("levity run --port 65536", "65536 is not in 0..=65535", "--help"),
            ("levity chekc", "unrecognized subcommand 'chekc'", "'check'"),
            ("levity", "requires a subcommand", "--help"),
            ("levity check a b", "unexpected argument 'a' found", "--help"),
            ("levity stop --deadline soon", "invalid value 'soon' for '--deadline", "--help"),
        ] {
            let Err(Failure::Wrong { message: said, hint: Some(advice) }) = parse_line(line) else {
                panic!("{line} is accepted");
            };
            assert!(said.contains(message), "{line}: {said}");
            assert!(advice.contains(hint), "{line}: {advice}");
            assert!(!said.contains('\n') && !said.starts_with("error"), "{line}: {said}");
        }
    }

    #[test]
    fn help_and_version_are_texts() {
        for (line, expected) in
            [("levity --help", "check"), ("levity run --help", "--demo"), ("levity -V", "levity ")]
        {
            let Ok(Parsed::Text(text)) = parse_line(line) else { panic!("{line}: no text") };
            assert!(text.contains(expected), "{text}");
        }
    }
}
