//! `provider: vertex`: project, region and credentials, as written or where Google's own tools keep them.

use std::fs;
use std::path::{Path, PathBuf};

use openssl::pkey::PKey;
use serde::Deserialize;
use url::Url;

use super::forms::{Wrong, base_url, text};
use super::load::plain;
use super::reader::{Key, Reader, Section};
use super::yaml::Scalar;
use super::{Account, Provider, Secret};

/// Google's OAuth endpoint. <https://developers.google.com/identity/protocols/oauth2/service-account>
const TOKEN_URI: &str = "https://oauth2.googleapis.com/token";
/// <https://cloud.google.com/compute/docs/access/authenticate-workloads#curl>
const METADATA_HOST: &str = "metadata.google.internal";
const METADATA_PATH: &str = "/computeMetadata/v1/instance/service-accounts/default/token";
/// The location without a region, which serves most models.
const GLOBAL: &str = "global";
/// The key's value for the machine's own service account.
const METADATA: &str = "metadata";
/// What to do where no credentials are found.
const HINT: &str = "give credentials the path of a service account's key file, its JSON, or `metadata` for \
                    the service account of this machine; `gcloud auth application-default login` makes a user's";

/// A project at Vertex AI, and who asks there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vertex {
    /// The project's id.
    pub project: String,
    /// The location, such as `us-east5` or `global`.
    pub region: String,
    /// Who asks.
    pub credentials: Credentials,
    /// Where the credentials were found, for the owner.
    pub found: String,
    /// Where access tokens come from.
    pub token_url: Url,
}

/// What an access token is given for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credentials {
    /// A service account's key.
    ServiceAccount {
        /// Its name.
        email: String,
        /// The key's id.
        key_id: Option<String>,
        /// The RSA key in PEM, which can be read.
        private_key: Secret,
        /// For whom its assertions are made: the provider's own token endpoint.
        audience: String,
    },
    /// A user, as `gcloud auth application-default login` leaves it.
    AuthorizedUser {
        /// The client that the user allowed.
        client_id: String,
        /// Its secret.
        client_secret: Secret,
        /// The user's.
        refresh_token: Secret,
        /// The project that is charged.
        quota_project: Option<String>,
    },
    /// The service account of this machine, which its metadata server gives tokens for.
    Metadata,
}

impl Credentials {
    /// What tells them from others; secrets among it, so it is for a hash.
    pub fn identity(&self) -> [&str; 2] {
        match self {
            Self::ServiceAccount { email, private_key, .. } => [email, private_key.expose()],
            Self::AuthorizedUser { client_id, refresh_token, .. } => {
                [client_id, refresh_token.expose()]
            }
            Self::Metadata => ["metadata", ""],
        }
    }

    /// What they are, without a secret.
    pub fn describe(&self) -> String {
        match self {
            Self::ServiceAccount { email, .. } => format!("service account {email}"),
            Self::AuthorizedUser { .. } => "a user's".to_owned(),
            Self::Metadata => "the service account of this machine".to_owned(),
        }
    }
}

/// The keys of a section that are for Vertex AI alone.
pub(super) struct Draft {
    credentials: Key,
    project: Option<String>,
    region: Option<String>,
    token_url: Option<Url>,
}

impl Draft {
    /// Takes the keys.
    pub(super) fn read(reader: &mut Reader<'_>, section: &mut Section) -> Self {
        Self {
            credentials: reader.phrase(section, "credentials"),
            project: reader.value(section, "project", project),
            region: reader.value(section, "region", region),
            token_url: reader.value(section, "token_url", base_url),
        }
    }

    /// The region, and Vertex AI's base URL for it.
    pub(super) fn location(&self, reader: &Reader<'_>) -> (String, Option<Url>) {
        let usual = || reader.variable(&["GOOGLE_CLOUD_LOCATION", "CLOUD_ML_REGION"]);
        let usual = || usual().map(|(_, region)| region.to_owned());
        let region = self.region.clone().or_else(usual).unwrap_or_else(|| GLOBAL.to_owned());
        let host = match region.as_str() {
            GLOBAL => "aiplatform.googleapis.com".to_owned(),
            "us" | "eu" => format!("aiplatform.{region}.rep.googleapis.com"),
            region => format!("{region}-aiplatform.googleapis.com"),
        };
        let url = Url::parse(&format!("https://{host}")).ok();
        (region, url)
    }

    /// Says what is out of place in an account of another provider.
    pub(super) fn refuse(&self, reader: &mut Reader<'_>, section: &Section, provider: Provider) {
        let written = [
            ("credentials", !matches!(self.credentials, Key::Absent)),
            ("project", self.project.is_some()),
            ("region", self.region.is_some()),
            ("token_url", self.token_url.is_some()),
        ];
        for (key, _) in written.into_iter().filter(|(_, written)| *written) {
            let message = format!("is for vertex accounts; {} accounts have none", provider.name());
            reader.complain(section, key, &message);
        }
    }

    /// Gives a Vertex account its project and credentials, or says what is to be thought of it having none.
    pub(super) fn give(self, reader: &mut Reader<'_>, section: &Section, account: &mut Account) {
        let idle = !account.is_active();
        let (region, _) = self.location(reader);
        let found = match &self.credentials {
            Key::Refused => return,
            Key::Blank => {
                account.enabled = false;
                return;
            }
            Key::Absent | Key::Unset(_) if idle => return,
            Key::Unset(name) => {
                let message = format!("the variable {name} is not set");
                let hint = format!(
                    "set {name}; or write ${{{name}:-}} to leave the account out where it is not set"
                );
                reader.complain_with_hint(section, "credentials", &message, Some(hint));
                return;
            }
            Key::Absent => usual(reader),
            Key::Known(written) => parse_written(reader, written.expose()),
        };
        let found = match found {
            Ok(found) => found,
            Err(message) => {
                reader.complain_with_hint(section, "credentials", &message, Some(HINT.to_owned()));
                return;
            }
        };
        let variable = reader.variable(&["GOOGLE_CLOUD_PROJECT"]).map(|(_, id)| id.to_owned());
        let Some(project) = self.project.or(found.project).or(variable).or(found.quota_project)
        else {
            let message = "is missing; expected the id of a project, as the credentials name none";
            reader.complain(section, "project", message);
            return;
        };
        let Some(token_url) = self.token_url.or(found.token_url) else {
            reader.complain(section, "credentials", "their token_uri is not a URL");
            return;
        };
        let (credentials, found) = (found.credentials, found.place);
        account.vertex = Some(Vertex { project, region, credentials, found, token_url });
    }
}

/// Credentials, with what else is said where they were found.
struct Found {
    credentials: Credentials,
    place: String,
    project: Option<String>,
    quota_project: Option<String>,
    token_url: Option<Url>,
}

/// `credentials` as it is written: a path, the JSON itself, or `metadata`. It is not repeated: it may be a key.
fn parse_written(reader: &Reader<'_>, written: &str) -> Result<Found, String> {
    if written == METADATA {
        return Ok(metadata(reader, "by the metadata server".to_owned()));
    }
    if written.starts_with('{') {
        return parse(written, "from the config").map_err(|why| format!("the JSON {why}"));
    }
    let home = || reader.variable(&["HOME"]).map(|(_, home)| Path::new(home));
    let path = match written.strip_prefix("~/").zip(home()) {
        Some((rest, home)) => home.join(rest),
        None => PathBuf::from(written),
    };
    open(&path).map_err(|why| format!("the file that it names {why}"))
}

/// Where nothing is written: as Google's own libraries look for them.
/// <https://cloud.google.com/docs/authentication/application-default-credentials>
fn usual(reader: &Reader<'_>) -> Result<Found, String> {
    if let Some((name, path)) = reader.variable(&["GOOGLE_APPLICATION_CREDENTIALS"]) {
        return open(Path::new(path)).map_err(|why| format!("the file that {name} names {why}"));
    }
    let home =
        || reader.variable(&["HOME"]).map(|(_, home)| Path::new(home).join(".config/gcloud"));
    let folder = reader.variable(&["CLOUDSDK_CONFIG"]).map(|(_, folder)| PathBuf::from(folder));
    let file =
        folder.or_else(home).map(|folder| folder.join("application_default_credentials.json"));
    match file.filter(|file| file.exists()) {
        Some(file) => open(&file).map_err(|why| format!("the file that gcloud left {why}")),
        None => Ok(metadata(reader, "by the metadata server, as no file was found".to_owned())),
    }
}

fn metadata(reader: &Reader<'_>, place: String) -> Found {
    let host = reader.variable(&["GCE_METADATA_HOST"]).map_or(METADATA_HOST, |(_, host)| host);
    let token_url = Url::parse(&format!("http://{host}{METADATA_PATH}")).ok();
    let credentials = Credentials::Metadata;
    Found { credentials, place, project: None, quota_project: None, token_url }
}

fn open(path: &Path) -> Result<Found, String> {
    let json = fs::read_to_string(path)
        .map_err(|error| format!("cannot be read: {}", plain(error.kind())))?;
    parse(&json, &format!("from {}", path.display()))
}

/// What Google's tools write. <https://google.aip.dev/auth/4112>, <https://google.aip.dev/auth/4113>
#[derive(Deserialize)]
struct File {
    #[serde(rename = "type")]
    kind: Option<String>,
    project_id: Option<String>,
    private_key_id: Option<String>,
    private_key: Option<String>,
    client_email: Option<String>,
    token_uri: Option<String>,
    client_id: Option<String>,
    client_secret: Option<String>,
    refresh_token: Option<String>,
    quota_project_id: Option<String>,
}

fn parse(json: &str, place: &str) -> Result<Found, String> {
    // serde's own words may hold a piece of the text.
    let file: File = serde_json::from_str(json).map_err(|_| "is not the JSON of credentials")?;
    let audience = file.token_uri.unwrap_or_else(|| TOKEN_URI.to_owned());
    let lacks = |key: &str| format!("has no {key}");
    let credentials = match file.kind.as_deref() {
        Some("service_account") => {
            let private_key = file.private_key.ok_or_else(|| lacks("private_key"))?;
            let key = PKey::private_key_from_pem(private_key.as_bytes()).and_then(|key| key.rsa());
            key.map_err(|_| "has a private_key that is no RSA key in PEM")?;
            Credentials::ServiceAccount {
                email: file.client_email.ok_or_else(|| lacks("client_email"))?,
                key_id: file.private_key_id,
                private_key: Secret::new(private_key),
                audience: audience.clone(),
            }
        }
        Some("authorized_user") => Credentials::AuthorizedUser {
            client_id: file.client_id.ok_or_else(|| lacks("client_id"))?,
            client_secret: Secret::new(file.client_secret.ok_or_else(|| lacks("client_secret"))?),
            refresh_token: Secret::new(file.refresh_token.ok_or_else(|| lacks("refresh_token"))?),
            quota_project: file.quota_project_id.clone(),
        },
        Some("external_account" | "impersonated_service_account" | "gdch_service_account") => {
            return Err(
                "is of a type that is not served: only service_account and authorized_user are"
                    .to_owned(),
            );
        }
        Some(_) | None => return Err("is not the JSON of credentials".to_owned()),
    };
    Ok(Found {
        credentials,
        place: place.to_owned(),
        project: file.project_id,
        quota_project: file.quota_project_id,
        token_url: Url::parse(&audience).ok(),
    })
}

/// What stands between two slashes of a path.
fn segment(scalar: &Scalar, also: &[char], expected: &str) -> Result<String, Wrong> {
    text(scalar)
        .ok()
        .filter(|text| {
            text.len() <= 100
                && text.chars().all(|c| c.is_ascii_alphanumeric() || also.contains(&c))
        })
        .ok_or_else(|| Wrong::expected(expected))
}

/// A project's id; old ones have a domain.
fn project(scalar: &Scalar) -> Result<String, Wrong> {
    segment(scalar, &['-', '.', ':', '_'], "the id of a project, such as my-project-123")
}

fn region(scalar: &Scalar) -> Result<String, Wrong> {
    segment(scalar, &['-'], "a region such as us-east5, or global")
}
