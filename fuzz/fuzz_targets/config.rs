//! Any text is a configuration or a list of problems.
#![no_main]

use std::path::Path;

use levity::config::Config;
use levity::config::environment::Environment;
use levity::config::load::Options;

libfuzzer_sys::fuzz_target!(|text: &str| {
    let environment = Environment::from_iter([("KEY", "sk-test"), ("BLANK", "")]);
    let loaded = Config::parse(text, Path::new("levity.yaml"), &Options::default(), &environment);
    if let Err(error) = loaded {
        assert!(!error.to_string().is_empty());
    }
});
