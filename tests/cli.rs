//! `levity init` and `levity check`, run as an owner runs them.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

/// What one run of the binary said.
struct Said {
    code: i32,
    out: String,
    err: String,
}

/// Runs levity in a folder that is also its home, with these variables and no others.
fn levity(folder: &Path, variables: &[(&str, &str)], line: &str) -> Said {
    let output = Command::new(env!("CARGO_BIN_EXE_levity"))
        .args(line.split_whitespace())
        .current_dir(folder)
        .env_clear()
        .env("HOME", folder)
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    Said {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

/// The value of a row that `check` printed.
fn row<'a>(said: &'a Said, name: &str) -> &'a str {
    let line = said.out.lines().find_map(|line| line.strip_prefix(name));
    line.unwrap_or_else(|| panic!("no {name} in {}", said.out)).trim()
}

#[test]
fn init_then_check_works_with_a_key_in_the_environment() {
    let folder = folder();
    let said = levity(folder.path(), &[], "init");
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    assert!(said.out.starts_with("wrote levity.yaml"), "{}", said.out);
    let path = folder.path().join("levity.yaml");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let text = fs::read_to_string(&path).unwrap();
    let key = text.split_whitespace().find(|word| word.starts_with("sk-") && word.len() > 40);
    let key = key.expect("a fresh key");

    let said = levity(folder.path(), &[("OPENAI_API_KEY", "sk-openai-secret")], "check");
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    assert_eq!(row(&said, "config"), "levity.yaml");
    assert_eq!(row(&said, "bind"), "127.0.0.1:8045");
    assert_eq!(row(&said, "auth"), "off (by auto): no request needs the key");
    assert!(said.out.contains("openai-1 (openai), pooled"), "{}", said.out);
    assert!(said.out.contains("google-1 (gemini), left out: it has no key"), "{}", said.out);
    assert!(said.out.ends_with("ok\n"), "{}", said.out);
    assert!(!said.out.contains(key) && !said.out.contains("secret"), "{}", said.out);

    let said = levity(folder.path(), &[("LEVITY_ALLOW_LAN_ACCESS", "true")], "check");
    assert_eq!(row(&said, "bind"), "0.0.0.0:8045");
    assert_eq!(row(&said, "key"), "from proxy.api_key");
    assert!(row(&said, "auth").starts_with("all_except_health (by auto)"), "{}", said.out);
}

#[test]
fn two_inits_make_two_keys() {
    let folder = folder();
    for name in ["one.yaml", "two.yaml"] {
        let said = levity(folder.path(), &[], &format!("init {name}"));
        assert!(said.out.contains(&format!("levity run --config {name}")), "{}", said.out);
    }
    let text = |name| fs::read_to_string(folder.path().join(name)).unwrap();
    assert_ne!(text("one.yaml"), text("two.yaml"));
}

#[test]
fn init_never_overwrites() {
    let folder = folder();
    fs::write(folder.path().join("levity.yaml"), "mine").unwrap();
    let said = levity(folder.path(), &[], "init");
    assert_eq!(said.code, 1);
    assert!(said.err.starts_with("error: levity.yaml is already there"), "{}", said.err);
    assert!(said.err.contains("\nhint: "), "{}", said.err);
    assert_eq!(fs::read_to_string(folder.path().join("levity.yaml")).unwrap(), "mine");
    let said = levity(folder.path(), &[], "init no/such/folder.yaml");
    assert_eq!(said.code, 1);
    assert!(said.err.contains("its folder does not exist"), "{}", said.err);
}

#[test]
fn check_tells_every_mistake_and_exits_with_2() {
    let folder = folder();
    let text = "proxy:\n  port: 8045\n  prot: 1\naccounts:\n  - name: a\n    provider: openai\n    \
                api_key: ${NOPE}\n";
    fs::write(folder.path().join("levity.yaml"), text).unwrap();
    let said = levity(folder.path(), &[], "check");
    assert_eq!((said.code, said.out.as_str()), (2, ""));
    assert_eq!(
        said.err,
        "error: levity.yaml:3: unknown key \"proxy.prot\"; did you mean \"port\"?\n\
         error: levity.yaml:7: accounts[0].api_key: the variable NOPE is not set\n\
         hint: set NOPE; or write ${NOPE:-} to leave the account out where it is not set\n"
    );
}

#[test]
fn check_without_a_file_tells_of_the_environment() {
    let folder = folder();
    let collector = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318");
    let said = levity(folder.path(), &[("GEMINI_API_KEY", "g-secret"), collector], "check");
    assert_eq!(row(&said, "traces"), "to http://collector:4318/v1/traces");
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    assert!(row(&said, "config").starts_with("none"), "{}", said.out);
    assert!(said.out.contains("gemini (gemini), pooled"), "{}", said.out);
    let said = levity(folder.path(), &[], "check");
    assert_eq!(said.code, 0);
    assert!(row(&said, "warning").starts_with("no account is ready"), "{}", said.out);
}

#[test]
fn check_warns_of_an_open_lan_and_says_where_a_key_would_be_saved() {
    let folder = folder();
    let lan = ("LEVITY_ALLOW_LAN_ACCESS", "true");
    let said = levity(folder.path(), &[lan, ("LEVITY_AUTH_MODE", "off")], "check");
    assert!(row(&said, "warning").starts_with("open to the LAN without a key"), "{}", said.out);
    let said = levity(folder.path(), &[lan], "check");
    assert!(row(&said, "key").starts_with("none yet; the first start makes one"), "{}", said.out);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "check writes nothing");
}

#[test]
fn a_wrong_line_exits_with_2_and_a_hint() {
    let folder = folder();
    for (line, message) in [
        ("", "error: 'levity' requires a subcommand"),
        ("chekc", "error: unrecognized subcommand 'chekc'"),
        ("check --confg x", "error: unexpected argument '--confg' found"),
        ("check --config missing.yaml", "error: cannot read missing.yaml: no such file"),
    ] {
        let said = levity(folder.path(), &[], line);
        assert_eq!((said.code, said.out.as_str()), (2, ""), "{line}");
        assert!(said.err.starts_with(message), "{line}: {}", said.err);
        assert!(said.err.contains("\nhint: "), "{line}: {}", said.err);
    }
    for line in ["--help", "--version", "check --help"] {
        let said = levity(folder.path(), &[], line);
        assert_eq!((said.code, said.err.as_str()), (0, ""), "{line}");
    }
}
