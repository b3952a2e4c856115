//! Files that are whole or absent: written beside their place, synced, renamed.
//!
//! A reader, or a second evaluation into the same folder, never sees half a report, and a full disk
//! leaves the old one standing. It knows bytes and paths, not what they mean.

use std::io::{BufWriter, Write};
use std::path::Path;

use super::{Error, Result};

/// Writes `path` through `fill`, by way of a temporary file in the same folder.
pub(super) fn write(path: &Path, fill: impl FnOnce(&mut dyn Write) -> std::io::Result<()>) -> Result<()> {
    let failed = |source| Error::Write { path: path.to_path_buf(), source };
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mut temporary = builder().tempfile_in(folder).map_err(failed)?;
    let mut out = BufWriter::new(temporary.as_file_mut());
    fill(&mut out).map_err(failed)?;
    out.flush().map_err(failed)?;
    drop(out);
    temporary.as_file().sync_all().map_err(failed)?;
    temporary.persist(path).map_err(|refused| failed(refused.error))?;
    Ok(())
}

/// Writes `value` as json for people and programs: indented, a newline at the end.
pub(super) fn write_json(path: &Path, value: &impl serde::Serialize) -> Result<()> {
    write(path, |out| {
        serde_json::to_writer_pretty(&mut *out, value)?;
        out.write_all(b"\n")
    })
}

/// A temporary file is private by default; a report is for whoever may read the folder (umask).
fn builder() -> tempfile::Builder<'static, 'static> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".writing-");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    builder
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_leaves_the_old_file_and_no_litter() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("report.json");
        write(&path, |out| out.write_all(b"old")).unwrap();
        let failure = write(&path, |out| {
            out.write_all(b"half of the ne")?;
            Err(std::io::Error::other("disk full"))
        });
        assert!(failure.unwrap_err().to_string().contains("disk full"));
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn others_may_read_what_the_umask_lets_them() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let plain = dir.path().join("plain");
        std::fs::write(&plain, b"x").unwrap();
        let ours = dir.path().join("ours");
        write(&ours, |out| out.write_all(b"x")).unwrap();
        let mode = |p: &Path| p.metadata().unwrap().permissions().mode();
        assert_eq!(mode(&plain), mode(&ours));
    }
}
