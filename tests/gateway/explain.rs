//! Why an account was chosen, and the others were not: what the log says of it at debug level.

use levity::dialects::Dialect;

use crate::support::eventually;
use crate::support::gateway::{Account, Config, Gateway};
use crate::support::samples::{self, MODEL};
use crate::support::upstream::Upstream;

const CHAT: Dialect = Dialect::OpenAiChat;

#[tokio::test]
async fn the_debug_log_explains_each_choice() {
    let busy = samples::refusal(CHAT, 429, "slow down").header("retry-after", "40");
    let limited = Upstream::always(busy).await;
    let works = Upstream::always(samples::good(CHAT)).await;
    let config = Config::new()
        .debug_log()
        .account(Account::new("limited", CHAT, &limited.url()).set("dispatch", "exclusive"))
        .account(Account::new("foreign", Dialect::Anthropic, &works.url()))
        .account(Account::new("works", CHAT, &works.url()))
        .account(Account::new("spare", CHAT, &works.url()).set("dispatch", "fallback"))
        .account(Account::new("others", CHAT, &works.url()).set("clients", ["gemini"].to_vec()));
    let gateway = Gateway::start(&config).await;
    let behind = "foreign behind: the request would have to be translated; works chosen; spare behind: others come first by dispatch; others does not serve such requests of this client";
    let said = [
        "limited chosen; foreign behind: others come first by dispatch; works behind: others come first by dispatch".to_owned(),
        format!("limited not asked: tried; {behind}"),
        "limited not asked: rate limit, ".to_owned(),
        format!("s left; {behind}"),
    ];
    for _ in 0..2 {
        assert_eq!(gateway.send(&samples::call(CHAT, MODEL)).await.status, 200);
    }
    for line in &said {
        eventually(line, || gateway.stderr().contains(line).then_some(())).await;
    }
}
