//! How credentials ask for an access token: the request for it, and what to do when it is refused.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Uri, header};
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Private};
use openssl::sign::Signer;
use serde::Serialize;
use url::form_urlencoded::Serializer;

use crate::config::Secret;
use crate::config::vertex::Credentials;

/// All of Google Cloud; what the account may do there is decided by its roles.
const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
/// How long an assertion is good: the most that Google allows.
const LIFETIME: Duration = Duration::from_hours(1);
const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/// Shows a metadata server that a program asks it on purpose.
const METADATA_FLAVOR: HeaderName = HeaderName::from_static("metadata-flavor");

/// What is shown for a token.
pub enum Grant {
    /// An assertion that is signed each time.
    /// <https://developers.google.com/identity/protocols/oauth2/service-account#authorizingrequests>
    Assertion {
        /// The service account.
        email: String,
        /// Which of its keys.
        key_id: Option<String>,
        /// That key.
        key: PKey<Private>,
        /// Whom it is made for.
        audience: String,
    },
    /// A refresh token. <https://developers.google.com/identity/protocols/oauth2/web-server#offline>
    Refresh(Secret),
    /// Nothing but being there. <https://cloud.google.com/compute/docs/access/authenticate-workloads#curl>
    Presence,
}

/// <https://www.rfc-editor.org/rfc/rfc7515>
#[derive(Serialize)]
struct Header<'a> {
    alg: &'static str,
    typ: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    kid: Option<&'a str>,
}

/// <https://www.rfc-editor.org/rfc/rfc7523>
#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    scope: &'static str,
    aud: &'a str,
    iat: u64,
    exp: u64,
}

impl Grant {
    /// What credentials show. The error: a private key that the configuration would not have taken.
    pub fn new(credentials: &Credentials) -> Result<Self, ErrorStack> {
        Ok(match credentials {
            Credentials::ServiceAccount { email, key_id, private_key, audience } => {
                Self::Assertion {
                    email: email.clone(),
                    key_id: key_id.clone(),
                    key: PKey::private_key_from_pem(private_key.expose().as_bytes())?,
                    audience: audience.clone(),
                }
            }
            Credentials::AuthorizedUser { client_id, client_secret, refresh_token, .. } => {
                let form = Serializer::new(String::new())
                    .append_pair("grant_type", "refresh_token")
                    .append_pair("client_id", client_id)
                    .append_pair("client_secret", client_secret.expose())
                    .append_pair("refresh_token", refresh_token.expose())
                    .finish();
                Self::Refresh(Secret::new(form))
            }
            Credentials::Metadata => Self::Presence,
        })
    }

    /// The request for a token, made `now`.
    pub fn request(&self, target: &Uri, now: SystemTime) -> Result<Request<Bytes>, ErrorStack> {
        let form = match self {
            Self::Presence => {
                let mut request = Request::new(Bytes::new());
                *request.uri_mut() = target.clone();
                request.headers_mut().insert(METADATA_FLAVOR, HeaderValue::from_static("Google"));
                return Ok(request);
            }
            Self::Refresh(form) => form.expose().to_owned(),
            Self::Assertion { email, key_id, key, audience } => {
                let header = Header { alg: "RS256", typ: "JWT", kid: key_id.as_deref() };
                let iat = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
                let exp = iat + LIFETIME.as_secs();
                let claims = Claims { iss: email, scope: SCOPE, aud: audience, iat, exp };
                Serializer::new(String::new())
                    .append_pair("grant_type", JWT_BEARER)
                    .append_pair("assertion", &signed(&header, &claims, key)?)
                    .finish()
            }
        };
        let mut request = Request::new(Bytes::from(form));
        *request.method_mut() = http::Method::POST;
        *request.uri_mut() = target.clone();
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        request.headers_mut().insert(header::CONTENT_TYPE, form);
        Ok(request)
    }

    /// Whether a refusal in these words holds until the owner writes other credentials: a machine's own service account
    /// may be attached at any time, and a clock set right.
    pub fn is_final(&self, words: &str) -> bool {
        match self {
            Self::Assertion { .. } => !words.contains(CLOCK),
            Self::Refresh(_) => true,
            Self::Presence => false,
        }
    }

    /// What the owner can do about a refusal in these words.
    pub fn advice(&self, words: &str) -> &'static str {
        match self {
            Self::Assertion { .. } if words.contains(CLOCK) => "set this machine's clock right",
            Self::Assertion { .. } => {
                "the service account's key was deleted or disabled: make a new one, put it where credentials says and reload"
            }
            Self::Refresh(_) => "run `gcloud auth application-default login` again and reload",
            Self::Presence => "attach a service account to this machine, or write credentials",
        }
    }
}

/// "Token must be a short-lived token (60 minutes) and in a reasonable timeframe."
const CLOCK: &str = "reasonable timeframe";

fn signed(
    header: &Header<'_>,
    claims: &Claims<'_>,
    key: &PKey<Private>,
) -> Result<String, ErrorStack> {
    // Texts and numbers always have a JSON form.
    let encoded =
        |json: Result<Vec<u8>, serde_json::Error>| URL_SAFE_NO_PAD.encode(json.unwrap_or_default());
    let header = encoded(serde_json::to_vec(header));
    let claims = encoded(serde_json::to_vec(claims));
    let said = format!("{header}.{claims}");
    let mut signer = Signer::new(MessageDigest::sha256(), key)?;
    let signature = signer.sign_oneshot_to_vec(said.as_bytes())?;
    Ok(format!("{said}.{}", URL_SAFE_NO_PAD.encode(signature)))
}
