//! Tells a service manager how the process is, where one asked for it: `sd_notify` of systemd.
//! <https://www.freedesktop.org/software/systemd/man/latest/sd_notify.html>

use std::os::unix::net::UnixDatagram;

use crate::config::environment::Environment;

/// The process is told to stop, and its requests come to their end.
pub const STOPPING: &str = "STOPPING=1";

/// The process serves, and it is the one to watch: after an upgrade that is another than before.
pub fn ready() -> String {
    format!("READY=1\nMAINPID={}", std::process::id())
}

/// Says it to the socket that `NOTIFY_SOCKET` names, if it names one that is a path.
pub fn tell(environment: &Environment, state: &str) {
    let Some(socket) = environment.get("NOTIFY_SOCKET") else { return };
    let told = UnixDatagram::unbound().and_then(|us| us.send_to(state.as_bytes(), socket));
    if let Err(error) = told {
        log::warn!("cannot tell the service manager at {socket}: {error}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_said_where_it_is_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        let environment = Environment::from_iter([("NOTIFY_SOCKET", path.to_str().unwrap())]);
        tell(&environment, &ready());
        let mut heard = [0; 100];
        let length = manager.recv(&mut heard).unwrap();
        assert!(heard[..length].starts_with(b"READY=1\nMAINPID="));
        tell(&Environment::default(), STOPPING);
    }
}
