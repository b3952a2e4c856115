//! The database of a gallery: its tables, and how it is opened.
//!
//! SQLite in WAL mode: one writes, others read meanwhile, and a commit is on the disk when it returns. The file may be
//! anybody's: before anything else is read, its tables must be exactly those of this version, so that no view or trigger
//! of a stranger's ever runs.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::{Error, Result};

/// The file in the gallery's folder.
pub(super) const FILE: &str = "facts.sqlite";
/// Marks the file as a gallery of ours: "crtG".
const APPLICATION: i32 = 0x6372_7447;
/// How long a reader waits for a writer, which takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(5);

/// The tables. A change of theirs is another version of the file.
///
/// A photo's `row` is its place in the file of embeddings. Nothing is deleted: what was removed carries the change that
/// did it (`gone`), so that it can be undone. `names` holds every name that an individual goes by or went by, so that
/// a dataset that still has the old one makes no second animal. An encounter of a day has no root; one that a table
/// names, or of a single undated photo, is of that root's. A crop is `looked` where a network chose it. A change decides of one
/// encounter, or of several that are one animal.
const TABLES: &str = "
CREATE TABLE gallery (one INTEGER PRIMARY KEY CHECK (one = 1), header TEXT NOT NULL, generation INTEGER NOT NULL,
    rows INTEGER NOT NULL, networks TEXT NOT NULL, complete INTEGER NOT NULL) STRICT;
CREATE TABLE changes (id INTEGER PRIMARY KEY, at INTEGER NOT NULL, what TEXT NOT NULL, said TEXT NOT NULL,
    detail TEXT NOT NULL, undone INTEGER REFERENCES changes) STRICT;
CREATE TABLE roots (id INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE individuals (id INTEGER PRIMARY KEY, name TEXT NOT NULL, note TEXT NOT NULL) STRICT;
CREATE TABLE names (name TEXT PRIMARY KEY, individual INTEGER NOT NULL REFERENCES individuals) STRICT;
CREATE TABLE encounters (id INTEGER PRIMARY KEY, individual INTEGER NOT NULL REFERENCES individuals,
    root INTEGER REFERENCES roots, name TEXT NOT NULL, note TEXT NOT NULL) STRICT;
CREATE INDEX encounters_of ON encounters (individual);
CREATE TABLE photos (id INTEGER PRIMARY KEY, row INTEGER NOT NULL, encounter INTEGER NOT NULL REFERENCES encounters,
    root INTEGER NOT NULL REFERENCES roots, path TEXT NOT NULL, sha256 BLOB NOT NULL, crop TEXT NOT NULL,
    looked INTEGER NOT NULL, side TEXT, date TEXT, trained INTEGER, added INTEGER NOT NULL REFERENCES changes, gone INTEGER REFERENCES changes) STRICT;
CREATE UNIQUE INDEX photos_at ON photos (root, path) WHERE gone IS NULL;
CREATE UNIQUE INDEX photos_like ON photos (sha256, crop) WHERE gone IS NULL;
CREATE INDEX photos_in ON photos (encounter);
CREATE INDEX photos_added ON photos (added);
CREATE INDEX photos_gone ON photos (gone) WHERE gone IS NOT NULL;
CREATE INDEX names_of ON names (individual);
";

/// What was decided, as it is kept now.
const DECISIONS: &str = "
CREATE TABLE decisions (change INTEGER NOT NULL REFERENCES changes, folder TEXT NOT NULL, encounter TEXT NOT NULL,
    ruling TEXT NOT NULL, proposed TEXT NOT NULL, PRIMARY KEY (change, encounter)) STRICT;
CREATE INDEX decisions_in ON decisions (folder, encounter);
";

/// What was decided, as it was kept while a change decided of one encounter only: read as it is, and put into the form of now
/// by who writes.
const DECISIONS_BEFORE: &str = "
CREATE TABLE decisions (change INTEGER PRIMARY KEY REFERENCES changes, folder TEXT NOT NULL, encounter TEXT NOT NULL,
    ruling TEXT NOT NULL, proposed TEXT NOT NULL) STRICT;
CREATE INDEX decisions_in ON decisions (folder, encounter);
";

/// An open database.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) connection: Connection,
    path: PathBuf,
}

impl Facts {
    /// Opens that of the gallery in `folder`.
    ///
    /// # Errors
    /// When there is none, or it is not one of this version.
    pub(super) fn open(folder: &Path, write: bool) -> Result<Facts> {
        let path = folder.join(FILE);
        if !path.is_file() {
            return Err(Error::NoGallery { folder: folder.into() });
        }
        let facts =
            if write { Facts::connect(&path, OpenFlags::SQLITE_OPEN_READ_WRITE)? } else { Facts::to_read(&path)? };
        if facts.check()? == DECISIONS_BEFORE && write {
            facts.told(keep_as(&facts.connection, DECISIONS))?;
        }
        Ok(facts)
    }

    /// To read; in a folder that cannot be written, as on a disk of an archive, as a file that nobody changes.
    fn to_read(path: &Path) -> Result<Facts> {
        let plain = Facts::connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        let reads = plain.connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0));
        let wal = path.with_file_name(format!("{FILE}-wal"));
        match reads {
            Err(rusqlite::Error::SqliteFailure(e, _))
                if e.code == rusqlite::ErrorCode::CannotOpen && !wal.metadata().is_ok_and(|m| m.len() > 0) =>
            {
                let escaped: String = path.to_string_lossy().bytes().map(escape).collect();
                let uri = format!("file:{escaped}?immutable=1");
                Facts::connect(uri.as_ref(), OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI)
                    .map(|facts| Facts { path: path.into(), ..facts })
            }
            Err(e) => Err(Error::facts(path, e)),
            Ok(_) => Ok(plain),
        }
    }

    /// Makes the tables in `folder`, unless they are there, and has `fill` fill them, all in one step.
    pub(super) fn create(folder: &Path, fill: impl FnOnce(&Connection) -> rusqlite::Result<()>) -> Result<Facts> {
        let path = folder.join(FILE);
        let facts = Facts::connect(&path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)?;
        let made = || -> rusqlite::Result<()> {
            facts.connection.pragma_update(None, "journal_mode", "WAL")?;
            let all = facts.connection.unchecked_transaction()?;
            all.pragma_update(None, "application_id", APPLICATION)?;
            all.execute_batch(&[TABLES, DECISIONS].concat())?;
            fill(&all)?;
            all.commit()
        };
        made().map_err(|e| Error::facts(&path, e))?;
        Ok(facts)
    }

    fn connect(path: &Path, flags: OpenFlags) -> Result<Facts> {
        let opened = || -> rusqlite::Result<Connection> {
            let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
            connection.busy_timeout(PATIENCE)?;
            connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
            connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
            connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
            connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false)?;
            connection.pragma_update(None, "cell_size_check", true)?;
            connection.pragma_update(None, "synchronous", "FULL")?;
            connection.pragma_update(None, "foreign_keys", true)?;
            Ok(connection)
        };
        let connection = opened().map_err(|e| Error::facts(path, e))?;
        Ok(Facts { connection, path: path.into() })
    }

    /// Whether it is of this program and nobody else's; in which form it keeps what was decided.
    fn check(&self) -> Result<&'static str> {
        let damaged = |reason: &str| Err(Error::Damaged { path: self.path.clone(), reason: reason.into() });
        let application: i32 =
            self.told(self.connection.pragma_query_value(None, "application_id", |row| row.get(0)))?;
        let found = self.told(tables(&self.connection))?;
        if found.is_empty() {
            let folder = self.path.parent().unwrap_or(&self.path).to_path_buf();
            return Err(Error::NoGallery { folder }); // killed before anything was in it
        }
        if application != APPLICATION {
            return damaged("it is no gallery of this program");
        }
        let expected = |decisions: &str| -> rusqlite::Result<_> {
            let fresh = Connection::open_in_memory()?;
            fresh.execute_batch(&[TABLES, decisions].concat())?;
            tables(&fresh)
        };
        for decisions in [DECISIONS, DECISIONS_BEFORE] {
            if found == self.told(expected(decisions))? {
                return Ok(decisions);
            }
        }
        damaged("its tables are not those of this version")
    }

    /// The answer, or what SQLite said with the file's name.
    pub(super) fn told<T>(&self, answer: rusqlite::Result<T>) -> Result<T> {
        answer.map_err(|e| Error::facts(&self.path, e))
    }

    /// The file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

fn escape(byte: u8) -> String {
    match byte {
        b'/' | b'-' | b'_' | b'.' => char::from(byte).to_string(),
        byte if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    }
}

/// What stands in the database's own table of tables.
fn tables(connection: &Connection) -> rusqlite::Result<Vec<(String, String, Option<String>)>> {
    let mut statement = connection.prepare("SELECT type, name, sql FROM sqlite_schema ORDER BY type, name")?;
    statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?.collect()
}

/// Puts what was decided into the form of `decisions`, in one step.
fn keep_as(connection: &Connection, decisions: &str) -> rusqlite::Result<()> {
    connection.execute_batch(&format!(
        "BEGIN IMMEDIATE; CREATE TEMP TABLE kept AS SELECT * FROM main.decisions; DROP TABLE main.decisions;
        {decisions} INSERT INTO decisions SELECT * FROM kept; DROP TABLE kept; COMMIT;"
    ))
}

/// Puts what was decided in the gallery in `folder` into the form of before.
#[cfg(test)]
#[allow(clippy::unwrap_used)] // for tests
pub(super) fn as_before(folder: &Path) {
    keep_as(&Connection::open(folder.join(FILE)).unwrap(), DECISIONS_BEFORE).unwrap();
}
