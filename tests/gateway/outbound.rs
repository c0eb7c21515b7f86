//! Requests that leave through a proxy: of each kind, with and without a login, and those that must not.

use levity::dialects::Dialect;

use crate::support::gateway::{Account, Config, Gateway, Home, ended};
use crate::support::proxy::{LOGIN, LOGIN_IN_URL, Manner, Proxy, Speech};
use crate::support::samples::{self, MODEL};
use crate::support::script::{Answer, Seen};
use crate::support::tls::{Authority, Offer};
use crate::support::upstream::{SOME_LOST, Upstream, nobody};

const CHAT: Dialect = Dialect::OpenAiChat;
/// A name that no resolver knows: whoever reaches it was led there by a proxy.
const FAR: &str = "http://provider.test";

fn good(_: &Seen) -> Answer {
    samples::good(CHAT)
}

/// An account at a far provider, with a way out of its own.
fn account(url: &str, proxy: &str) -> Account {
    Account::new("only", CHAT, url).set("outbound_proxy", proxy)
}

/// Sends a request, which must be answered.
async fn answered(gateway: &Gateway) {
    let reply = gateway.send(&samples::call(CHAT, MODEL)).await;
    assert_eq!(reply.text(), samples::answer(CHAT).to_string(), "{}", gateway.stderr());
}

/// Sends a request, which must fail; gives what is said of it.
async fn failed(gateway: &Gateway) -> String {
    let reply = gateway.send(&samples::call(CHAT, MODEL)).await;
    samples::refused(CHAT, 502, &reply)
}

#[tokio::test]
async fn each_kind_of_proxy_leads_to_the_provider() {
    let upstream = Upstream::always(samples::good(CHAT)).await;
    for manner in [Manner::Open, Manner::Guarded] {
        for (speech, scheme) in [(Speech::Connect, "http"), (Speech::Socks5, "socks5h")] {
            let proxy = Proxy::start(speech, manner, upstream.address).await;
            let url = if manner == Manner::Guarded {
                proxy.url_with(scheme, LOGIN_IN_URL)
            } else {
                proxy.url(scheme)
            };
            let gateway = Gateway::start(&Config::new().account(account(FAR, &url))).await;
            answered(&gateway).await;
            assert_eq!(proxy.asked(), ["provider.test:80"], "{scheme} {manner:?}");
            let seen = upstream.seen().pop().unwrap();
            assert_eq!(seen.headers.all("host"), ["provider.test"]);
            assert_eq!(seen.header("proxy-authorization"), None);
        }
    }
}

#[tokio::test]
async fn a_proxy_behind_tls_leads_to_a_provider_behind_tls() {
    let authority = Authority::new();
    for (offer, manner) in [(Offer::Http1, Manner::Open), (Offer::Http2, Manner::Guarded)] {
        let upstream = Upstream::tls(&authority, offer, good).await;
        let proxy = Proxy::tls(&authority, manner, upstream.address).await;
        let login = if manner == Manner::Open { "" } else { &format!("{LOGIN_IN_URL}@") };
        let url = format!("https://{login}localhost:{}", proxy.address.port());
        let config = Config::new()
            .account(account(&upstream.url(), &url))
            .env("SSL_CERT_FILE", authority.file().to_str().unwrap());
        let gateway = Gateway::start(&config).await;
        for _ in 0..3 {
            answered(&gateway).await;
        }
        assert_eq!(proxy.asked()[0], format!("localhost:{}", upstream.address.port()));
        assert_eq!(upstream.count(), 3);
    }
}

#[tokio::test]
async fn a_proxy_with_a_strange_certificate_gets_no_password() {
    let (authority, strange) = (Authority::new(), Authority::new());
    let upstream = Upstream::always(samples::good(CHAT)).await;
    let proxy = Proxy::tls(&strange, Manner::Guarded, upstream.address).await;
    let url = format!("https://{LOGIN_IN_URL}@localhost:{}", proxy.address.port());
    let config = Config::new()
        .account(account(FAR, &url))
        .env("SSL_CERT_FILE", authority.file().to_str().unwrap());
    let gateway = Gateway::start(&config).await;
    let message = failed(&gateway).await;
    assert!(message.contains("fails at TLS"), "{message}");
    assert_eq!(proxy.asked(), [""; 0]);
}

#[tokio::test]
async fn a_provider_behind_tls_is_checked_through_the_proxy() {
    let authority = Authority::new();
    let strange = Upstream::tls(&Authority::new(), Offer::Http1, good).await;
    for (speech, scheme) in [(Speech::Connect, "http"), (Speech::Socks5, "socks5h")] {
        let upstream = Upstream::tls(&authority, Offer::Http2, good).await;
        for (upstream, trusted) in [(&upstream, true), (&strange, false)] {
            let proxy = Proxy::start(speech, Manner::Open, upstream.address).await;
            let config = Config::new()
                .account(account(&upstream.url(), &proxy.url(scheme)))
                .env("SSL_CERT_FILE", authority.file().to_str().unwrap());
            let gateway = Gateway::start(&config).await;
            if trusted {
                answered(&gateway).await;
                assert_eq!(upstream.only().version, "HTTP/2");
            } else {
                failed(&gateway).await;
            }
        }
    }
    assert_eq!(strange.count(), 0, "requests to the strange one");
}

#[tokio::test]
async fn socks5_looks_names_up_by_itself() {
    let upstream = Upstream::always(samples::good(CHAT)).await;
    let proxy = Proxy::start(Speech::Socks5, Manner::Open, upstream.address).await;
    let near = format!("http://localhost:{}", upstream.address.port());
    let config = Config::new().account(account(&near, &proxy.url("socks5")));
    answered(&Gateway::start(&config).await).await;
    assert_eq!(proxy.asked(), [upstream.address.to_string()]);
    let config = Config::new().account(account(FAR, &proxy.url("socks5")));
    let message = failed(&Gateway::start(&config).await).await;
    assert!(message.contains("socks5h:// leaves that to the proxy"), "{message}");
}

#[tokio::test]
async fn connections_through_a_proxy_are_kept() {
    let upstream = Upstream::always(samples::good(CHAT)).await;
    for (speech, scheme) in [(Speech::Connect, "http"), (Speech::Socks5, "socks5h")] {
        let proxy = Proxy::start(speech, Manner::Open, upstream.address).await;
        let gateway =
            Gateway::start(&Config::new().account(account(FAR, &proxy.url(scheme)))).await;
        let mut connection = gateway.connect().await;
        for _ in 0..10 {
            let call = samples::call(CHAT, MODEL);
            assert_eq!(connection.send(&call).await.unwrap().status, 200);
        }
        let connections = proxy.asked().len();
        assert!(connections < SOME_LOST, "{connections} connections");
    }
}

#[tokio::test]
async fn accounts_with_different_proxies_share_no_connection() {
    let upstream = Upstream::always(samples::good(CHAT)).await;
    let proxy = Proxy::start(Speech::Connect, Manner::Open, upstream.address).await;
    let url = upstream.url();
    let way = |name: &str, way: &str| Account::new(name, CHAT, &url).set("outbound_proxy", way);
    let config = Config::new()
        .account(way("direct", "off"))
        .account(way("proxied", &proxy.url("http")))
        .account(way("known", &proxy.url_with("http", LOGIN_IN_URL)))
        .account(way("usual", "auto"))
        .env("HTTP_PROXY", proxy.url("http"))
        .set("pool", "scheduling", "balance");
    let gateway = Gateway::start(&config).await;
    for _ in 0..8 {
        assert_eq!(gateway.send(&samples::call(CHAT, MODEL)).await.status, 200);
    }
    let (asked, direct) = (proxy.asked().len(), upstream.connections() - proxy.asked().len());
    assert!(asked >= 2, "{asked} connections for two accounts through the proxy");
    assert!(direct >= 2, "{direct} connections for two accounts without it");
    let target = upstream.address.to_string();
    assert!(proxy.asked().iter().all(|asked| *asked == target));
}

#[tokio::test]
async fn what_is_usual_comes_from_the_file_or_the_environment() {
    let upstream = Upstream::always(samples::good(CHAT)).await;
    for (name, written) in [
        ("HTTP_PROXY", false),
        ("http_proxy", false),
        ("ALL_PROXY", false),
        ("all_proxy", false),
        ("WRITTEN", true),
    ] {
        let proxy = Proxy::start(Speech::Connect, Manner::Open, upstream.address).await;
        let mut config =
            Config::new().account(Account::new("only", CHAT, FAR)).env(name, proxy.url("http"));
        if written {
            let outbound = serde_json::json!({ "url": "${WRITTEN}" });
            config = config.set("proxy", "outbound", outbound).env("HTTP_PROXY", nobody().await);
        }
        answered(&Gateway::start(&config).await).await;
        assert_eq!(proxy.asked(), ["provider.test:80"], "{name}");
    }
}

#[tokio::test]
async fn exceptions_and_off_go_directly() {
    let upstream = Upstream::always(samples::good(CHAT)).await;
    let proxy = Proxy::start(Speech::Connect, Manner::Open, upstream.address).await;
    let usual = || {
        Config::new().account(Account::new("only", CHAT, FAR)).env("ALL_PROXY", proxy.url("http"))
    };
    let off = serde_json::json!({ "url": "off" });
    let excepted = serde_json::json!({ "no_proxy": "*.test, 10.0.0.0/8" });
    for config in [
        usual().env("NO_PROXY", "other.example,.test"),
        usual().env("no_proxy", "*"),
        usual().set("proxy", "outbound", off),
        usual().set("proxy", "outbound", excepted),
        Config::new().account(account(FAR, "off")).env("ALL_PROXY", proxy.url("http")),
        // The other scheme's proxy.
        Config::new()
            .account(Account::new("only", CHAT, FAR))
            .env("HTTPS_PROXY", proxy.url("http")),
    ] {
        let message = failed(&Gateway::start(&config).await).await;
        assert!(message.starts_with("cannot find provider.test:80"), "{message}");
    }
    assert_eq!(proxy.asked(), [""; 0]);
}

#[tokio::test]
async fn loopback_is_proxied_only_where_an_account_says_so() {
    let upstream = Upstream::always(samples::good(CHAT)).await;
    let proxy = Proxy::start(Speech::Connect, Manner::Open, upstream.address).await;
    for near in [upstream.url(), format!("http://localhost:{}", upstream.address.port())] {
        let config = Config::new()
            .account(Account::new("only", CHAT, &near))
            .env("HTTP_PROXY", proxy.url("http"))
            .env("ALL_PROXY", proxy.url("http"));
        answered(&Gateway::start(&config).await).await;
        assert_eq!(proxy.asked(), [""; 0]);
    }
    let config = Config::new().account(account(&upstream.url(), &proxy.url("http")));
    answered(&Gateway::start(&config).await).await;
    assert_eq!(proxy.asked(), [upstream.address.to_string()]);
}

#[tokio::test]
async fn a_proxy_that_fails_is_named_without_its_password() {
    let upstream = Upstream::always(samples::good(CHAT)).await;
    let named = |proxy: &Proxy| {
        format!("cannot connect to provider.test:80: the proxy {}", proxy.url("http"))
    };
    for (manner, login, said) in [
        (Manner::Guarded, "", "answered 407: it wants a user and password"),
        (Manner::Guarded, "fox:wrong-word@", "answered 407: it refuses the user and password"),
        (
            Manner::Refusing(502),
            "fox:a-password@",
            "cannot connect to provider.test:80: it answered 502",
        ),
        (Manner::Refusing(403), "", "does not allow connections to provider.test:80 (403)"),
    ] {
        let proxy = Proxy::start(Speech::Connect, manner, upstream.address).await;
        let url = format!("http://{login}{}", proxy.address);
        let gateway = Gateway::start(&Config::new().account(account(FAR, &url))).await;
        let message = failed(&gateway).await;
        assert!(message.starts_with(&named(&proxy)) && message.contains(said), "{message}");
        let all = message + &gateway.stderr() + &gateway.stdout();
        assert!(!all.contains("word@") && !all.contains("wrong-word"), "{all}");
    }
    for (manner, login, said) in [
        (Manner::Guarded, "", "wants a user and password"),
        (Manner::Guarded, "fox:wrong-word@", "refuses the user and password"),
        (Manner::Refusing(5), "", "cannot connect to provider.test:80: "),
    ] {
        let proxy = Proxy::start(Speech::Socks5, manner, upstream.address).await;
        let url = format!("socks5h://{login}{}", proxy.address);
        let gateway = Gateway::start(&Config::new().account(account(FAR, &url))).await;
        let message = failed(&gateway).await;
        assert!(message.contains(&proxy.url("socks5h")) && message.contains(said), "{message}");
    }
    let gateway = Gateway::start(&Config::new().account(account(FAR, &nobody().await))).await;
    let message = failed(&gateway).await;
    assert!(message.contains("cannot be reached: Connection refused"), "{message}");
    let gateway = Gateway::start(&Config::new().account(account(FAR, "http://proxy.test:1"))).await;
    let message = failed(&gateway).await;
    assert!(message.starts_with("cannot find the proxy http://proxy.test:1"), "{message}");
    assert_eq!(upstream.count(), 0);
}

#[tokio::test]
async fn a_proxy_that_fails_is_a_reason_for_the_next_account() {
    let upstream = Upstream::always(samples::good(CHAT)).await;
    let proxies = [
        Proxy::start(Speech::Connect, Manner::Refusing(502), upstream.address).await,
        Proxy::start(Speech::Connect, Manner::Silent, upstream.address).await,
    ];
    for proxy in &proxies {
        // Both are at the same provider: that one of them has no way there says nothing of the other.
        let first =
            Account::new("first", CHAT, &upstream.url()).set("outbound_proxy", proxy.url("http"));
        let second = Account::new("second", CHAT, &upstream.url()).set("dispatch", "fallback");
        let config = Config::new().account(first).account(second).set(
            "proxy",
            "timeouts",
            serde_json::json!({ "connect": "200ms" }),
        );
        let gateway = Gateway::start(&config).await;
        for _ in 0..3 {
            answered(&gateway).await;
        }
    }
    assert_eq!(upstream.count(), 6);
    assert_eq!(proxies[0].asked().len(), 1, "the failing account rests");
}

#[tokio::test]
async fn check_says_which_proxy_and_never_the_password() {
    let proxy = format!("http://{LOGIN_IN_URL}@proxy.test:3128");
    let config = Config::new()
        .account(account(FAR, &proxy))
        .account(Account::new("usual", CHAT, FAR))
        .account(Account::new("near", CHAT, "http://127.0.0.1:1"))
        .env("ALL_PROXY", "socks5h://me:hidden@socks.test");
    let home = Home::with(&config);
    let said = ended(home.command(&["check", "--config", home.config().to_str().unwrap()]));
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    let rows: Vec<&str> = said.stdout.lines().filter(|line| line.contains("proxy    ")).collect();
    assert_eq!(rows.len(), 2, "{}", said.stdout);
    assert!(rows[0].ends_with("proxy    http://proxy.test:3128"), "{}", rows[0]);
    assert!(rows[1].ends_with("proxy    socks5h://socks.test:1080"), "{}", rows[1]);
    for secret in [LOGIN.1, "hidden", "p%40ss"] {
        assert!(!said.stdout.contains(secret), "{}", said.stdout);
    }
}

#[tokio::test]
async fn a_proxy_that_cannot_be_used_is_an_error_of_the_config() {
    let base = || Config::new().account(Account::new("only", CHAT, FAR));
    for (config, place) in [
        (base().env("HTTPS_PROXY", "ftp://me:hidden@proxy"), "HTTPS_PROXY: expected"),
        (
            base().set("proxy", "outbound", serde_json::json!({ "url": "ftp://me:hidden@proxy" })),
            "proxy.outbound.url: expected",
        ),
        (
            Config::new().account(account(FAR, "http://me:hidden@proxy/path")),
            "accounts[0].outbound_proxy: expected",
        ),
    ] {
        let home = Home::with(&config);
        let said = ended(home.run());
        assert_eq!(said.code, Some(2));
        assert!(said.stderr.contains(place) && !said.stderr.contains("hidden"), "{}", said.stderr);
    }
}
