//! Command line → command → exit code.

use std::io::{self, Write};
use std::process::ExitCode;

use levity::cli::{self, Command, Parsed};
use levity::config::environment::Environment;
use levity::error::Failure;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match levity(&mut io::stdout().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // With stderr gone there is nobody left to tell.
            let _ = failure.report(&mut io::stderr().lock());
            failure.exit_code()
        }
    }
}

fn levity(out: &mut impl Write) -> Result<(), Failure> {
    let environment = Environment::read();
    match cli::parse(std::env::args_os())? {
        Parsed::Text(text) => Ok(write!(out, "{text}")?),
        Parsed::Command(Command::Init(arguments)) => cli::init::run(&arguments, out),
        Parsed::Command(Command::Check(arguments)) => {
            cli::check::run(&arguments, &environment, out)
        }
        Parsed::Command(Command::Run(arguments)) => cli::run::run(&arguments, &environment, out),
        Parsed::Command(Command::Status(arguments)) => {
            cli::status::run(&arguments, &environment, out)
        }
        Parsed::Command(Command::Start(arguments)) => {
            cli::start::run(&arguments, &environment, out)
        }
        Parsed::Command(Command::Stop(arguments)) => cli::stop::run(&arguments, &environment, out),
        Parsed::Command(Command::Log(arguments)) => cli::log::run(&arguments, &environment, out),
        Parsed::Command(Command::Reload(arguments)) => {
            cli::reload::run(&arguments, &environment, out)
        }
        Parsed::Command(Command::Accounts(arguments)) => {
            cli::accounts::run(&arguments, &environment, out)
        }
    }
}
