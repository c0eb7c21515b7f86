//! The neutral form in the middle: what a request asks and an answer says, in no provider's words.
//!
//! Everything borrows from the body that it was parsed from where it can (`Cow`), so that translating a request costs
//! one parse and one render. JSON that the gateway has no business reading (tool arguments, schemas) stays text.

pub mod request;
pub mod response;

pub mod event;
pub mod usage;

pub mod estimate;
pub mod fold;
pub mod grammar;
pub mod tidy;

pub mod error;
pub mod losses;
pub mod seal;

use std::borrow::Cow;

/// Text that borrows from a body where it can.
pub type Text<'a> = Cow<'a, str>;

/// A JSON value as text: valid JSON, carried and not read.
pub type Json<'a> = Cow<'a, serde_json::value::RawValue>;
