//! What the compiler does not check of how the code is laid out: who may know whom, and what stands where.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::path::{Path, PathBuf};

use levity::config::Config;
use levity::config::environment::Environment;
use levity::config::load::Options;

/// What each module may name of ours. One that is not here may name anything.
const MAY_NAME: &[(&str, &[&str])] = &[
    ("ir", &[]),
    ("sse", &[]),
    ("json", &[]),
    ("clock", &[]),
    ("pattern", &[]),
    ("dialects", &["ir", "json", "sse"]),
    ("translate", &["dialects", "ir", "sse"]),
    ("config", &["dialects"]),
    ("auth", &["config"]),
    ("route", &["dialects"]),
    ("embeddings", &["dialects", "ir", "json", "route"]),
    ("pool", &["clock", "config", "dialects", "embeddings", "pattern"]),
    ("queue", &[]),
    ("sqlite", &["config"]),
    ("store", &["config", "dialects", "ir", "json", "queue", "sqlite"]),
    ("metrics", &["config", "dialects", "ir"]),
    ("address", &[]),
    ("monitor", &["clock", "config", "queue", "sqlite"]),
    ("demo", &["dialects"]),
];

/// Words that stand in these files or folders alone.
const ONLY_IN: &[(&str, &[&str])] = &[
    ("pingora", &["src/proxy/", "src/server/", "src/cli/", "src/admin/"]),
    ("env::var", &["src/config/"]),
    ("dialects::render_error", &["src/proxy/refuse.rs"]),
    ("SystemTime::now", &["src/clock.rs", "src/demo/"]),
    ("unsafe", &["src/proxy/cork.rs"]),
];

const DIALECTS: [&str; 4] = ["openai_chat", "openai_responses", "anthropic", "gemini"];

/// Every Rust file below a folder of the package, with its path from the package's root and its text.
fn files(folder: &str) -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders: Vec<PathBuf> = vec![root.join(folder)];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                files.push((name, fs::read_to_string(path).unwrap()));
            }
        }
    }
    files
}

/// The lines of a file that are code.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.trim_start().starts_with("//"))
}

/// Whether a line has a name that begins with this word.
fn names(line: &str, word: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| !line[..at].ends_with(part))
}

#[test]
fn modules_name_only_what_they_may() {
    for (file, text) in files("src") {
        let module = file.trim_start_matches("src/").split(['/', '.']).next().unwrap();
        let Some((_, allowed)) = MAY_NAME.iter().find(|(name, _)| *name == module) else {
            continue;
        };
        for named in code(&text).flat_map(|line| line.split("crate::").skip(1)) {
            let named = named.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap();
            assert!(named == module || allowed.contains(&named), "{file} names {named}");
        }
    }
}

#[test]
fn some_words_stand_in_one_place() {
    for (file, text) in files("src") {
        for (word, places) in ONLY_IN {
            let here = places.iter().any(|place| file.starts_with(place));
            assert!(here || !code(&text).any(|line| names(line, word)), "{file} names {word}");
        }
    }
}

#[test]
fn no_one_knows_a_dialect_from_inside() {
    for (file, text) in files("src") {
        for dialect in DIALECTS {
            let home = format!("src/dialects/{dialect}/");
            // The two that lead to a dialect's functions.
            let hub = matches!(file.as_str(), "src/dialects/mod.rs" | "src/dialects/count.rs");
            if hub || file.starts_with(&home) {
                continue;
            }
            let inside = file.starts_with("src/dialects/");
            let word =
                if inside { format!("{dialect}::") } else { format!("dialects::{dialect}::") };
            assert!(!code(&text).any(|line| names(line, &word)), "{file} names {word}");
        }
    }
}

#[test]
fn every_dialect_has_the_same_six_files() {
    for dialect in DIALECTS {
        for file in ["mod", "wire", "request", "response", "stream", "error"] {
            let path = format!("src/dialects/{dialect}/{file}.rs");
            assert!(
                Path::new(env!("CARGO_MANIFEST_DIR")).join(&path).exists(),
                "{path} is missing"
            );
        }
    }
}

#[test]
fn every_file_says_first_what_it_is() {
    for (file, text) in files("src").into_iter().chain(files("tests")) {
        assert!(text.starts_with("//!") || text.starts_with("#!["), "{file} does not say");
    }
}

/// The keys that the section at `path` takes: what the reader offers instead of one that it does not know.
fn keys(path: &[&str]) -> Vec<String> {
    let open = path.iter().fold(String::new(), |text, key| match *key {
        "accounts" => text + "{ accounts: [{ name: a, provider: openai, api_key: k, ",
        key => text + "{ " + key + ": ",
    });
    let (inner, close) = match path.last() {
        Some(&"accounts") => ("qqqqqqqq: 1", "}] }".to_owned()),
        _ => ("{ qqqqqqqq: 1 }", "}".repeat(path.len())),
    };
    let text = open + inner + &close;
    let options = Options::default();
    let none = Environment::from_iter::<[(&str, &str); 0]>([]);
    let Err(error) = Config::parse(&text, Path::new("x"), &options, &none) else {
        return Vec::new();
    };
    let error = error.to_string();
    let offers = error.lines().filter(|line| line.contains("qqqqqqqq\"; expected "));
    let offered = offers.filter_map(|line| line.split_once("; expected ")).map(|(_, keys)| keys);
    offered
        .flat_map(|keys| keys.split([',', ' ']))
        .filter(|key| !["", "or"].contains(key))
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_key_stands_in_the_config_file() {
    let written = include_str!("../conf/levity.yaml");
    let mut found = 0;
    let mut paths = vec![Vec::new()];
    while let Some(path) = paths.pop() {
        for key in keys(&path.iter().map(String::as_str).collect::<Vec<_>>()) {
            assert!(
                written.contains(&format!(" {key}:")) || written.contains(&format!("\n{key}:")),
                "{path:?} {key}"
            );
            found += 1;
            paths.push(path.iter().cloned().chain([key]).collect());
        }
    }

    assert!(found > 30, "only {found} keys");
}

#[test]
fn the_changelog_has_a_place_for_what_comes() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("CHANGELOG.md");
    if let Ok(text) = fs::read_to_string(path) {
        assert!(text.lines().any(|line| line.starts_with("## ") && line.contains("Unreleased")));
    }
}
