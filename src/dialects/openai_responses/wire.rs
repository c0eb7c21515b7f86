//! OpenAI Responses as it stands on the wire: types and nothing else.

pub mod item;
pub mod text;

pub mod request;
pub mod response;

pub mod event;

pub mod input;
pub mod output;
