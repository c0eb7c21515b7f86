//! Who may ask on the console port: no page of another site, and under `/api` nobody without the token.

use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::Admin;
use super::error::Error;

/// The longest query, in bytes.
const LONGEST_QUERY: usize = 8 * 1024;

/// Lets a request through that may ask, and puts on every answer what keeps it from being kept or misread.
pub async fn guard(State(admin): State<Admin>, request: Request, next: Next) -> Response {
    let mut response = match check(&admin, &request) {
        Ok(()) => next.run(request).await,
        Err(error) => error.into_response(),
    };
    let headers = response.headers_mut();
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

fn check(admin: &Admin, request: &Request) -> Result<(), Error> {
    let (headers, uri) = (request.headers(), request.uri());
    let host = host(headers).filter(|host| is_this_machine(host));
    let named = uri.authority().is_none_or(|authority| is_this_machine(authority.as_str()));
    let Some(host) = host.filter(|_| named) else {
        return Err(Error::new(StatusCode::FORBIDDEN, "the console is not served under that name")
            .with_hint("ask for http://127.0.0.1 or http://localhost, with the console's port"));
    };
    if !same_origin(headers, host) {
        let message = "the console does not answer pages of other sites";
        return Err(Error::new(StatusCode::FORBIDDEN, message));
    }
    if uri.query().is_some_and(|query| query.len() > LONGEST_QUERY) {
        return Err(Error::new(StatusCode::URI_TOO_LONG, "the query is longer than 8 KiB"));
    }
    if uri.path().starts_with("/api") && !shows_token(headers, admin) {
        return Err(Error::new(
            StatusCode::UNAUTHORIZED,
            "the console's token is missing or wrong",
        )
        .with_hint("send `Authorization: Bearer TOKEN`; `levity run` says which file holds it"));
    }
    Ok(())
}

/// The one `Host` of a request.
fn host(headers: &HeaderMap) -> Option<&str> {
    let mut hosts = headers.get_all(header::HOST).iter();
    let (host, None) = (hosts.next()?, hosts.next()) else { return None };
    host.to_str().ok()
}

/// Whether a name, with or without a port, is one of this machine's own. Any other may be a stranger's that leads here
/// (DNS rebinding).
fn is_this_machine(host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else { return false };
    let own = ["127.0.0.1", "localhost", "[::1]"];
    !host.contains('@') && own.iter().any(|own| authority.host().eq_ignore_ascii_case(own))
}

/// Whether the page that asks, if one does, is the console's own.
fn same_origin(headers: &HeaderMap, host: &str) -> bool {
    headers.get_all(header::ORIGIN).iter().all(|origin| {
        let origin = origin.to_str().ok().and_then(|origin| origin.strip_prefix("http://"));
        origin.is_some_and(|origin| origin.eq_ignore_ascii_case(host))
    })
}

fn shows_token(headers: &HeaderMap, admin: &Admin) -> bool {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return false };
    match value.as_bytes().split_at_checked(7) {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case(b"bearer ") => {
            admin.token.is(token.trim_ascii())
        }
        Some(_) | None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_taken() {
        for (host, taken) in [
            ("127.0.0.1:8046", true),
            ("127.0.0.1", true),
            ("LocalHost:1", true),
            ("[::1]:8046", true),
            ("evil.example", false),
            ("127.0.0.1.evil.example:8046", false),
            ("localhost.evil.example", false),
            ("evil@127.0.0.1", false),
            ("127.0.0.1:x@evil.example", false),
            ("0.0.0.0:8046", false),
            ("127.0.0.2", false),
            ("", false),
            ("[::1", false),
        ] {
            assert_eq!(is_this_machine(host), taken, "{host}");
        }
    }

    #[test]
    fn only_the_consoles_own_page_may_ask() {
        for (origins, same) in [
            (&[][..], true),
            (&["http://127.0.0.1:8046"], true),
            (&["http://127.0.0.1:8047"], false),
            (&["https://127.0.0.1:8046"], false),
            (&["http://localhost:8046"], false),
            (&["null"], false),
            (&["http://127.0.0.1:8046", "http://evil.example"], false),
        ] {
            let mut headers = HeaderMap::new();
            for origin in origins {
                headers.append(header::ORIGIN, HeaderValue::from_static(origin));
            }
            assert_eq!(same_origin(&headers, "127.0.0.1:8046"), same, "{origins:?}");
        }
    }
}
