//! Levity: any LLM client, any account of a pool, one port.

pub mod cli;
pub mod config;
pub mod dialects;
pub mod error;
