//! A config file that changes is loaded again, however it is changed, and as by a signal.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use levity::dialects::Dialect;
use nix::sys::signal::Signal;

use crate::harness::{self, Console};
use crate::support::eventually;
use crate::support::gateway::{Account, Config, Gateway, Home};

fn config() -> Config {
    Config::new().account(Account::new("only", Dialect::OpenAiChat, "http://127.0.0.1:1"))
}

async fn gateway() -> (Gateway, Console, String) {
    let (gateway, console) = harness::start(config()).await;
    let text = fs::read_to_string(gateway.home.config()).unwrap();
    (gateway, console, text)
}

/// The same config with so many accounts more.
fn with_more(text: &str, more: usize) -> String {
    let mut config: serde_json::Value = serde_json::from_str(text).unwrap();
    for index in 0..more {
        let mut account = config["accounts"][0].clone();
        account["name"] = format!("more-{index}").into();
        config["accounts"].as_array_mut().unwrap().push(account);
    }
    config.to_string()
}

/// Waits until the console counts so many accounts.
async fn counts(console: &Console, total: usize) {
    console.status("the reload", |status| status["accounts"]["total"] == total).await;
}

#[tokio::test]
async fn a_file_that_is_written_in_place_is_loaded() {
    let (gateway, console, text) = gateway().await;
    for more in 1..4 {
        fs::write(gateway.home.config(), with_more(&text, more)).unwrap();
        counts(&console, more + 1).await;
    }
}

#[tokio::test]
async fn a_file_that_is_exchanged_for_another_is_loaded() {
    let (gateway, console, text) = gateway().await;
    for more in 1..4 {
        let draft = gateway.home.path().join(".levity.yaml.swp");
        fs::write(&draft, with_more(&text, more)).unwrap();
        fs::rename(&draft, gateway.home.config()).unwrap();
        counts(&console, more + 1).await;
    }
    // As some editors do: the old one out of the way first.
    fs::rename(gateway.home.config(), gateway.home.path().join("levity.yaml~")).unwrap();
    fs::write(gateway.home.config(), &text).unwrap();
    counts(&console, 1).await;
}

#[tokio::test]
async fn a_folder_in_which_others_write_all_the_time_is_no_trouble() {
    let (gateway, console, text) = gateway().await;
    let noise = gateway.home.path().join("noise.log");
    let writing = tokio::spawn(async move {
        loop {
            fs::write(&noise, "x").unwrap();
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    for more in 1..4 {
        fs::write(gateway.home.config(), with_more(&text, more)).unwrap();
        counts(&console, more + 1).await;
    }
    writing.abort();
}

#[tokio::test]
async fn a_file_that_is_written_all_the_time_is_loaded_now_and_then() {
    let (gateway, console, text) = gateway().await;
    let (file, text) = (gateway.home.config(), with_more(&text, 1));
    let draft = gateway.home.path().join("draft");
    let writing = tokio::spawn(async move {
        loop {
            fs::write(&draft, &text).unwrap();
            fs::rename(&draft, &file).unwrap();
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    counts(&console, 2).await;
    writing.abort();
}

/// A gateway whose config is a link to `target`.
async fn linked(target: &Path) -> (Gateway, Console) {
    let home = Home::with(&harness::with_console(config()));
    fs::rename(home.config(), target).unwrap();
    symlink(target, home.config()).unwrap();
    let command = home.run();
    let gateway = Gateway::launch(home, command, Vec::new()).await;
    let console = Console::of(&gateway).await;
    (gateway, console)
}

#[tokio::test]
async fn a_link_is_followed_and_may_be_turned() {
    let elsewhere = tempfile::tempdir().unwrap();
    let (first, second) =
        (elsewhere.path().join("first.yaml"), elsewhere.path().join("second.yaml"));
    let (gateway, console) = linked(&first).await;
    let text = fs::read_to_string(&first).unwrap();
    fs::write(&first, with_more(&text, 1)).unwrap();
    counts(&console, 2).await;
    fs::write(&second, with_more(&text, 2)).unwrap();
    let draft = gateway.home.path().join("new-link");
    symlink(&second, &draft).unwrap();
    fs::rename(&draft, gateway.home.config()).unwrap();
    counts(&console, 3).await;
    fs::write(&second, with_more(&text, 3)).unwrap();
    counts(&console, 4).await;
}

#[tokio::test]
async fn a_folder_on_the_way_may_be_exchanged() {
    let elsewhere = tempfile::tempdir().unwrap();
    let text_of = |name: &str| {
        let folder = elsewhere.path().join(name);
        fs::create_dir(&folder).unwrap();
        folder.join("levity.yaml")
    };
    // As a volume is mounted that is exchanged as a whole: the file is a link through a link to a folder.
    let (first, second) = (text_of("first"), text_of("second"));
    let current = elsewhere.path().join("current");
    symlink("first", &current).unwrap();
    let home = Home::with(&harness::with_console(config()));
    let text = fs::read_to_string(home.config()).unwrap();
    fs::rename(home.config(), &first).unwrap();
    fs::write(&second, with_more(&text, 1)).unwrap();
    let file = elsewhere.path().join("levity.yaml");
    symlink("current/levity.yaml", &file).unwrap();
    symlink(&file, home.config()).unwrap();
    let command = home.run();
    let gateway = Gateway::launch(home, command, Vec::new()).await;
    let console = Console::of(&gateway).await;
    let draft = elsewhere.path().join("draft");
    symlink("second", &draft).unwrap();
    fs::rename(&draft, &current).unwrap();
    counts(&console, 2).await;
}

#[tokio::test]
async fn a_bad_file_leaves_the_old_one_at_work_and_says_why() {
    let (gateway, console, text) = gateway().await;
    fs::write(gateway.home.config(), "proxy: { prot: 1 }").unwrap();
    let told = |status: &serde_json::Value| status["config"]["error"].is_string();
    let status = console.status("the complaint", told).await;
    let error = status["config"]["error"].as_str().unwrap();
    assert!(error.contains("prot") && error.contains("levity.yaml:1:"), "{error}");
    let logged =
        || gateway.stderr().contains("not reloaded, the old configuration stays").then_some(());
    eventually("the log's line", logged).await;
    assert_eq!(console.read("/api/status").await["accounts"]["total"], 1);
    fs::write(gateway.home.config(), with_more(&text, 1)).unwrap();
    counts(&console, 2).await;
    assert!(console.read("/api/status").await["config"]["error"].is_null());
}

#[tokio::test]
async fn a_signal_loads_the_file_whether_it_has_changed_or_not() {
    let (gateway, console, _) = gateway().await;
    let before = console.read("/api/status").await["config"]["loaded"].clone();
    gateway.signal(Signal::SIGHUP);
    console.status("the reload", |status| status["config"]["loaded"] != before).await;
    // Reading the file is no change of it.
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(gateway.stderr().matches("reloaded: ").count(), 1, "{}", gateway.stderr());
}
