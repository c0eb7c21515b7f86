//! Accounts and wants for tests of the pool.

use std::num::NonZeroU32;

use levity::config::outbound::WayOut;
use levity::config::{Account, Dispatch, Provider, Secret};
use levity::dialects::Dialect;
use levity::pool::lease::Lease;
use levity::pool::{Reach, Want};

/// An account that serves every model to every client, as pooled.
pub(crate) fn account(name: &str) -> Account {
    Account {
        name: name.to_owned(),
        provider: Provider::Custom,
        api_key: Secret::new(format!("key of {name}")),
        base_url: format!("http://{name}.test/v1").parse().unwrap(),
        dialects: vec![Dialect::OpenAiChat],
        models: vec!["*".to_owned()],
        model_map: Vec::new(),
        dispatch: Dispatch::Pooled,
        clients: Dialect::ALL.to_vec(),
        weight: NonZeroU32::MIN,
        max_concurrency: 0,
        enabled: true,
        headers: Vec::new(),
        way_out: WayOut::Direct,
        vertex: None,
    }
}

/// An account with a weight.
pub(crate) fn weighted(name: &str, weight: u32) -> Account {
    Account { weight: NonZeroU32::new(weight).unwrap(), ..account(name) }
}

/// A chat client's request, translated where needed.
pub(crate) const fn want(model: &str) -> Want<'_> {
    Want {
        model,
        client: Dialect::OpenAiChat,
        reach: Reach::Translated,
        prefer: None,
        tokens: 100,
        conversation: None,
    }
}

/// Whose lease it is.
pub(crate) fn name(lease: &Lease) -> &str {
    &lease.account().config.name
}
