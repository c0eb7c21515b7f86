//! Files that only their owner can read: written whole, and never over another.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

/// Makes a file of mode 0600 with this line in it, and its folder where there is none; another file of that name stays,
/// and is the error `AlreadyExists`.
pub fn create(path: &Path, line: &str) -> io::Result<()> {
    folder(path.parent().unwrap_or(path))?;
    let draft = path.with_extension(std::process::id().to_string());
    let outcome = write(&draft, line).and_then(|()| publish(&draft, path));
    // Whether it was linked or not, the draft has done its work.
    let _ = fs::remove_file(&draft);
    outcome
}

/// Writes a file of mode 0600 with this line in it, in one step, over the one that is there.
pub fn replace(path: &Path, line: &str) -> io::Result<()> {
    folder(path.parent().unwrap_or(path))?;
    let draft = path.with_extension(std::process::id().to_string());
    write(&draft, line).and_then(|()| fs::rename(&draft, path))
}

/// Makes a folder that only its owner can look into, where there is none.
pub fn folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Gives a finished draft its name, in one step and never over another file.
fn publish(draft: &Path, path: &Path) -> io::Result<()> {
    match fs::hard_link(draft, path) {
        // Some network and memory card file systems have no links and say one of these.
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::Unsupported | io::ErrorKind::PermissionDenied
            ) =>
        {
            fs::rename(draft, path)
        }
        outcome => outcome,
    }
}

fn write(path: &Path, line: &str) -> io::Result<()> {
    // A draft that a killed start left behind may have another mode.
    let _ = fs::remove_file(path);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    writeln!(file, "{line}")?;
    file.sync_all()
}
