//! Where the log goes: stderr, for people or as JSON.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;

use super::{LogFormat, LogLevel};

/// Installs the log for the whole process. What Pingora says is kept to what an owner can act on.
pub(super) fn install(format: LogFormat, level: LogLevel) {
    let level = match level {
        LogLevel::Error => "error",
        LogLevel::Warn => "warn",
        LogLevel::Info => "info",
        LogLevel::Debug => "debug",
        LogLevel::Trace => "trace",
    };
    let quieter = if matches!(level, "debug" | "trace") { level } else { "off" };
    let filter = EnvFilter::new(format!(
        "{level},pingora={quieter},pingora_core={quieter},pingora_proxy={quieter},pingora_pool={quieter},h2=warn,hyper=warn"
    ));
    let builder = fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    // A log that is installed already (by a test) stays.
    let _ = match format {
        LogFormat::Plain => builder.compact().try_init().is_ok(),
        LogFormat::Json => builder.json().flatten_event(true).try_init().is_ok(),
    };
}
