//! Levity: any LLM client, any account of a pool, one port.

pub mod cli;
pub mod config;
pub mod error;

pub mod ir;
pub mod sse;

pub mod dialects;

pub mod auth;
pub mod json;
pub mod route;

pub mod embeddings;

pub mod address;
pub mod clock;
pub mod pattern;
pub mod pool;

pub mod translate;

pub mod queue;
pub mod sqlite;

pub mod store;

pub mod metrics;
pub mod monitor;

pub mod demo;
pub mod proxy;

pub mod telemetry;

pub mod cooldowns;
pub mod server;

pub mod loader;

pub mod control;

pub mod admin;
