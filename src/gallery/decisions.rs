//! What was decided of encounters of new photos, beside what the program had proposed. Part of a gallery, so that a
//! decision and the photos that it brings are one step, and one step back.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::Path;

use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};

use crate::data::counted::counted;
use crate::run::stamp::Stamp;

use super::correction::Moved;
use super::identify::Verdict;
use super::later;
use super::store::{Gallery, find};
use super::writer::{Detail, NewPhoto, There, Writer, changed};
use super::{Error, Result};

/// What was decided of an encounter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "decision", content = "individual")]
pub enum Ruling {
    /// It is this individual, which is known.
    Known(String),
    /// It is a new individual, of this name from now on.
    #[serde(rename = "new_individual")]
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
    /// How far that individual is, as the screen has it: of several photos the mean; where none is proposed, how far the nearest is.
    /// Older versions wrote the distance of the nearest photo.
    pub distance: Option<f64>,
}

/// An encounter that is decided about.
#[derive(Clone, Copy, Debug)]
pub struct Matter<'a> {
    /// The encounter in the folder that was gone through.
    pub encounter: &'a str,
    /// What was proposed.
    pub proposed: &'a Proposed,
    /// Its photos; of no account where it is skipped.
    pub photos: &'a [NewPhoto],
    /// Their embeddings, row after row.
    pub embeddings: &'a [f32],
    /// None of its photos can be read.
    pub unread: bool,
    /// What tells its photos from others, where it is skipped: what comes later is told.
    pub had: &'a [String],
    /// The change by which it was decided last, where the gallery has none of its photos by that any more, as all were taken out: it
    /// counts no more.
    pub taken_out: Option<i64>,
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
    /// No photo of it could be read then.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unread: bool,
    /// Whether it was taken back.
    pub undone: bool,
    /// It was decided before, and only photos that came since are added as the same individual.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub more: bool,
    /// The first change of the go that it was decided in, where that is another.
    #[serde(skip)]
    pub go: Option<i64>,
    /// Of one that was skipped what told its photos from others then; none of what older versions wrote.
    #[serde(skip)]
    pub had: Option<Vec<String>>,
}

impl Decided {
    /// The encounter with the folder that was gone through, told apart from those of others.
    pub fn place(&self) -> String {
        shown(&self.folder, &self.encounter)
    }

    /// Whether it was proposed to be new and is decided to be somebody: it takes part where new ones are numbered, so that the
    /// others keep their numbers. Who was only named as new had none, and who is skipped is as it is proposed now.
    pub(super) fn was_new(&self) -> bool {
        self.proposed.decision == Some(Verdict::NewIndividual) && self.ruling.individual().is_some()
    }

    /// What is the same of all that is taken back in one step: the first change of the go.
    pub(super) fn step(&self) -> i64 {
        self.go.unwrap_or(self.change)
    }

    /// Whether it still counts of an encounter of so many readable photos: who skipped what could not be read has not seen the
    /// good copies that came.
    pub(super) fn counts_with(&self, photos: usize) -> bool {
        !(self.unread && self.ruling == Ruling::Skipped && photos > 0)
    }
}

/// `encounter` of the folder at `folder`, an absolute path, with that folder's name.
pub(super) fn shown(folder: &str, encounter: &str) -> String {
    let name = Path::new(folder).file_name().unwrap_or_default();
    Path::new(name).join(encounter).to_string_lossy().into_owned()
}

impl Ruling {
    /// Who it is; none where nothing is said.
    pub fn individual(&self) -> Option<&str> {
        match self {
            Ruling::Known(name) | Ruling::New(name) => Some(name),
            Ruling::Skipped => None,
        }
    }

    /// The same of somebody of this name.
    #[must_use]
    pub fn of(&self, name: String) -> Ruling {
        match self {
            Ruling::Known(_) => Ruling::Known(name),
            Ruling::New(_) => Ruling::New(name),
            Ruling::Skipped => Ruling::Skipped,
        }
    }

    /// What it makes of encounters that are one animal, in words.
    pub fn told(&self, encounters: &[&str]) -> String {
        let (which, is) = these(encounters);
        match self {
            Ruling::Known(name) => format!("{which} {is} {name}"),
            Ruling::New(name) => format!("{which} {is} {name}, a new individual"),
            Ruling::Skipped => format!("{which} {is} skipped"),
        }
    }
}

/// `encounters` in few words, and the verb that goes with them.
fn these(encounters: &[&str]) -> (String, &'static str) {
    match encounters {
        [one] => ((*one).to_owned(), "is"),
        [first, ..] => (format!("{} ({first} and others)", counted(encounters.len(), "encounter")), "are"),
        [] => (counted(0_usize, "encounter"), "are"),
    }
}

/// The other changes of the go of the program that `change` was of, from the last on, as far as they stand and are older; none of
/// any other change.
pub(super) fn rest_of_go(all: &Connection, change: i64) -> rusqlite::Result<Vec<i64>> {
    let go = "SELECT json_extract(ruling, '$.go') FROM decisions WHERE change = ?1 LIMIT 1";
    let go: Option<Option<i64>> = all.query_row(go, [change], |row| row.get(0)).optional()?;
    let Some(go) = go.flatten() else { return Ok(Vec::new()) };
    let rest = "SELECT DISTINCT d.change FROM decisions d JOIN changes c ON c.id = d.change WHERE c.undone IS NULL AND c.id < ?1
        AND (d.change = ?2 OR json_extract(d.ruling, '$.go') = ?2) ORDER BY d.change DESC";
    all.prepare(rest)?.query_map([change, go], |row| row.get(0))?.collect()
}

/// How the encounters stand that were decided by `changes`, which are taken back, in words; empty where none changed by that.
pub(super) fn stand_again(all: &Connection, changes: &[i64]) -> rusqlite::Result<String> {
    let mut of = all.prepare("SELECT folder, encounter, ruling FROM decisions WHERE change = ?1 ORDER BY rowid")?;
    let mut last = all.prepare(
        "SELECT d.change, d.ruling FROM decisions d JOIN changes c ON c.id = d.change
            WHERE c.undone IS NULL AND d.folder = ?1 AND d.encounter = ?2 ORDER BY d.change DESC LIMIT 1",
    )?;
    let (mut open, mut told) = (Vec::new(), Vec::new());
    for &change in changes {
        let read = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?, json::<Ruled>(row, 2)?.more));
        let encounters: Vec<(String, String, bool)> = of.query_map([change], read)?.collect::<rusqlite::Result<_>>()?;
        // of one that only had photos added it is decided as it was
        for (folder, encounter, _) in encounters.into_iter().filter(|(.., more)| !more) {
            let place = shown(&folder, &encounter);
            let read = |row: &Row<'_>| Ok((row.get::<_, i64>(0)?, json::<Ruled>(row, 1)?.ruling));
            match last.query_row([&folder, &encounter], read).optional()? {
                None => open.push(place),
                Some((before, ruling)) if before < change => {
                    // it may be called otherwise since
                    let now = ruling.individual().map(|name| find(all, name)).transpose()?.flatten();
                    let ruling = now.map_or_else(|| ruling.clone(), |(_, name)| ruling.of(name));
                    told.push(format!("{} again", ruling.told(&[&place])));
                }
                // it was decided otherwise since
                Some(_) => {}
            }
        }
    }
    if !open.is_empty() {
        let (which, is) = these(&open.iter().map(String::as_str).collect::<Vec<_>>());
        told.insert(0, format!("{which} {is} open again"));
    }
    Ok(told.join("; "))
}

impl Gallery {
    /// What who was called `name` once is called now; the name itself where it is nobody's.
    fn now(&self, name: &str) -> Result<String> {
        Ok(self.facts.told(find(&self.facts.connection, name))?.map_or_else(|| name.to_owned(), |(_, now)| now))
    }

    /// All that was decided, the first first, also what was taken back; in `folder` only, where one is given.
    ///
    /// # Errors
    /// When the database cannot be read, or a row is not as this program writes it.
    pub fn decided(&self, folder: Option<&str>) -> Result<Vec<Decided>> {
        // two queries, as the index of the folders serves no condition that may also hold for all
        let these = if folder.is_some() { "d.folder = ?1" } else { "?1 IS NULL" };
        let query = format!(
            "SELECT d.change, c.at, d.folder, d.encounter, d.ruling, d.proposed, c.undone IS NOT NULL
            FROM decisions d JOIN changes c ON c.id = d.change WHERE {these} ORDER BY d.change, d.rowid"
        );
        let all = || self.facts.connection.prepare(&query)?.query_map([folder], decided)?.collect();
        self.facts.told(all())
    }

    /// Whether anything was ever decided of `encounter` in `folder`.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub(super) fn has_decided(&self, folder: &str, encounter: &str) -> Result<bool> {
        let query = "SELECT EXISTS (SELECT 1 FROM decisions WHERE folder = ?1 AND encounter = ?2)";
        let found = || self.facts.connection.prepare_cached(query)?.query_row([folder, encounter], |row| row.get(0));
        self.facts.told(found())
    }

    /// The folders in which something was decided.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub(super) fn folders_decided(&self) -> Result<Vec<String>> {
        let query = "SELECT DISTINCT folder FROM decisions";
        let all = || self.facts.connection.prepare_cached(query)?.query_map([], |row| row.get(0))?.collect();
        self.facts.told(all())
    }

    /// Who is called otherwise than once, by the names from then.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub(super) fn called_otherwise(&self) -> Result<HashMap<String, String>> {
        let query =
            "SELECT n.name, i.name FROM names n JOIN individuals i ON i.id = n.individual WHERE n.name != i.name";
        let all =
            || self.facts.connection.prepare(query)?.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect();
        self.facts.told(all())
    }

    /// The photos that came with decisions of the program, by their numbers, as far as nobody took those back.
    ///
    /// # Errors
    /// When the database cannot be read, or a row is not as this program writes it.
    pub(super) fn named_by_program(&self) -> Result<HashSet<u64>> {
        let query = "SELECT p.id, d.ruling FROM photos p JOIN decisions d ON d.change = p.added WHERE p.gone IS NULL";
        let read = |row: &Row<'_>| Ok((row.get::<_, u64>(0)?, json::<Ruled>(row, 1)?.by));
        let all = || self.facts.connection.prepare(query)?.query_map([], read)?.collect();
        let all: Vec<(u64, By)> = self.facts.told(all())?;
        Ok(all.into_iter().filter(|(_, by)| *by == By::Program).map(|(photo, _)| photo).collect())
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
        unread: ruled.unread,
        proposed: json(row, 5)?,
        undone: row.get(6)?,
        more: ruled.more,
        go: ruled.go,
        had: ruled.had,
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
    /// It was skipped as no photo of it could be read.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    unread: bool,
    /// The first change of the go that it was decided in; none of the first one, and of what older versions wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    go: Option<i64>,
    /// It adds photos to what was decided before.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    more: bool,
    /// Of one that was skipped what tells the photos that it had; none of what older versions wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    had: Option<Vec<String>>,
}

impl Writer {
    /// Writes down what was decided of `matters`, encounters of `folder` (an absolute path) that are one animal, and adds their
    /// photos as the individual that they are now known to show; photos that are there already are left as they are. Where
    /// `corrects` is the change by which another was decided of one last, the photos that the gallery holds by that are this one's
    /// from now on, whatever lies at their paths by now, and what was proposed first is what is written down. Where that decided so
    /// already, the photos that came since are added. It is one change, taken back in one step. What returned is on the disk.
    ///
    /// # Errors
    /// When something else than that it is skipped is decided of one already, by another change than `corrects`; when the name of a known individual is nobody's, that of a new one
    /// somebody's or empty; when a photo is in the gallery as somebody else; when a file cannot be written. Nothing was
    /// changed then.
    pub fn rule(&mut self, folder: &str, matters: &[Matter<'_>], ruling: (&Ruling, By, Option<i64>)) -> Result<()> {
        self.rule_in(None, folder, matters, ruling).map(drop)
    }

    /// As [`Writer::rule`], in the go that began with the change `go`, or beginning one; the change that it is.
    pub(super) fn rule_in(
        &mut self,
        go: Option<i64>,
        folder: &str,
        matters: &[Matter<'_>],
        (ruling, by, corrects): (&Ruling, By, Option<i64>),
    ) -> Result<i64> {
        let standing = "SELECT d.change, d.ruling, d.proposed FROM decisions d JOIN changes c ON c.id = d.change
            WHERE c.undone IS NULL AND d.folder = ?1 AND d.encounter = ?2 ORDER BY d.change DESC LIMIT 1";
        let mut once = HashSet::new();
        let (mut before, mut moved, mut first, mut more) = (None, Moved::default(), HashMap::new(), None);
        for Matter { encounter, unread, had, taken_out, .. } in matters {
            let found = self.facts.connection.prepare_cached(standing).and_then(|mut standing| {
                let read = |row: &Row<'_>| Ok((row.get::<_, i64>(0)?, json::<Ruled>(row, 1)?, row.get(2)?));
                standing.query_row([folder, encounter], read).optional()
            });
            let stands = match self.facts.told(found)? {
                None => false,
                // who was skipped may still get a name, and be skipped again where somebody sees it only now
                Some((_, Ruled { ruling: Ruling::Skipped, unread: before, had: then, .. }, _)) => {
                    let has_more = then.is_some_and(|then| had.iter().any(|one| !then.contains(one)));
                    *ruling == Ruling::Skipped && !has_more && (!before || *unread)
                }
                Some((change, Ruled { ruling: stands, .. }, proposed)) if corrects == Some(change) => {
                    let named = stands.individual().map(|name| self.now(name)).transpose()?;
                    if named.is_some() && named == ruling.individual().map(|name| self.now(name)).transpose()? {
                        let joined = self.is_joined(folder, encounter, named.as_deref())?;
                        let known = |name| if joined { Ruling::Known(name) } else { stands.of(name) };
                        more = named.map(known);
                    } else {
                        moved.take(self, folder, encounter)?;
                        before = named;
                    }
                    first.insert(*encounter, proposed);
                    false
                }
                Some((change, Ruled { ruling: stands, .. }, _)) if *taken_out == Some(change) => {
                    let named = stands.individual().map(|name| self.now(name)).transpose()?;
                    before = named.filter(|name| Some(name.as_str()) != ruling.individual());
                    false
                }
                Some(_) => true,
            };
            if stands || !once.insert(*encounter) {
                return Err(Error::AlreadyDecided { encounter: (*encounter).into() });
            }
        }
        let is_more = more.is_some();
        let ruling = match (more, ruling) {
            (Some(stands), _) => stands,
            (None, Ruling::Known(name)) => Ruling::Known(self.find(name)?.1),
            (None, Ruling::New(name)) => {
                let name = super::change::name(name)?;
                if let Some((_, known)) = self.facts.told(find(&self.facts.connection, name))? {
                    return Err(Error::AlreadyKnown { name: known });
                }
                Ruling::New(name.into())
            }
            (None, Ruling::Skipped) => Ruling::Skipped,
        };
        let dims = self.embedding().dims;
        let fits = |one: &Matter<'_>| one.photos.is_empty() || one.photos.len() * dims == one.embeddings.len();
        let are_units = |one: &Matter<'_>| one.embeddings.chunks_exact(dims).all(super::store::is_unit);
        if !matters.iter().all(|one| fits(one) && are_units(one)) {
            let reason = "they are no embeddings of its photos".to_owned();
            return Err(Error::Known { reason });
        }
        let (mut new, mut rows, mut of_these) = (Vec::new(), Vec::new(), HashSet::new());
        let rows_of = |embeddings| <[f32]>::chunks_exact(embeddings, dims);
        let held = moved.photos.iter().zip(rows_of(&moved.embeddings)).map(|one| (one, true));
        let seen = matters.iter().flat_map(|one| one.photos.iter().zip(rows_of(one.embeddings)));
        let brought = if is_more { self.brought(folder)? } else { HashSet::new() };
        let is_taken = |photo: &NewPhoto| moved.have(photo) || brought.contains(&(photo.path.clone(), photo.sha256));
        let seen = seen.filter(|(photo, _)| !is_taken(photo)).map(|one| (one, false));
        for ((photo, embedding), is_held) in held.chain(seen) {
            let Some(individual) = ruling.individual() else { break };
            let photo = NewPhoto { individual: individual.to_owned(), ..photo.clone() };
            let stands = match of_these.insert((photo.sha256, photo.crop)) {
                true if is_held => There::New,
                true => self.there(&photo)?,
                false => There::Known,
            };
            match stands {
                There::New => {
                    new.push(photo);
                    rows.extend_from_slice(embedding);
                }
                There::Known => {}
                There::Otherwise { known_as, .. } => return Err(Error::KnownOtherwise { photo: photo.path, known_as }),
                There::Changed => return Err(Error::PhotoChanged { photo: photo.path }),
            }
        }
        if let Some(one) = matters.first().filter(|_| is_more && (new.is_empty() || matters.len() > 1)) {
            return Err(Error::AlreadyDecided { encounter: one.encounter.into() });
        }
        let text = |value: serde_json::Result<String>| {
            value.map_err(|e| Error::from(crate::run::RunError::io("write", self.folder(), e.into())))
        };
        let log = |one: &Matter<'_>| {
            let had = (ruling == Ruling::Skipped).then(|| one.had.to_vec());
            let ruled = Ruled { ruling: ruling.clone(), by, unread: one.unread, go, more: is_more, had };
            let proposed = match first.remove(one.encounter) {
                Some(first) => first,
                // by the photos that the gallery holds since, it would be who was decided
                None => text(serde_json::to_string(one.proposed))?,
            };
            Ok((one.encounter.to_owned(), text(serde_json::to_string(&ruled))?, proposed))
        };
        let log: Vec<(String, String, String)> = matters.iter().map(log).collect::<Result<_>>()?;
        let places: Vec<String> = matters.iter().map(|one| shown(folder, one.encounter)).collect();
        let mut said = match (ruling.individual().filter(|_| is_more), places.first()) {
            (Some(name), Some(place)) => later::told(place, new.len(), name),
            _ => ruling.told(&places.iter().map(String::as_str).collect::<Vec<_>>()),
        };
        if by == By::Program {
            said += ", by program";
        }
        if let Some(before) = &before {
            said += &format!("; it was {before}");
        }
        let detail = match moved.ids.len() {
            0 => Detail::Add,
            photos => Detail::Correct { photos },
        };
        self.put(&new, &rows, |all| {
            if let (Ruling::New(name), false) = (&ruling, is_more) {
                // it may still lead to somebody whose photos are all gone
                all.execute("DELETE FROM names WHERE name = ?1", [name])?;
            }
            let change = changed(all, "identify", &said, &detail)?;
            for id in &moved.ids {
                all.prepare_cached("UPDATE photos SET gone = ?2 WHERE id = ?1")?.execute([*id, change])?;
            }
            let one = "INSERT INTO decisions (change, folder, encounter, ruling, proposed) VALUES (?1, ?2, ?3, ?4, ?5)";
            for (encounter, ruled, proposed) in &log {
                all.execute(one, params![change, folder, encounter, ruled, proposed])?;
            }
            Ok(change)
        })
    }

    /// Whether the individual `name`, who was decided of the encounter, was known before that: one that was new then has been
    /// merged into it since, or the other way round.
    fn is_joined(&self, folder: &str, encounter: &str, name: Option<&str>) -> Result<bool> {
        let query = "SELECT EXISTS (SELECT 1 FROM photos p JOIN encounters e ON e.id = p.encounter
            WHERE e.individual = ?3 AND p.added < (SELECT max(d.change) FROM decisions d JOIN changes c ON c.id = d.change
                WHERE c.undone IS NULL AND d.folder = ?1 AND d.encounter = ?2 AND json_extract(d.ruling, '$.more') IS NULL))";
        let Some(name) = name else { return Ok(false) };
        let (individual, _) = self.find(name)?;
        self.facts
            .told(self.facts.connection.query_row(query, params![folder, encounter, individual], |row| row.get(0)))
    }

    /// Takes `decided` back, and with it the photos that it brought, and what the same change decided of other encounters.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn take_back(&mut self, decided: &Decided) -> Result<()> {
        self.take_back_all(&BTreeSet::from([decided.change]))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{photo, small};
    use super::*;

    const PROPOSED: Proposed =
        Proposed { decision: Some(Verdict::Look), individual: None, probability: Some(0.5), distance: Some(0.25) };

    fn matter<'a>(encounter: &'a str, photos: &'a [NewPhoto], embeddings: &'a [f32]) -> Matter<'a> {
        Matter { encounter, proposed: &PROPOSED, photos, embeddings, unread: false, had: &[], taken_out: None }
    }

    fn rule(writer: &mut Writer, encounter: &str, ruling: Ruling, photos: &[u8]) -> Result<()> {
        rule_all(writer, &[(encounter, photos)], ruling)
    }

    fn rule_all(writer: &mut Writer, encounters: &[(&str, &[u8])], ruling: Ruling) -> Result<()> {
        let seen: Vec<(Vec<NewPhoto>, Vec<f32>)> = (encounters.iter())
            .map(|(_, photos)| {
                let (photos, rows): (Vec<_>, Vec<_>) = photos.iter().map(|&n| photo(n, "")).unzip();
                (photos, rows.concat())
            })
            .collect();
        let matters = encounters.iter().zip(&seen);
        let matters: Vec<Matter<'_>> = matters.map(|((name, _), (photos, rows))| matter(name, photos, rows)).collect();
        writer.rule("/week", &matters, (&ruling, By::Person, None))
    }

    #[test]
    fn only_who_was_proposed_as_new_and_is_somebody_now_takes_part_where_new_ones_are_numbered() {
        let (new, look, known) = (Verdict::NewIndividual, Verdict::Look, Verdict::Known);
        let cases = [
            (Some(new), Ruling::New("t9".into()), true),
            (Some(new), Ruling::Known("t1".into()), true),
            (Some(new), Ruling::Skipped, false),
            (Some(look), Ruling::New("t9".into()), false),
            (Some(known), Ruling::New("t9".into()), false),
            (None, Ruling::New("t9".into()), false),
        ];
        for (decision, ruling, expected) in cases {
            let told = format!("{decision:?} {ruling:?}");
            let decided = Decided {
                change: 1,
                at: Stamp::from_millis(0),
                folder: "/week".into(),
                encounter: "a".into(),
                ruling,
                by: By::Person,
                proposed: Proposed { decision, ..PROPOSED },
                unread: false,
                undone: false,
                more: false,
                go: None,
                had: None,
            };
            assert_eq!(decided.was_new(), expected, "{told}");
        }
    }

    #[test]
    fn what_was_decided_before_several_encounters_could_be_one_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("g");
        let mut writer = small(&folder);
        rule(&mut writer, "z", Ruling::Skipped, &[]).unwrap();
        rule(&mut writer, "y", Ruling::New("t7".into()), &[5]).unwrap();
        let decided = writer.decided(None).unwrap();
        drop(writer);
        super::super::facts::as_before(&folder);
        assert_eq!(super::super::store::Gallery::open(&folder).unwrap().decided(None).unwrap(), decided);
        let mut writer = Writer::open(&folder).unwrap();
        assert_eq!(writer.decided(None).unwrap(), decided);
        rule_all(&mut writer, &[("a", &[6]), ("b", &[8])], Ruling::New("t8".into())).unwrap();
        assert_eq!(writer.decided(None).unwrap().len(), 4);
    }

    #[test]
    fn who_was_skipped_may_get_a_name_and_is_skipped_again_when_that_is_taken_back() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = small(&dir.path().join("g"));
        rule(&mut writer, "z", Ruling::Skipped, &[5]).unwrap();
        assert!(rule(&mut writer, "z", Ruling::Skipped, &[5]).is_err(), "once is enough");
        rule(&mut writer, "z", Ruling::New("t7".into()), &[5]).unwrap();
        assert!(
            rule(&mut writer, "z", Ruling::Known("t1".into()), &[5]).is_err(),
            "a name stays until it is taken back"
        );
        let stands = |writer: &Writer| {
            let mut all = writer.decided(None).unwrap().into_iter();
            all.rfind(|one| !one.undone).map(|one| one.ruling).unwrap()
        };
        assert_eq!(stands(&writer), Ruling::New("t7".into()));
        let last = writer.decided(None).unwrap().pop().unwrap();
        writer.take_back(&last).unwrap();
        assert_eq!(stands(&writer), Ruling::Skipped);
    }

    #[test]
    fn encounters_of_one_animal_are_named_and_taken_back_in_one_step() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = small(&dir.path().join("g"));
        rule(&mut writer, "z", Ruling::Known("t1".into()), &[]).unwrap();
        let before = (writer.counts().unwrap(), writer.changes().unwrap().len());
        let named = |writer: &mut Writer, second: &[u8], ruling: Ruling| {
            rule_all(writer, &[("a", &[5, 6]), ("b", second), ("c", &[8])], ruling)
        };
        // as one of its photos is somebody else's, nothing of it is written down
        assert!(named(&mut writer, &[1], Ruling::New("t7".into())).unwrap_err().to_string().contains("as t2"));
        assert!(rule_all(&mut writer, &[("a", &[5]), ("z", &[6])], Ruling::New("t7".into())).is_err(), "z is decided");
        assert!(rule_all(&mut writer, &[("a", &[5]), ("a", &[6])], Ruling::New("t7".into())).is_err());
        assert_eq!((writer.counts().unwrap(), writer.changes().unwrap().len()), before);

        named(&mut writer, &[7], Ruling::New("t7".into())).unwrap();
        assert_eq!(writer.individual("t7").unwrap().0.photos, 4);
        let log = writer.decided(Some("/week")).unwrap();
        let encounters: Vec<_> = log.iter().map(|one| one.encounter.as_str()).collect();
        assert_eq!(encounters, ["z", "a", "b", "c"]);
        assert!(log[1..].iter().all(|one| one.change == log[1].change && one.ruling == Ruling::New("t7".into())));
        assert!(writer.changes().unwrap().last().unwrap().said.contains("3 encounters"));
        writer.take_back(&log[2]).unwrap();
        assert_eq!(writer.counts().unwrap(), before.0);
        assert!(writer.decided(None).unwrap()[1..].iter().all(|one| one.undone));
        // and as one known individual
        named(&mut writer, &[7], Ruling::Known("t1".into())).unwrap();
        assert_eq!(writer.individual("t1").unwrap().0.photos, 6);
        writer.undo().unwrap();
        assert_eq!(writer.counts().unwrap(), before.0);
    }

    #[test]
    fn a_decision_and_its_photos_are_one_step_and_one_step_back() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = small(&dir.path().join("g"));
        rule(&mut writer, "a", Ruling::Known("t1".into()), &[5, 6, 5]).unwrap();
        rule(&mut writer, "b", Ruling::New(" t7 ".into()), &[7]).unwrap();
        rule(&mut writer, "c", Ruling::Skipped, &[]).unwrap();
        let counts = writer.counts().unwrap();
        assert_eq!((counts.photos, counts.individuals), (6, 3), "a photo given twice is there once");
        assert_eq!(writer.individual("t1").unwrap().0.photos, 4);

        let log = writer.decided(Some("/week")).unwrap();
        let told: Vec<_> = log.iter().map(|d| (d.encounter.as_str(), &d.ruling, d.undone)).collect();
        let of = |name: &str| Ruling::Known(name.into());
        assert_eq!(
            told,
            [("a", &of("t1"), false), ("b", &Ruling::New("t7".into()), false), ("c", &Ruling::Skipped, false)]
        );
        assert_eq!((&log[1].proposed, log[1].by), (&PROPOSED, By::Person));
        assert!(writer.decided(Some("/other")).unwrap().is_empty());
        let line = serde_json::to_value(&log[1]).unwrap();
        assert_eq!(
            (&line["decision"], &line["individual"], &line["by"]),
            (&"new_individual".into(), &"t7".into(), &"person".into())
        );

        writer.rename("t7", "Zoe").unwrap();
        writer.take_back(&log[1]).unwrap();
        assert!(writer.individual("t7").is_err());
        assert!(writer.decided(None).unwrap()[1].undone);
        rule(&mut writer, "b", Ruling::New("t7".into()), &[7]).unwrap();
        // a new one indeed, not who was called so before
        assert_eq!(writer.individual("t7").unwrap().0.individual, "t7");
        assert_eq!(writer.individual("t7").unwrap().0.photos, 1);
        let known = writer.known().unwrap();
        assert_eq!((known.len(), known.individuals.len()), (6, 3));
    }

    #[test]
    fn what_the_program_named_is_told_from_what_people_did() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = small(&dir.path().join("g"));
        rule(&mut writer, "a", Ruling::Known("t1".into()), &[5, 6]).unwrap();
        for (encounter, n) in [("b", 7), ("c", 8)] {
            let (photo, row) = photo(n, "");
            let photos = &[photo];
            let matter = matter(encounter, photos, &row);
            writer.rule("/week", &[matter], (&Ruling::Known("t2".into()), By::Program, None)).unwrap();
        }
        let named = |writer: &Writer| {
            let ids = writer.named_by_program().unwrap();
            let mut paths: Vec<_> = ids.iter().map(|&id| writer.photo(id).unwrap().unwrap().photo).collect();
            paths.sort();
            paths
        };
        assert_eq!(named(&writer), ["7.jpg", "8.jpg"]);
        let log: Vec<String> = writer.changes().unwrap().into_iter().map(|change| change.said).collect();
        assert_eq!(log[log.len() - 3..], ["week/a is t1", "week/b is t2, by program", "week/c is t2, by program"]);
        writer.undo().unwrap();
        assert_eq!(named(&writer), ["7.jpg"]);
    }

    #[test]
    fn a_go_of_the_program_is_taken_back_whole_also_as_the_last_change() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = small(&dir.path().join("g"));
        let before = writer.counts().unwrap();
        rule(&mut writer, "a", Ruling::Skipped, &[]).unwrap();
        let mut go = None;
        for (encounter, n) in [("a", 5), ("b", 6), ("c", 7)] {
            let (photo, row) = photo(n, "");
            let photos = &[photo];
            let matter = matter(encounter, photos, &row);
            let ruling = (&Ruling::Known("t1".into()), By::Program, None);
            let change = writer.rule_in(go, "/week", &[matter], ruling).unwrap();
            go = go.or(Some(change));
        }
        assert_eq!(
            writer.undo().unwrap().said,
            "taken back: identify: week/c is t1, by program, and with it 2 more that the program decided in the same go; \
             2 encounters (week/b and others) are open again; week/a is skipped again"
        );
        assert_eq!(writer.counts().unwrap(), before);
        assert_eq!(writer.undo().unwrap().said, "taken back: identify: week/a is skipped; week/a is open again");
        assert!(writer.decided(None).unwrap().iter().all(|one| one.undone));
        assert!(writer.undo().is_err(), "nothing else was done");
        // what a person decided is taken back one by one
        rule(&mut writer, "a", Ruling::Known("t1".into()), &[5]).unwrap();
        rule(&mut writer, "b", Ruling::Known("t1".into()), &[6]).unwrap();
        assert_eq!(writer.undo().unwrap().said, "taken back: identify: week/b is t1; week/b is open again");
        assert_eq!(writer.counts().unwrap().photos, before.photos + 1);
    }

    #[test]
    fn nobody_is_made_twice_and_nothing_is_decided_twice() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = small(&dir.path().join("g"));
        let refused = |writer: &mut Writer, encounter: &str, ruling: Ruling, photos: &[u8]| {
            let before = (writer.counts().unwrap(), writer.changes().unwrap().len());
            let error = rule(writer, encounter, ruling, photos).unwrap_err();
            assert_eq!((writer.counts().unwrap(), writer.changes().unwrap().len()), before);
            error.to_string()
        };
        assert!(refused(&mut writer, "a", Ruling::New("t1".into()), &[5]).contains("is known"));
        assert!(refused(&mut writer, "a", Ruling::New("  ".into()), &[5]).contains("empty"));
        assert!(refused(&mut writer, "a", Ruling::Known("t9".into()), &[5]).contains("no individual of that name"));
        // its second photo is in the gallery as somebody else: the first must not come in either
        assert!(refused(&mut writer, "a", Ruling::Known("t1".into()), &[5, 1]).contains("as t2"));
        rule(&mut writer, "a", Ruling::Known("t2".into()), &[5, 1]).unwrap();
        assert!(refused(&mut writer, "a", Ruling::Skipped, &[]).contains("decided"));
        assert_eq!(writer.individual("t2").unwrap().0.photos, 2);
    }
}
