//! The console page from outside: who gets it, and what a browser is told about it.

use levity::dialects::Dialect;

use crate::harness;
use crate::support::client::{get, request};
use crate::support::gateway::{Account, Config};

#[tokio::test]
async fn the_page_needs_no_token_and_says_what_a_browser_may_load() {
    let account = Account::new("only", Dialect::OpenAiChat, "http://127.0.0.1:1");
    let (_gateway, console) = harness::start(Config::new().account(account)).await;
    for (path, kind) in [
        ("/", "text/html; charset=utf-8"),
        ("/assets/app.js", "text/javascript; charset=utf-8"),
        ("/assets/style.css", "text/css; charset=utf-8"),
        ("/assets/icon.svg", "image/svg+xml"),
        ("/assets/pages/proxy.js", "text/javascript; charset=utf-8"),
    ] {
        let reply = console.send_bare(&get(path)).await;
        assert_eq!(reply.status, 200, "{path}");
        assert_eq!(reply.header("content-type"), Some(kind), "{path}");
        assert_eq!(reply.header("x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(reply.header("referrer-policy"), Some("no-referrer"), "{path}");
        let policy = reply.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'self';"), "{path}: {policy}");
        assert!(policy.contains("frame-ancestors 'none'"), "{path}: {policy}");
        assert!(!policy.contains("unsafe"), "{path}: {policy}");
        assert!(!reply.text().contains(&console.token), "{path}");

        let tag = reply.header("etag").unwrap();
        let again = console.send_bare(&get(path).header("if-none-match", tag)).await;
        assert_eq!((again.status, again.text().as_str()), (304, ""), "{path}");
    }
}

#[tokio::test]
async fn nothing_else_is_there_to_be_had() {
    let account = Account::new("only", Dialect::OpenAiChat, "http://127.0.0.1:1");
    let (_gateway, console) = harness::start(Config::new().account(account)).await;
    for path in [
        "/assets/",
        "/assets/no-such-file.js",
        "/assets/../page.rs",
        "/assets/%2e%2e/page.rs",
        "/assets/..%2f..%2fmain.rs",
        "/assets//etc/passwd",
        "/assets/vendor/preact.LICENSE",
        "/index.html",
    ] {
        assert_eq!(console.send_bare(&get(path)).await.status, 404, "{path}");
    }
    assert_eq!(console.send_bare(&request("POST", "/")).await.status, 405);
    let elsewhere = get("/").header("host", "levity.example");
    assert_eq!(console.send_bare(&elsewhere).await.status, 403);
}
