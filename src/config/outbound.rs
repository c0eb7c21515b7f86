//! How requests leave this machine: directly, or through which proxy.

use std::borrow::Cow;
use std::fmt;
use std::net::{IpAddr, UdpSocket};
use std::sync::Arc;

use ipnet::IpNet;
use percent_encoding::percent_decode_str;
use url::{Host, Url};

use super::Secret;
use super::forms::Wrong;
use super::reader::{Reader, Section};
use super::yaml::{Scalar, Style};

/// The usual variables, each with its other spelling; the first that is set counts.
const HTTPS_PROXY: [&str; 2] = ["HTTPS_PROXY", "https_proxy"];
const HTTP_PROXY: [&str; 2] = ["HTTP_PROXY", "http_proxy"];
const ALL_PROXY: [&str; 2] = ["ALL_PROXY", "all_proxy"];
const NO_PROXY: [&str; 2] = ["NO_PROXY", "no_proxy"];

/// Google's metadata server, which has a link-local address.
const METADATA_NAME: &str = "metadata.google.internal";

/// What is expected of a proxy that is written down.
const EXPECTED: &str =
    "an http://, https://, socks5:// or socks5h:// URL without a path, auto or off";

/// A proxy that connections go through.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct OutboundProxy {
    /// How it is spoken to.
    pub kind: ProxyKind,
    /// Its name or address; an IPv6 address has no brackets.
    pub host: String,
    /// Its TCP port.
    pub port: u16,
    /// User and password, where it wants them.
    pub login: Option<(String, Secret)>,
}

/// How a proxy is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProxyKind {
    /// `CONNECT` over TCP.
    Http,
    /// `CONNECT` over TLS.
    Https,
    /// SOCKS 5; names are looked up here.
    Socks5,
    /// SOCKS 5; names are looked up by the proxy.
    Socks5h,
}

/// `proxy.outbound`: the proxies for all accounts that name none, and what is reached without one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outbound {
    https: Option<Arc<OutboundProxy>>,
    http: Option<Arc<OutboundProxy>>,
    exceptions: Vec<Exception>,
}

/// How one account's requests leave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum WayOut {
    /// Directly, whatever is usual.
    #[default]
    Direct,
    /// As `proxy.outbound` says.
    Usual(Arc<Outbound>),
    /// Through this proxy, wherever they go.
    Through(Arc<OutboundProxy>),
}

impl WayOut {
    /// The proxy on the way to a URL; `None` where the way is direct.
    pub fn proxy_for(&self, url: &Url) -> Option<&Arc<OutboundProxy>> {
        match self {
            Self::Direct => None,
            Self::Usual(outbound) => outbound.proxy_for(url),
            Self::Through(proxy) => Some(proxy),
        }
    }

    /// The account's own proxy, if it has one.
    pub(super) fn proxies(&self) -> Option<&OutboundProxy> {
        match self {
            Self::Direct | Self::Usual(_) => None,
            Self::Through(proxy) => Some(proxy),
        }
    }
}

impl Outbound {
    /// Those that are used by anything.
    pub(super) fn proxies(&self) -> impl Iterator<Item = &OutboundProxy> {
        self.https.iter().chain(&self.http).map(|proxy| &**proxy)
    }

    fn proxy_for(&self, url: &Url) -> Option<&Arc<OutboundProxy>> {
        let proxy = if url.scheme() == "https" { &self.https } else { &self.http }.as_ref()?;
        let excepted = || self.exceptions.iter().any(|exception| exception.covers(url));
        (!is_here(url) && !excepted()).then_some(proxy)
    }
}

/// A proxy as it is written down.
enum Written {
    /// Nothing that counts.
    Auto,
    Off,
    Proxy(Arc<OutboundProxy>),
}

/// Reads `proxy.outbound`; what is not written comes from the environment.
pub(super) fn read(reader: &mut Reader<'_>, proxy: &mut Section) -> Outbound {
    let mut section = reader.section(proxy, "outbound");
    let url = reader.value(&mut section, "url", written).unwrap_or(Written::Auto);
    let no_proxy = reader.value(&mut section, "no_proxy", list);
    reader.finish(section);
    let (https, http) = match url {
        Written::Off => (None, None),
        Written::Proxy(proxy) => (Some(Arc::clone(&proxy)), Some(proxy)),
        Written::Auto => {
            let all = variable(reader, ALL_PROXY);
            let https = variable(reader, HTTPS_PROXY).or_else(|| all.clone());
            (https, variable(reader, HTTP_PROXY).or(all))
        }
    };
    let usual = || {
        let (_, text) = reader.variable(&NO_PROXY)?;
        Some(exceptions(text))
    };
    let exceptions = no_proxy.filter(|list| !list.is_empty()).or_else(usual).unwrap_or_default();
    Outbound { https, http, exceptions }
}

/// Reads `accounts[].outbound_proxy`.
pub(super) fn read_way(
    reader: &mut Reader<'_>,
    section: &mut Section,
    usual: &Arc<Outbound>,
) -> WayOut {
    match reader.value(section, "outbound_proxy", written) {
        Some(Written::Off) => WayOut::Direct,
        Some(Written::Proxy(proxy)) => WayOut::Through(proxy),
        Some(Written::Auto) | None => WayOut::Usual(Arc::clone(usual)),
    }
}

/// The proxy that a variable names. One that cannot be used is an error: without it, requests would go out directly.
fn variable(reader: &mut Reader<'_>, names: [&'static str; 2]) -> Option<Arc<OutboundProxy>> {
    let (name, text) = reader.variable(&names)?;
    let parsed = parse(text);
    if parsed.is_none() {
        let message = "expected an http://, https://, socks5:// or socks5h:// URL without a path; \
                       proxy.outbound.url: off does without it";
        reader.complain_of_variable(name, message);
    }
    parsed.map(Arc::new)
}

/// A proxy's URL, `auto` or `off`. An empty variable is no proxy of its own.
fn written(scalar: &Scalar) -> Result<Written, Wrong> {
    match (scalar.text.trim(), scalar.style) {
        ("", Style::Given) | ("auto", _) => Ok(Written::Auto),
        ("off", _) | ("false", Style::Plain) => Ok(Written::Off),
        (text, _) => parse(text)
            .map(|proxy| Written::Proxy(Arc::new(proxy)))
            .ok_or_else(|| Wrong::expected(EXPECTED)),
    }
}

/// `no_proxy`: a list with commas, as in the variable of that name.
#[expect(clippy::unnecessary_wraps, reason = "a form may refuse; this one takes any text")]
fn list(scalar: &Scalar) -> Result<Vec<Exception>, Wrong> {
    Ok(exceptions(&scalar.text))
}

/// `proxy:3128` is what many write for `http://proxy:3128`.
fn parse(text: &str) -> Option<OutboundProxy> {
    let text = text.trim();
    let url = if text.contains("://") {
        Url::parse(text).ok()?
    } else {
        Url::parse(&format!("http://{text}")).ok()?
    };
    let (kind, port) = match url.scheme() {
        "http" => (ProxyKind::Http, 80),
        "https" => (ProxyKind::Https, 443),
        "socks5" => (ProxyKind::Socks5, 1080),
        "socks5h" => (ProxyKind::Socks5h, 1080),
        _ => return None,
    };
    let bare = matches!(url.path(), "" | "/") && url.query().is_none() && url.fragment().is_none();
    let host = url.host_str().filter(|host| bare && !host.is_empty())?;
    let decoded = |text: &str| percent_decode_str(text).decode_utf8().map(Cow::into_owned);
    let user = decoded(url.username()).ok()?;
    let password = decoded(url.password().unwrap_or_default()).ok()?;
    // SOCKS has a byte for the length of each.
    if user.len() > 255 || password.len() > 255 {
        return None;
    }
    let login = (!user.is_empty() || !password.is_empty()).then(|| (user, Secret::new(password)));
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    Some(OutboundProxy { kind, host, port: url.port().unwrap_or(port), login })
}

impl ProxyKind {
    /// The scheme of its URL.
    pub const fn scheme(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::Socks5 => "socks5",
            Self::Socks5h => "socks5h",
        }
    }
}

/// Its URL, without user and password.
impl fmt::Display for OutboundProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = self.kind.scheme();
        if self.host.contains(':') {
            write!(f, "{scheme}://[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{scheme}://{}:{}", self.host, self.port)
        }
    }
}

impl fmt::Debug for OutboundProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OutboundProxy({self})")
    }
}

/// One entry of `NO_PROXY`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Exception {
    hosts: Hosts,
    /// `None`: any.
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Hosts {
    All,
    Network(IpNet),
    /// The name itself and all below it.
    Name(String),
}

/// What stands between commas. Entries are read as curl reads them: <https://curl.se/libcurl/c/CURLOPT_NOPROXY.html>
fn exceptions(list: &str) -> Vec<Exception> {
    list.split([',', ' ']).filter_map(|entry| Exception::parse(entry.trim())).collect()
}

impl Exception {
    fn parse(entry: &str) -> Option<Self> {
        if let Ok(network) = entry.parse() {
            return Some(Self { hosts: Hosts::Network(network), port: None });
        }
        // An IPv6 address has colons of its own, unless it stands in brackets.
        let alone = entry.parse::<IpAddr>().is_ok();
        let (host, port) = match entry.rsplit_once(':') {
            Some((host, port)) if !alone && !port.contains(']') => (host, Some(port.parse().ok()?)),
            Some(_) | None => (entry, None),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let hosts = match host.parse::<IpAddr>() {
            Ok(address) => Hosts::Network(IpNet::from(address)),
            Err(_) if host == "*" => Hosts::All,
            Err(_) => Hosts::Name(bare_name(host.trim_start_matches("*."))?),
        };
        Some(Self { hosts, port })
    }

    fn covers(&self, url: &Url) -> bool {
        if self.port.is_some() && self.port != url.port_or_known_default() {
            return false;
        }
        match (&self.hosts, url.host()) {
            (Hosts::All, _) => true,
            (Hosts::Network(network), Some(Host::Ipv4(ip))) => network.contains(&IpAddr::V4(ip)),
            (Hosts::Network(network), Some(Host::Ipv6(ip))) => {
                network.contains(&IpAddr::V6(ip).to_canonical())
            }
            (Hosts::Name(name), Some(Host::Domain(host))) => bare_name(host).is_some_and(|host| {
                host.strip_suffix(name.as_str())
                    .is_some_and(|before| before.is_empty() || before.ends_with('.'))
            }),
            (Hosts::Network(_) | Hosts::Name(_), _) => false,
        }
    }
}

/// A name in small letters without dots around it; `None` where nothing is left.
fn bare_name(name: &str) -> Option<String> {
    let name = name.trim_matches('.');
    (!name.is_empty()).then(|| name.to_ascii_lowercase())
}

/// Whether a URL is of this machine or its own link: no proxy can reach what is meant.
fn is_here(url: &Url) -> bool {
    let ip = match url.host() {
        Some(Host::Ipv4(ip)) => IpAddr::V4(ip),
        Some(Host::Ipv6(ip)) => IpAddr::V6(ip).to_canonical(),
        Some(Host::Domain(name)) => {
            let name = bare_name(name).unwrap_or_default();
            return name == "localhost" || name.ends_with(".localhost") || name == METADATA_NAME;
        }
        None => return true,
    };
    let is_link_local = match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    };
    // Only an address of this machine can be bound.
    ip.is_loopback() || ip.is_unspecified() || is_link_local || UdpSocket::bind((ip, 0)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn proxies_are_read_without_showing_their_password() {
        for (text, shown, login) in [
            ("http://proxy:3128", "http://proxy:3128", None),
            ("proxy:3128", "http://proxy:3128", None),
            ("http://proxy/", "http://proxy:80", None),
            ("https://u:p%40w@proxy", "https://proxy:443", Some(("u", "p@w"))),
            ("socks5://[::1]", "socks5://[::1]:1080", None),
            ("socks5h://me@10.0.0.1:9050", "socks5h://10.0.0.1:9050", Some(("me", ""))),
        ] {
            let proxy = parse(text).unwrap();
            assert_eq!(proxy.to_string(), shown);
            assert_eq!(format!("{proxy:?}"), format!("OutboundProxy({shown})"));
            let found = proxy.login.as_ref().map(|(user, word)| (user.as_str(), word.expose()));
            assert_eq!(found, login, "{text}");
        }
        for wrong in ["", "ftp://proxy", "socks4://proxy", "http://proxy/path", "http://proxy?x=1"]
        {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn exceptions_are_names_networks_and_ports() {
        for (list, asked, excepted) in [
            ("*", "https://api.openai.com", true),
            ("openai.com", "https://api.openai.com", true),
            ("OpenAI.com.", "https://api.openai.com", true),
            (".openai.com", "https://openai.com", true),
            ("*.openai.com", "https://api.openai.com", true),
            ("penai.com", "https://api.openai.com", false),
            ("other, api.openai.com", "https://api.openai.com", true),
            ("openai.com:443", "https://api.openai.com", true),
            ("openai.com:8443", "https://api.openai.com", false),
            ("openai.com:x", "https://api.openai.com", false),
            ("10.0.0.0/8", "http://10.1.2.3", true),
            ("10.0.0.0/8", "http://11.1.2.3", false),
            ("10.1.2.3:80", "http://10.1.2.3", true),
            ("10.1.2.3:81", "http://10.1.2.3", false),
            ("2001:db8::/32", "http://[2001:db8::1]", true),
            ("[2001:db8::1]:80", "http://[2001:db8::1]", true),
            ("2001:db8::1", "http://[2001:db8::2]", false),
            ("10.0.0.0/8", "http://ten.example", false),
            (", ,", "http://10.1.2.3", false),
        ] {
            let covered = exceptions(list).iter().any(|one| one.covers(&url(asked)));
            assert_eq!(covered, excepted, "{list} {asked}");
        }
    }

    #[test]
    fn what_is_here_needs_no_proxy() {
        for (text, here) in [
            ("http://localhost:1", true),
            ("http://LOCALHOST.", true),
            ("http://a.localhost", true),
            ("http://127.9.9.9", true),
            ("http://[::1]", true),
            ("http://[::ffff:127.0.0.1]", true),
            ("http://0.0.0.0", true),
            ("http://169.254.169.254", true),
            ("http://metadata.google.internal", true),
            ("http://[fe80::1]", true),
            ("http://192.0.2.1", false),
            ("https://api.openai.com", false),
        ] {
            assert_eq!(is_here(&url(text)), here, "{text}");
        }
    }
}
