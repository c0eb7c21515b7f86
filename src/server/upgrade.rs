//! One process takes over from another without a connection lost: the old one hands its listeners over a socket in the
//! state folder, and ends when its requests have.
//!
//! ```text
//! new: connects ─▶ old: its listeners ─▶ new: serves, says ready ─▶ old: closes its own, says done ─▶ new: offers in turn
//! ```
//!
//! A new process that ends before it is ready leaves the old one as it was.

use std::fs;
use std::io::{self, IoSlice, IoSliceMut, Read as _, Write as _};
use std::mem::MaybeUninit;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use serde::{Deserialize, Serialize};
use tokio::net::UnixListener;
use tokio::sync::oneshot;

use super::port::{self, Bound};
use crate::config::private;
use crate::control::Control;
use crate::control::hand_over::HandOver;
use crate::error::Failure;

/// How long the other process may take for a step.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a process that takes over may take in all until it serves: until then this one can neither stop nor reload.
const UNTIL_READY: Duration = Duration::from_secs(10);
/// How long to wait after a failure that is likely to come again.
const PAUSE: Duration = Duration::from_secs(1);
/// What the new process says when it serves.
const READY: &str = "ready";
/// What the old one says when its own ports are closed.
const DONE: &str = "done";
/// The longest offer, in bytes.
const LONGEST_OFFER: usize = 1024;
/// Listeners in an offer: the proxy's and the console's.
const LISTENERS: usize = 2;

/// What the old process offers; the listeners come with it, in this order.
#[derive(Debug, Deserialize, Serialize)]
struct Offer {
    /// The old process's id.
    process: u32,
    /// Its version.
    version: String,
    /// Whether the proxy port's listener is among them.
    port: bool,
    /// Whether the console's is.
    console: bool,
}

/// Ports taken from another process, which serves them too until it is told that this one does.
pub struct Taken {
    other: UnixStream,
    offer: Offer,
    port: Option<TcpListener>,
    console: Option<TcpListener>,
}

/// Where a gateway with this port offers its listeners.
fn socket(state_folder: &Path, port: u16) -> PathBuf {
    state_folder.join(format!("upgrade-{port}.sock"))
}

/// Takes the ports of the running gateway with the same state folder and proxy port; `None` when there is none.
pub fn take(state_folder: Option<&Path>, port: u16) -> Result<Option<Taken>, Failure> {
    let Some(folder) = state_folder else {
        return Err(Failure::failed(
            "there is no state folder, in which a running gateway could be found",
        )
        .with_hint("set HOME or XDG_STATE_HOME as for the running gateway"));
    };
    let path = socket(folder, port);
    let other = match UnixStream::connect(&path) {
        Ok(other) => other,
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
            ) =>
        {
            return Ok(None);
        }
        Err(error) => return Err(failed(&path, &error)),
    };
    receive(other).map(Some).map_err(|error| failed(&path, &error))
}

fn failed(path: &Path, error: &io::Error) -> Failure {
    Failure::failed(format!("cannot take over from the gateway at {}: {error}", path.display()))
        .with_hint("it goes on as before; ask as the user who runs it")
}

fn receive(other: UnixStream) -> io::Result<Taken> {
    other.set_read_timeout(Some(PATIENCE))?;
    let mut text = [0; LONGEST_OFFER];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(LISTENERS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut into = [IoSliceMut::new(&mut text)];
    let bytes = recvmsg(&other, &mut into, &mut control, RecvFlags::empty())?.bytes;
    if bytes == 0 {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it went away; try again"));
    }
    let mut files = Vec::<OwnedFd>::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(listeners) = message {
            files.extend(listeners);
        }
    }
    let mut listeners = files.into_iter();
    let text = text.get(..bytes).unwrap_or_default();
    let offer: Offer = serde_json::from_slice(text)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is another version"))?;
    let mut next = |offered: bool| {
        let Some(file) = offered.then(|| listeners.next()).flatten() else { return Ok(None) };
        // Programs that this one starts do not get it.
        rustix::io::fcntl_setfd(&file, rustix::io::FdFlags::CLOEXEC)?;
        Ok::<_, io::Error>(Some(TcpListener::from(file)))
    };
    let (port, console) = (next(offer.port)?, next(offer.console)?);
    Ok(Taken { other, offer, port, console })
}

impl Taken {
    /// Whether the other process takes requests, and does not only wait for a start.
    pub const fn is_running(&self) -> bool {
        self.offer.port
    }

    /// Who is taken over from.
    pub fn from(&self) -> String {
        format!("process {} (version {})", self.offer.process, self.offer.version)
    }

    /// The proxy port for this address: the one taken, where it is that one, else another beside it.
    pub fn port(&mut self, wanted: SocketAddr) -> Result<Bound, Failure> {
        bound(self.port.take(), wanted)
    }

    /// The console's port, in the same way.
    pub fn console(&mut self, wanted: SocketAddr) -> Result<Bound, Failure> {
        bound(self.console.take(), wanted)
    }

    /// Tells the other process that this one serves, and waits until it does no longer.
    fn settle(mut self) -> io::Result<()> {
        writeln!(self.other, "{READY}")?;
        if hear(&self.other, PATIENCE)? == DONE {
            Ok(())
        } else {
            Err(io::ErrorKind::UnexpectedEof.into())
        }
    }
}

/// A line that the other process says, within `patience` in all.
fn hear(mut other: &UnixStream, patience: Duration) -> io::Result<String> {
    let until = Instant::now() + patience;
    let mut said = Vec::new();
    let mut piece = [0; 16];
    while !said.ends_with(b"\n") {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        other.set_read_timeout(Some(left))?;
        let read = other.read(&mut piece)?;
        if read == 0 || said.len() > LONGEST_OFFER {
            break;
        }
        said.extend_from_slice(piece.get(..read).unwrap_or_default());
    }
    Ok(String::from_utf8_lossy(&said).trim_end().to_owned())
}

fn bound(taken: Option<TcpListener>, wanted: SocketAddr) -> Result<Bound, Failure> {
    let Some(taken) = taken else { return port::bind(wanted) };
    let address = taken.local_addr()?;
    let fits = address.ip() == wanted.ip() && [0, address.port()].contains(&wanted.port());
    if fits { Ok(Bound::new(taken)?) } else { port::bind_beside(&taken, wanted) }
}

/// Tells the process that was taken over from, if any, that this one serves. Then offers this one's ports in turn, until
/// somebody takes them, which `handed_over` is told.
pub async fn offer(control: Control, taken: Option<Taken>, handed_over: oneshot::Sender<()>) {
    if let Some(taken) = taken {
        let from = taken.from();
        match tokio::task::spawn_blocking(move || taken.settle()).await {
            Ok(Ok(())) => log::info!("took over from {from}"),
            Ok(Err(error)) => log::warn!("{from} did not say that it is done: {error}"),
            Err(error) => log::error!("taking over failed: {error}"),
        }
    }
    let Some(folder) = control.loader().state_folder() else { return };
    let mut states = control.watch();
    loop {
        let port = control.live().load().config.proxy.port;
        let path = socket(&folder, port);
        let Some(listener) = listen(&path) else { return };
        let name = Name(path);
        let moved = async {
            while control.live().load().config.proxy.port == port {
                if states.changed().await.is_err() {
                    return;
                }
            }
        };
        let given = tokio::select! {
            () = give(&listener, &name, &control) => true,
            () = moved => false,
        };
        if given {
            // With the receiver gone the process is at its end anyway.
            let _ = handed_over.send(());
            // By now the name is the other's.
            std::mem::forget(name);
            return;
        }
    }
}

/// The name under which this process can be found, for as long as this lives.
struct Name(PathBuf);

impl Drop for Name {
    fn drop(&mut self) {
        // Whoever comes finds nobody there, by a name or without one.
        let _ = fs::remove_file(&self.0);
    }
}

/// Listens for a process that takes over. It stands ready under its name, for this user alone, in one step.
fn listen(path: &Path) -> Option<UnixListener> {
    if UnixStream::connect(path).is_ok() {
        log::debug!("another gateway offers its ports at {}; this one does not", path.display());
        return None;
    }
    let draft = path.with_extension(std::process::id().to_string());
    let listening = || {
        private::folder(path.parent().unwrap_or(path))?;
        let listener = UnixListener::bind(&draft)?;
        fs::set_permissions(&draft, fs::Permissions::from_mode(0o600))?;
        fs::rename(&draft, path)?;
        Ok::<_, io::Error>(listener)
    };
    let listener = listening();
    if let Err(error) = &listener {
        let _ = fs::remove_file(&draft);
        log::warn!(
            "`levity run --upgrade` will not find this gateway: {}: {error}",
            path.display()
        );
    }
    listener.ok()
}

/// Gives the ports to the first process that takes them and is ready; resolves when it serves and this one does not.
async fn give(listener: &UnixListener, name: &Name, control: &Control) {
    loop {
        let taker = match listener.accept().await.and_then(|(taker, _)| taker.into_std()) {
            Ok(taker) => taker,
            Err(error) => {
                log::warn!("a process that wants to take over cannot be heard: {error}");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        let hand_over = control.hand_over().await;
        let tried = tokio::task::spawn_blocking(move || give_to(taker, hand_over)).await;
        match tried {
            Ok(Ok((mut taker, hand_over))) => {
                // The name is the other's from now on.
                let _ = fs::remove_file(&name.0);
                hand_over.complete().await;
                log::info!("another process has taken over; this one ends when its requests have");
                let _ = writeln!(taker, "{DONE}");
                return;
            }
            Ok(Err(error)) => {
                log::warn!(
                    "another process wanted to take over and gave up ({error}); this one goes on"
                );
            }
            Err(error) => log::error!("handing over failed: {error}"),
        }
    }
}

/// Offers the ports to a process and waits until it is ready.
fn give_to(taker: UnixStream, hand_over: HandOver) -> io::Result<(UnixStream, HandOver)> {
    taker.set_nonblocking(false)?;
    taker.set_write_timeout(Some(UNTIL_READY))?;
    let (port, console) = (hand_over.port(), hand_over.console());
    let offer = Offer {
        process: std::process::id(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        port: port.is_some(),
        console: console.is_some(),
    };
    let text = serde_json::to_vec(&offer)?;
    let listeners: Vec<_> = port.into_iter().chain(console).map(TcpListener::as_fd).collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(LISTENERS))];
    let mut with = SendAncillaryBuffer::new(&mut space);
    if !listeners.is_empty() {
        with.push(SendAncillaryMessage::ScmRights(&listeners));
    }
    sendmsg(&taker, &[IoSlice::new(&text)], &mut with, SendFlags::empty())?;
    if hear(&taker, UNTIL_READY)? != READY {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it ended"));
    }
    Ok((taker, hand_over))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_says_a_word_now_and_then_is_not_heard_for_ever() {
        let (here, mut there) = UnixStream::pair().unwrap();
        let talking = std::thread::spawn(move || {
            while there.write_all(b".").is_ok() {
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        assert!(hear(&here, Duration::from_millis(100)).is_err());
        drop(here);
        talking.join().unwrap();
    }

    #[test]
    fn a_line_may_come_in_pieces_and_an_offer_not_at_all() {
        let (here, there) = UnixStream::pair().unwrap();
        drop(there);
        let gone = receive(here).err().unwrap();
        assert!(gone.to_string().contains("try again"), "{gone}");
        let (here, mut there) = UnixStream::pair().unwrap();
        let talking = std::thread::spawn(move || {
            for letter in ["re", "a", "dy\n"] {
                there.write_all(letter.as_bytes()).unwrap();
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        assert_eq!(hear(&here, Duration::from_secs(20)).unwrap(), READY);
        talking.join().unwrap();
        assert_eq!(hear(&here, Duration::from_secs(20)).unwrap(), "", "it went away");
    }
}
