//! The description of the admin API, for tools that read OpenAPI.

use axum::Router;
use axum::http::header;
use axum::routing::get;

use super::Admin;

/// OpenAPI 3.1 of every path under `/api`, and of those without a token.
pub const DESCRIPTION: &str = include_str!("openapi.json");

/// The paths of this file.
pub fn routes() -> Router<Admin> {
    let described = || async { ([(header::CONTENT_TYPE, "application/json")], DESCRIPTION) };
    Router::new().route("/api/openapi.json", get(described))
}
