//! The console page: files built into the binary, and the headers that let a browser load nothing else.

use std::sync::LazyLock;

use axum::Router;
use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderName, IF_NONE_MATCH,
    REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{HeaderMap, StatusCode};
use sha2::{Digest, Sha256};

use super::error::Error;

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

/// Scripts, styles and requests of this origin alone, nothing inline, and nobody frames it.
const POLICY: &str = "default-src 'self'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'; object-src 'none'; require-trusted-types-for 'script'";

/// What every file is sent with.
const HEADERS: [(HeaderName, &str); 5] = [
    (CONTENT_SECURITY_POLICY, POLICY),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (X_FRAME_OPTIONS, "DENY"),
    (REFERRER_POLICY, "no-referrer"),
    // Asked for each time and answered with 304: after an upgrade no old module meets a new one.
    (CACHE_CONTROL, "no-cache"),
];

/// One file: its path below `/assets/`, its type, what is in it.
struct File {
    path: &'static str,
    kind: &'static str,
    body: &'static [u8],
}

macro_rules! file {
    ($path:literal, $kind:expr) => {
        File { path: $path, kind: $kind, body: include_bytes!(concat!("page/", $path)) }
    };
}

const INDEX: File = file!("index.html", HTML);

const FILES: [File; 29] = [
    file!("icon.svg", SVG),
    file!("style.css", CSS),
    file!("theme.js", JAVASCRIPT),
    file!("app.js", JAVASCRIPT),
    file!("api.js", JAVASCRIPT),
    file!("live.js", JAVASCRIPT),
    file!("route.js", JAVASCRIPT),
    file!("ui.js", JAVASCRIPT),
    file!("format.js", JAVASCRIPT),
    file!("snippets.js", JAVASCRIPT),
    file!("chart.js", JAVASCRIPT),
    file!("i18n/index.js", JAVASCRIPT),
    file!("i18n/en.js", JAVASCRIPT),
    file!("pages/proxy.js", JAVASCRIPT),
    file!("pages/settings.js", JAVASCRIPT),
    file!("pages/key.js", JAVASCRIPT),
    file!("pages/clients.js", JAVASCRIPT),
    file!("pages/try.js", JAVASCRIPT),
    file!("pages/accounts.js", JAVASCRIPT),
    file!("pages/account_form.js", JAVASCRIPT),
    file!("pages/monitor.js", JAVASCRIPT),
    file!("pages/request.js", JAVASCRIPT),
    file!("pages/usage.js", JAVASCRIPT),
    file!("pages/models.js", JAVASCRIPT),
    file!("vendor/preact.js", JAVASCRIPT),
    file!("vendor/hooks.js", JAVASCRIPT),
    file!("vendor/htm.js", JAVASCRIPT),
    file!("vendor/uplot.js", JAVASCRIPT),
    file!("vendor/uplot.css", CSS),
];

/// The tag of each of `FILES`, and that of `INDEX` last.
static TAGS: LazyLock<Vec<String>> =
    LazyLock::new(|| FILES.iter().chain([&INDEX]).map(|file| tag(file.body)).collect());

/// `GET /` and `GET /assets/…`, which need no token: the page holds no data.
pub fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new().route("/", get(|headers: HeaderMap| async move { index(&headers) })).route(
        "/assets/{*path}",
        get(|Path(path): Path<String>, headers: HeaderMap| async move { asset(&path, &headers) }),
    )
}

fn index(headers: &HeaderMap) -> Response {
    send(&INDEX, TAGS.last(), headers)
}

fn asset(path: &str, headers: &HeaderMap) -> Response {
    // Only what is in the list is there, so no path leads out of it.
    match FILES.iter().zip(TAGS.iter()).find(|(file, _)| file.path == path) {
        Some((file, tag)) => send(file, Some(tag), headers),
        None => Error::not_found("no such file of the console page").into_response(),
    }
}

/// The file, or 304 when the browser has it.
fn send(file: &File, tag: Option<&String>, headers: &HeaderMap) -> Response {
    let tag = tag.map_or("", String::as_str);
    let known = headers.get(IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let same = known.is_some_and(|known| known.split(',').any(|each| each.trim() == tag));
    if same {
        return (StatusCode::NOT_MODIFIED, HEADERS, [(ETAG, tag)]).into_response();
    }
    (HEADERS, [(ETAG, tag), (CONTENT_TYPE, file.kind)], file.body).into_response()
}

/// A tag that changes with the file.
fn tag(body: &[u8]) -> String {
    let hash = Sha256::digest(body);
    format!("\"{}\"", URL_SAFE_NO_PAD.encode(hash.get(..12).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::ffi::OsStr;
    use std::fs;
    use std::path::Path;

    use super::*;

    /// Every file in the folder of the page, but for those that tell about it.
    fn found(folder: &Path, prefix: &str) -> BTreeSet<String> {
        let mut paths = BTreeSet::new();
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let name = format!("{prefix}{}", entry.file_name().to_str().unwrap());
            if entry.file_type().unwrap().is_dir() {
                paths.extend(found(&entry.path(), &format!("{name}/")));
            } else if !["md", "LICENSE"]
                .iter()
                .any(|end| Path::new(&name).extension() == Some(OsStr::new(end)))
            {
                paths.insert(name);
            }
        }
        paths
    }

    #[test]
    fn every_file_of_the_page_is_served() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/admin/page");
        let served = FILES.iter().chain([&INDEX]).map(|file| file.path.to_owned()).collect();
        assert_eq!(found(&folder, ""), served);
    }

    #[test]
    fn nothing_is_loaded_from_elsewhere() {
        for file in FILES.iter().chain([&INDEX]).filter(|file| !file.path.starts_with("vendor/")) {
            let text = std::str::from_utf8(file.body).unwrap();
            for word in ["src=\"http", "href=\"http", "from \"http", "url(http", "import(\"http"] {
                assert!(!text.contains(word), "{} has {word}", file.path);
            }
        }
    }

    #[test]
    fn a_file_that_the_browser_has_is_not_sent_again() {
        let mut headers = HeaderMap::new();
        let first = asset("app.js", &headers);
        assert_eq!(first.status(), StatusCode::OK);
        assert_eq!(first.headers()[CONTENT_TYPE], JAVASCRIPT);

        headers.insert(IF_NONE_MATCH, first.headers()[ETAG].clone());
        assert_eq!(asset("app.js", &headers).status(), StatusCode::NOT_MODIFIED);
        assert_eq!(asset("style.css", &headers).status(), StatusCode::OK);
    }

    #[test]
    fn no_path_leads_out_of_the_page() {
        for path in ["../page.rs", "pages/../../mod.rs", "/etc/passwd", "", "vendor", "README.md"] {
            assert_eq!(asset(path, &HeaderMap::new()).status(), StatusCode::NOT_FOUND, "{path}");
        }
    }
}
