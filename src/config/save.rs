//! The configuration's file replaced in one step: whoever reads it finds the old text or the new one.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

use super::private;

/// Why a file was not written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Someone else wrote it after it was read.
    #[error("{} was changed by someone else in the meantime; try again", .0.display())]
    Changed(PathBuf),
    /// The system refused.
    #[error("cannot write {}: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        reason: io::Error,
    },
}

/// Replaces the text of a file that still is `before`. Its mode and owner stay, and a link to it stays a link.
pub fn replace(path: &Path, before: &str, after: &str) -> Result<(), Error> {
    let failed = |reason| Error::File { path: path.to_owned(), reason };
    let target = fs::canonicalize(path).map_err(failed)?;
    let file = File::open(&target).map_err(failed)?;
    // Another gateway with the same file waits here, and then sees that it has changed.
    file.lock().map_err(failed)?;
    let now = fs::read_to_string(&target).map_err(failed)?;
    if now != before {
        return Err(Error::Changed(path.to_owned()));
    }
    let draft = draft(&target);
    let outcome = write_like(&file, &draft, after)
        .and_then(|()| fs::rename(&draft, &target))
        .and_then(|()| keep(&target));
    outcome.map_err(|reason| {
        let _ = fs::remove_file(&draft);
        failed(reason)
    })
}

/// Writes a file that is not there yet, for its owner alone.
pub fn create(path: &Path, text: &str) -> Result<(), Error> {
    let failed = |reason| Error::File { path: path.to_owned(), reason };
    let folder = path.parent().unwrap_or(path);
    private::folder(folder).map_err(failed)?;
    let draft = draft(path);
    // A link is never made over a file that is there.
    let outcome = write(&draft, text).and_then(|_| fs::hard_link(&draft, path));
    let _ = fs::remove_file(&draft);
    outcome.and_then(|()| keep(path)).map_err(|reason| {
        if reason.kind() == io::ErrorKind::AlreadyExists {
            Error::Changed(path.to_owned())
        } else {
            failed(reason)
        }
    })
}

/// Removes a file that still is `before`.
pub fn remove(path: &Path, before: &str) -> Result<(), Error> {
    let failed = |reason| Error::File { path: path.to_owned(), reason };
    let file = File::open(path).map_err(failed)?;
    file.lock().map_err(failed)?;
    if fs::read_to_string(path).map_err(failed)? != before {
        return Err(Error::Changed(path.to_owned()));
    }
    fs::remove_file(path).map_err(failed)
}

/// Whether the file can be replaced, as far as can be told without doing it.
pub fn is_writable(path: &Path) -> bool {
    let Ok(target) = fs::canonicalize(path) else { return false };
    // It is its folder that is written: another file takes its name.
    let writing = Access::WRITE_OK | Access::EXEC_OK;
    target.parent().is_some_and(|folder| access(folder, writing).is_ok())
}

/// A name beside the file, which no one takes for the file.
fn draft(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{}", std::process::id()))
}

fn write(draft: &Path, text: &str) -> io::Result<File> {
    // A draft that a killed process left behind may have another mode.
    let _ = fs::remove_file(draft);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(draft)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    Ok(file)
}

/// Writes a draft with the mode and owner of the file that it will replace.
fn write_like(original: &File, draft: &Path, text: &str) -> io::Result<()> {
    let file = write(draft, text)?;
    let (own, wanted) = (file.metadata()?, original.metadata()?);
    if (own.uid(), own.gid()) != (wanted.uid(), wanted.gid()) {
        fchown(&file, Some(wanted.uid()), Some(wanted.gid()))?;
    }
    file.set_permissions(wanted.permissions())?;
    file.sync_all()
}

/// Has the file system keep a file's new name.
fn keep(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or_else(|| Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn mode_and_link_stay() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("real.yaml"), folder.path().join("levity.yaml"));
        fs::write(&file, "a").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        symlink("real.yaml", &link).unwrap();
        assert!(is_writable(&link));
        replace(&link, "a", "b").unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "b");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(names(folder.path()), ["levity.yaml", "real.yaml"]);
    }

    #[test]
    fn what_someone_else_wrote_is_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("f");
        fs::write(&file, "theirs").unwrap();
        assert!(matches!(replace(&file, "a", "b"), Err(Error::Changed(_))));
        assert!(matches!(create(&file, "b"), Err(Error::Changed(_))));
        assert!(matches!(remove(&file, "b"), Err(Error::Changed(_))));
        assert_eq!(fs::read_to_string(&file).unwrap(), "theirs");
        assert_eq!(names(folder.path()), ["f"]);
        assert!(matches!(replace(&folder.path().join("none"), "", ""), Err(Error::File { .. })));
    }

    #[test]
    fn a_new_file_is_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a/b/f");
        create(&file, "x").unwrap();
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(names(file.parent().unwrap()), ["f"]);
    }

    #[test]
    fn to_ask_whether_it_can_be_written_writes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("f");
        assert!(!is_writable(&file));
        fs::write(&file, "x").unwrap();
        let before = fs::metadata(folder.path()).unwrap().modified().unwrap();
        assert!(is_writable(&file));
        assert_eq!(fs::metadata(folder.path()).unwrap().modified().unwrap(), before);
    }

    #[test]
    fn of_many_writers_one_wins() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("f");
        fs::write(&file, "0").unwrap();
        let won = std::thread::scope(|scope| {
            let writers = (1..9).map(|n| {
                let file = &file;
                scope.spawn(move || replace(file, "0", &n.to_string()).is_ok())
            });
            let writers: Vec<_> = writers.collect();
            writers.into_iter().map(|writer| writer.join().unwrap()).filter(|won| *won).count()
        });
        assert_eq!(won, 1);
    }
}
