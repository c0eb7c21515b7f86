//! Every secret of a configuration, for those who must not show one.

use super::Config;
use super::vertex::Credentials;

impl Config {
    /// The texts that must be shown to nobody: keys, values of headers, credentials, and passwords of proxies. A private
    /// key is in it line by line, for it may be written in many ways. Some are short, or empty.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        let accounts = self.accounts.iter();
        let keys = accounts.clone().map(|account| account.api_key.expose());
        let headers = accounts.clone().flat_map(|account| account.headers.iter());
        let headers = headers.chain(self.telemetry.iter().flat_map(|telemetry| &telemetry.headers));
        let headers = headers.filter_map(|(_, value)| value.to_str().ok());
        let ways = accounts.clone().filter_map(|account| account.way_out.proxies());
        let proxies = ways.chain(self.proxy.outbound.proxies());
        let passwords = proxies.filter_map(|proxy| proxy.login.as_ref());
        let credentials = accounts.filter_map(|account| account.vertex.as_ref());
        keys.chain(self.proxy.api_key.iter().map(super::Secret::expose))
            .chain(headers)
            .chain(passwords.map(|(_, password)| password.expose()))
            .chain(credentials.flat_map(|vertex| of(&vertex.credentials)))
    }
}

fn of(credentials: &Credentials) -> Vec<&str> {
    match credentials {
        Credentials::ServiceAccount { private_key, .. } => {
            private_key.expose().lines().filter(|line| !line.starts_with("-----")).collect()
        }
        Credentials::AuthorizedUser { client_secret, refresh_token, .. } => {
            vec![client_secret.expose(), refresh_token.expose()]
        }
        Credentials::Metadata => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::environment::Environment;
    use crate::config::load::Options;

    #[test]
    fn all_of_them_are_found() {
        let text = r#"
telemetry: { otlp: "http://collector:4318", headers: { authorization: of-the-collector } }
proxy: { api_key: sk-of-the-client, outbound: { url: "http://me:of-all%21@proxy:1" } }
accounts:
- { name: a, provider: openai, api_key: of-openai, headers: { x-team: of-a-header } }
- { name: b, provider: anthropic, api_key: of-anthropic, outbound_proxy: "socks5://me:of-one@proxy:1" }
- name: c
  provider: vertex
  project: p
  credentials: '{"type":"authorized_user","client_id":"x","client_secret":"of-the-app","refresh_token":"of-the-user"}'
"#;
        let options = Options { config: None, port: None };
        let environment: Environment = Vec::<(String, String)>::new().into_iter().collect();
        let config = Config::parse(text, Path::new("x"), &options, &environment).unwrap();
        let found: Vec<&str> = config.secrets().filter(|secret| !secret.is_empty()).collect();
        for secret in [
            "sk-of-the-client",
            "of-all!",
            "of-openai",
            "of-a-header",
            "of-anthropic",
            "of-one",
            "of-the-app",
            "of-the-user",
            "of-the-collector",
        ] {
            assert!(found.contains(&secret), "{secret} in {found:?}");
        }
    }
}
