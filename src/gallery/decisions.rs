//! What was decided of encounters of new photos, beside what the program had proposed. Part of a gallery, so that a
//! decision and the photos that it brings are one step, and one step back.

use std::collections::HashSet;

use rusqlite::{OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};

use crate::run::stamp::Stamp;

use super::identify::Verdict;
use super::store::{Gallery, find};
use super::writer::{Detail, NewPhoto, There, Writer, changed};
use super::{Error, Result};

/// What was decided of an encounter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "ruling", content = "individual")]
pub enum Ruling {
    /// It is this individual, which is known.
    Known(String),
    /// It is a new individual, of this name from now on.
    New(String),
    /// Nothing is said of it, and nothing is added.
    Skipped,
}

/// Who decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// A person who has looked.
    Person,
    /// The program, as it proposed.
    Program,
}

/// What the program had proposed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Proposed {
    /// None without a calibration.
    pub decision: Option<Verdict>,
    /// Who it is or is nearest.
    pub individual: Option<String>,
    /// That the decision is right; none without a calibration.
    pub probability: Option<f64>,
    /// The distance of the nearest photo.
    pub distance: Option<f64>,
}

/// The encounter that is decided about.
#[derive(Clone, Copy, Debug)]
pub struct Matter<'a> {
    /// The folder that was gone through, absolute.
    pub folder: &'a str,
    /// The encounter in it.
    pub encounter: &'a str,
    /// What was proposed.
    pub proposed: &'a Proposed,
}

/// A decision as it was written down.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Decided {
    /// The change of the gallery that it is.
    pub change: i64,
    /// When.
    pub at: Stamp,
    /// The folder that was gone through.
    pub folder: String,
    /// The encounter in it.
    pub encounter: String,
    /// What was decided.
    #[serde(flatten)]
    pub ruling: Ruling,
    /// By whom.
    pub by: By,
    /// What was proposed.
    pub proposed: Proposed,
    /// Whether it was taken back.
    pub undone: bool,
}

impl Ruling {
    /// Who it is; none where nothing is said.
    pub fn individual(&self) -> Option<&str> {
        match self {
            Ruling::Known(name) | Ruling::New(name) => Some(name),
            Ruling::Skipped => None,
        }
    }

    fn told(&self, encounter: &str) -> String {
        match self {
            Ruling::Known(name) => format!("{encounter} is {name}"),
            Ruling::New(name) => format!("{encounter} is {name}, a new individual"),
            Ruling::Skipped => format!("{encounter} is skipped"),
        }
    }
}

impl Gallery {
    /// All that was decided, the first first, also what was taken back; in `folder` only, where one is given.
    ///
    /// # Errors
    /// When the database cannot be read, or a row is not as this program writes it.
    pub fn decided(&self, folder: Option<&str>) -> Result<Vec<Decided>> {
        let query = "SELECT d.change, c.at, d.folder, d.encounter, d.ruling, d.proposed, c.undone IS NOT NULL
            FROM decisions d JOIN changes c ON c.id = d.change WHERE ?1 IS NULL OR d.folder = ?1 ORDER BY d.change";
        let all = || self.facts.connection.prepare(query)?.query_map([folder], decided)?.collect();
        self.facts.told(all())
    }
}

fn decided(row: &Row<'_>) -> rusqlite::Result<Decided> {
    let ruled: Ruled = json(row, 4)?;
    Ok(Decided {
        change: row.get(0)?,
        at: Stamp::from_millis(row.get(1)?),
        folder: row.get(2)?,
        encounter: row.get(3)?,
        ruling: ruled.ruling,
        by: ruled.by,
        proposed: json(row, 5)?,
        undone: row.get(6)?,
    })
}

fn json<T: serde::de::DeserializeOwned>(row: &Row<'_>, at: usize) -> rusqlite::Result<T> {
    let text = row.get_ref(at)?.as_str()?;
    serde_json::from_str(text)
        .map_err(|e| rusqlite::Error::FromSqlConversionFailure(at, rusqlite::types::Type::Text, e.into()))
}

/// A ruling and who made it, as the database has them.
#[derive(Serialize, Deserialize)]
struct Ruled {
    #[serde(flatten)]
    ruling: Ruling,
    by: By,
}

impl Writer {
    /// Writes down what was decided of `matter`, and adds its `photos` with their embeddings, a row each, as the individual
    /// that they are now known to show; photos that are there already are left as they are. What returned is on the disk.
    ///
    /// # Errors
    /// When something is decided of it already; when the name of a known individual is nobody's, that of a new one
    /// somebody's or empty; when a photo is in the gallery as somebody else; when a file cannot be written. Nothing was
    /// changed then.
    pub fn rule(
        &mut self,
        matter: Matter<'_>,
        (ruling, by): (&Ruling, By),
        photos: &[NewPhoto],
        embeddings: &[f32],
    ) -> Result<()> {
        let Matter { folder, encounter, proposed } = matter;
        let standing = "SELECT d.encounter FROM decisions d JOIN changes c ON c.id = d.change
            WHERE c.undone IS NULL AND d.folder = ?1 AND d.encounter = ?2";
        let connection = &self.facts.connection;
        let before = connection.query_row(standing, [folder, encounter], |row| row.get::<_, String>(0)).optional();
        if self.facts.told(before)?.is_some() {
            return Err(Error::AlreadyDecided { encounter: encounter.into() });
        }
        let ruling = match ruling {
            Ruling::Known(name) => Ruling::Known(self.find(name)?.1),
            Ruling::New(name) => {
                let name = name.trim();
                if name.is_empty() {
                    return Err(Error::NoName);
                }
                if let Some((_, known)) = self.facts.told(find(&self.facts.connection, name))? {
                    return Err(Error::NameTaken { name: known });
                }
                Ruling::New(name.into())
            }
            Ruling::Skipped => Ruling::Skipped,
        };
        let dims = self.embedding().dims;
        let (mut new, mut rows, mut of_these) = (Vec::new(), Vec::new(), HashSet::new());
        for (photo, embedding) in photos.iter().zip(embeddings.chunks_exact(dims)) {
            let Some(individual) = ruling.individual() else { break };
            let photo = NewPhoto { individual: individual.to_owned(), ..photo.clone() };
            let stands = if of_these.insert((photo.sha256, photo.crop)) { self.there(&photo)? } else { There::Known };
            match stands {
                There::New => {
                    new.push(photo);
                    rows.extend_from_slice(embedding);
                }
                There::Known => {}
                There::Otherwise { known_as } => return Err(Error::KnownOtherwise { photo: photo.path, known_as }),
                There::Changed => return Err(Error::PhotoChanged { photo: photo.path }),
            }
        }
        let text = |value: serde_json::Result<String>| {
            value.map_err(|e| Error::from(crate::run::RunError::io("write", self.folder(), e.into())))
        };
        let ruled = text(serde_json::to_string(&Ruled { ruling: ruling.clone(), by }))?;
        let proposed = text(serde_json::to_string(proposed))?;
        let said = ruling.told(encounter);
        self.put(&new, &rows, |all| {
            let change = changed(all, "identify", &said, &Detail::Add)?;
            let log = "INSERT INTO decisions (change, folder, encounter, ruling, proposed) VALUES (?1, ?2, ?3, ?4, ?5)";
            all.execute(log, params![change, folder, encounter, ruled, proposed])?;
            Ok(change)
        })
        .map(|_| ())
    }

    /// Takes `decided` back, and with it the photos that it brought.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn take_back(&mut self, decided: &Decided) -> Result<()> {
        let take = || -> rusqlite::Result<()> {
            let all = self.facts.connection.unchecked_transaction()?;
            let said = format!("{} is open again", decided.encounter);
            let undo = changed(&all, "undo", &said, &Detail::Undo { of: decided.change })?;
            all.execute("UPDATE photos SET gone = ?1 WHERE added = ?2 AND gone IS NULL", [undo, decided.change])?;
            all.execute("UPDATE changes SET undone = ?1 WHERE id = ?2 AND undone IS NULL", [undo, decided.change])?;
            all.commit()
        };
        self.facts.told(take())
    }
}
