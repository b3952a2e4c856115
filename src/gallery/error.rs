//! What can go wrong with a gallery, each with its file and the way out.

use std::path::{Path, PathBuf};

use crate::data::foreign;
use crate::run::RunError;

use super::thresholds::Asked;

/// A gallery that could not be read, searched or changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No gallery lies there.
    #[error("{}: there is no gallery here; `caretta gallery build` makes one", foreign::path(folder))]
    NoGallery {
        /// The folder asked for.
        folder: PathBuf,
    },
    /// One lies there already.
    #[error(
        "{}: there is a gallery here; `caretta gallery add` puts photos into it, or choose another --gallery",
        foreign::path(folder)
    )]
    AlreadyThere {
        /// Its folder.
        folder: PathBuf,
    },
    /// Something else lies there.
    #[error(
        "{}: this folder holds something else ({}); choose a new one for the gallery",
        foreign::path(folder),
        line(found)
    )]
    NotOurs {
        /// The folder.
        folder: PathBuf,
        /// Something in it.
        found: String,
    },
    /// A file that holds no decisions.
    #[error(
        "{}: this file holds something else than decisions, a JSON object a line; choose another --output",
        foreign::path(path)
    )]
    NotAnswers {
        /// The file.
        path: PathBuf,
    },
    /// Something else lies where the table of decisions is to be written.
    #[error("{}: this file is no table of decisions and stays as it is; choose another name", foreign::path(path))]
    NotDecisions {
        /// The file.
        path: PathBuf,
    },
    /// Something lies where files are to be written.
    #[error("{}: this is there already; choose another place", foreign::path(path))]
    InTheWay {
        /// What is there.
        path: PathBuf,
    },
    /// It was rebuilt while it was read.
    #[error("{}: the gallery was rebuilt this very moment; run it again", foreign::path(folder))]
    RebuiltMeanwhile {
        /// The gallery.
        folder: PathBuf,
    },
    /// Photos that a rebuild needs are gone.
    #[error(
        "{missing} of the gallery's {all} photos cannot be read, and a rebuild embeds them anew; the first: {first}; put them back, or leave them out for good with --drop-missing"
    )]
    PhotosGone {
        /// Photos that cannot be read.
        missing: usize,
        /// Photos in the gallery.
        all: usize,
        /// The first, and why.
        first: Box<crate::data::manifest::Problem>,
    },
    /// Another process writes.
    #[error(
        "{}: another process is changing this gallery; wait until it is done, then try again",
        foreign::path(folder)
    )]
    Busy {
        /// The gallery.
        folder: PathBuf,
    },
    /// A file of a gallery that is not as this program leaves it.
    #[error(
        "{}: the gallery is damaged or of another version: {}; take its backup, or build it anew",
        foreign::path(path),
        foreign::sentence(reason)
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The database could not be read or written.
    #[error("{}: {source}", foreign::path(path))]
    Facts {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// Embeddings of another network, or of photos prepared otherwise.
    #[error(
        "{}: its embeddings are {}, and these would be {}: they cannot be compared; take the gallery's own model, or `caretta gallery rebuild` with this one",
        foreign::path(folder),
        line(theirs),
        line(ours)
    )]
    OtherModel {
        /// The gallery.
        folder: PathBuf,
        /// What made its embeddings.
        theirs: String,
        /// What would make the new ones.
        ours: String,
    },
    /// The network of a gallery is gone.
    #[error(
        "{}: its model {} is not at {} any more; say where it is with --model-path",
        foreign::path(folder),
        line(model),
        foreign::short(&path.to_string_lossy(), 400)
    )]
    ModelGone {
        /// The gallery.
        folder: PathBuf,
        /// What the model was called.
        model: String,
        /// Where it was.
        path: PathBuf,
    },
    /// Embeddings and what is said of them do not belong together.
    #[error("the gallery's embeddings do not fit its photos: {reason}")]
    Known {
        /// In what.
        reason: String,
    },
    /// Photos that cannot be asked about.
    #[error("these photos cannot be looked up: {reason}")]
    Query {
        /// Why not.
        reason: String,
    },
    /// An error rate that nothing can be held to.
    #[error("a {what} rate of {rate} is none: it lies between 0 and 1, as 0.05")]
    Rate {
        /// Which.
        what: &'static str,
        /// What was given.
        rate: f64,
    },
    /// Too few individuals for a promise.
    #[error(
        "{}{} cannot promise a false-new rate of {} with a wrong-name rate of {}: it takes {needed} with \
         equally many encounters, even if nothing goes wrong; {}",
        of_held_out(*individuals, *held_out),
        drawn(*drawn_from),
        asked.false_new,
        asked.wrong_name,
        instead(*least, folder.as_deref())
    )]
    TooFew {
        /// The rates asked for.
        asked: Asked,
        /// Individuals that were held out and count for the promise: where they are fewer than all, those met more than once.
        individuals: usize,
        /// All that were held out.
        held_out: usize,
        /// The lowest rates, of those asked for or above, that they can promise; none where nothing can be.
        least: Option<Asked>,
        /// How many it takes, with an encounter each.
        needed: usize,
        /// Of how many they were drawn, as all would take too long; none where all were asked about.
        drawn_from: Option<usize>,
        /// The gallery, where it lies on a disk.
        folder: Option<PathBuf>,
    },
    /// All individuals trained the network.
    #[error(
        "all {individuals} individuals trained the network, which holds them apart better than strangers: they calibrate nothing; add \
         individuals that it never saw, or train on a part of them (--split disjoint) and build the gallery with that"
    )]
    AllTrained {
        /// How many.
        individuals: usize,
    },
    /// Beside who trained the network there are only encounters that the program has named.
    #[error(
        "{encounters} encounters were named by the program alone, whose scores chose them, and nothing else is left to calibrate on; add \
         encounters that people have named, of individuals that the network never saw"
    )]
    OnlyByProgram {
        /// How many.
        encounters: usize,
    },
    /// A calibration whose numbers are none.
    #[error("{}: {reason}; `caretta gallery calibrate` makes it anew", foreign::path(path))]
    NoCalibration {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A calibration of embeddings that the gallery has no more.
    #[error(
        "{}: it is of other embeddings than the gallery's; `caretta gallery calibrate` makes it anew",
        foreign::path(path)
    )]
    OtherCalibration {
        /// The file.
        path: PathBuf,
    },
    /// More than can be grouped.
    #[error(
        "{things} encounters and known individuals are more than can be grouped at once ({most}); group a part of the folder"
    )]
    TooMany {
        /// How many.
        things: usize,
        /// How many can.
        most: usize,
    },
    /// Too few names to choose a distance by.
    #[error(
        "{individuals} of {of} individuals with names are ones that the network was not trained on: it takes {least} to choose how far \
         apart groups stay; give --distance"
    )]
    NothingToChoose {
        /// How many there are that the network was not trained on.
        individuals: usize,
        /// How many there are at all.
        of: usize,
        /// How many it takes.
        least: usize,
    },
    /// Nothing says how far apart groups stay.
    #[error(
        "nothing says how far apart groups stay: evaluate the run on four individuals or more (caretta evaluate), or give --distance, a --gallery whose individuals choose it, or names (--named)"
    )]
    NoDistance,
    /// No distance.
    #[error("{cut} is no distance of groups: it lies between 0 and 2")]
    Cut {
        /// What was given.
        cut: f64,
    },
    /// A gallery in which nobody can be left out.
    #[error(
        "with {individuals} individuals nobody can be left out and the others still be ranked: it takes three, and many more for a promise"
    )]
    NothingToHoldOut {
        /// How many there are.
        individuals: usize,
    },
    /// A name that no individual has.
    #[error(
        "{}: no individual of that name in the gallery{}; `caretta gallery ls` shows them all",
        line(given),
        crate::run::error::hint(near)
    )]
    UnknownIndividual {
        /// As given.
        given: String,
        /// Names spelt alike.
        near: Vec<String>,
    },
    /// A new individual by what the gallery knew before.
    #[error("{}: the gallery has changed meanwhile; look at the nearest once more", foreign::path(folder))]
    ChangedMeanwhile {
        /// The gallery.
        folder: PathBuf,
    },
    /// A decision on what is decided.
    #[error("{}: it is decided already: look at it once more", line(encounter))]
    AlreadyDecided {
        /// The encounter.
        encounter: String,
    },
    /// A name for an encounter of which nothing can be seen.
    #[error("{}: no photo of it can be read, so that it can only be skipped", line(encounter))]
    NothingSeen {
        /// The encounter.
        encounter: String,
    },
    /// A decision on what was never looked at.
    #[error("{}: it was not seen in this folder", line(encounter))]
    Unseen {
        /// The encounter.
        encounter: String,
    },
    /// A decision on an encounter whose photos are not those that were shown.
    #[error("photos of {} came or changed meanwhile: look at it again", line(encounter))]
    CameMeanwhile {
        /// The encounter.
        encounter: String,
    },
    /// Two look at one folder.
    #[error("{}: another process looks at this folder already", foreign::path(folder))]
    Looking {
        /// The folder.
        folder: PathBuf,
    },
    /// A photo that is another one than was seen.
    #[error("{}: the file has changed since it was looked at; look at the folder again", line(photo))]
    SeenOtherwise {
        /// The photo.
        photo: String,
    },
    /// A new individual of a known one's name: there would be two of it.
    #[error("{}: an individual of this name is known; take it as that one, or choose another name", line(name))]
    AlreadyKnown {
        /// The name.
        name: String,
    },
    /// A photo that is known as somebody else.
    #[error("{}: this photo is in the gallery as {}; nothing was changed", line(photo), line(known_as))]
    KnownOtherwise {
        /// The photo.
        photo: String,
        /// As whom.
        known_as: String,
    },
    /// Photos are said to be of one individual, and one of them is known as somebody else.
    #[error(
        "{}: this photo is in the gallery as {}{}, so that nothing was added as {}: `caretta gallery merge` if the two are one, \
         `caretta gallery rm {} --photo {}` if it came to {} by mistake, or name the other photos without {}",
        foreign::path(photo),
        line(known_as),
        if *more > 0 { format!(", and {more} more are not {}'s either", line(individual)) } else { String::new() },
        line(individual),
        line(known_as),
        line(lies_at),
        line(known_as),
        if *more > 0 { "these" } else { "it" }
    )]
    SomebodyElses {
        /// The photo.
        photo: PathBuf,
        /// As whom.
        known_as: String,
        /// Where the gallery has it.
        lies_at: String,
        /// Whom it was to be added as.
        individual: String,
        /// How many others are somebody else's, too.
        more: usize,
    },
    /// Another file at a known photo's place.
    #[error(
        "{}: the gallery knows another photo at this place; `caretta gallery rebuild` embeds all anew",
        line(photo)
    )]
    PhotoChanged {
        /// The photo.
        photo: String,
    },
    /// A name that leads to another individual.
    #[error(
        "{}: this is {}; `caretta gallery merge` makes two individuals one, or choose another name",
        line(name),
        taken(name, known_as)
    )]
    NameTaken {
        /// The name.
        name: String,
        /// What the other one goes by.
        known_as: String,
    },
    /// An individual is to be called what it is called.
    #[error("{}: it is called so already", line(name))]
    CalledSo {
        /// Its name.
        name: String,
    },
    /// An individual is to be merged with itself.
    #[error("{}: both names are the same individual's", line(name))]
    SameIndividual {
        /// Its name.
        name: String,
    },
    /// Something that an individual cannot be called, or that cannot be noted.
    #[error("`{given}` is no name or note that can be kept: {reason}")]
    BadName {
        /// The beginning of it.
        given: String,
        /// Why not.
        reason: &'static str,
    },
    /// A photo that an individual does not have.
    #[error("{}: {} has no such photo; `caretta gallery show` lists them by their paths", line(photo), line(name))]
    NoSuchPhoto {
        /// The individual.
        name: String,
        /// The path as given.
        photo: String,
    },
    /// A photo's path that several photos have.
    #[error(
        "{} has more than one photo at {}: say which by its whole path, as {}",
        line(name),
        line(photo),
        line(like)
    )]
    SeveralPhotos {
        /// The individual.
        name: String,
        /// The path as given.
        photo: String,
        /// The whole path of one of them.
        like: String,
    },
    /// No change is left to take back.
    #[error("there is nothing to take back: what the gallery was built with stays")]
    NothingToUndo,
    /// What was taken out is gone for good.
    #[error(
        "the gallery was rebuilt since, without the photos that were taken out; `caretta gallery add` puts them in again"
    )]
    RebuiltSince,
    /// What was corrected is all that is left.
    #[error(
        "the gallery was rebuilt since, without the photos as they were before that correction; correct the encounter again"
    )]
    CorrectedBeforeRebuild,
    /// A later change that stands between.
    #[error(
        "{}: a later change stands in the way, number {change} ({}); take that one back first (`caretta gallery undo` takes back the \
         last, `caretta gallery log` lists them), or set right by hand what is wrong",
        line(photo),
        line(what)
    )]
    LaterChange {
        /// A photo that both are about.
        photo: String,
        /// The number of the later one.
        change: i64,
        /// What it was.
        what: String,
    },
    /// A name that another has by now, of one who would come back.
    #[error(
        "{}: another individual has this name by now; rename that one first (`caretta gallery rename`)",
        line(name)
    )]
    NameReused {
        /// The name.
        name: String,
    },
    /// One photo that would be two animals.
    #[error(
        "skip {} first, which is decided as {}, then name both: {} is in both",
        line(encounter),
        line(known_as),
        line(photo)
    )]
    SamePhoto {
        /// The photo.
        photo: String,
        /// The other encounter.
        encounter: String,
        /// Who that one is.
        known_as: String,
    },
    /// An entry of the log that this version cannot read.
    #[error("change {change} ({}) was made by another version and cannot be taken back", line(what))]
    Unreadable {
        /// Its number.
        change: i64,
        /// What it was.
        what: String,
    },
    /// There is nothing to search.
    #[error(
        "{}: the gallery holds no photo: `caretta gallery build` again, where it was cut short, or `caretta gallery add` puts some in",
        foreign::path(folder)
    )]
    Empty {
        /// The gallery.
        folder: PathBuf,
    },
    /// There is nothing to make a gallery of.
    #[error("{}: none of the photos can be put into a gallery, so that none was made", foreign::path(folder))]
    NothingPutIn {
        /// Where it was to be.
        folder: PathBuf,
    },
    /// A photo that a table cannot name.
    #[error("{}: its name is no UTF-8 text, and a gallery cannot keep it; rename it", foreign::path(path))]
    NotUnicode {
        /// The photo.
        path: PathBuf,
    },
    /// The network or the photos failed.
    #[error(transparent)]
    Eval(crate::eval::Error),
    /// A file could not be read or written.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The caller said no.
    #[error("interrupted")]
    Interrupted,
}

/// A name on a line, of which a database that is anybody's may make no endless one.
fn line(name: &str) -> String {
    foreign::short(name, 200)
}

/// Whose a name is, in words.
fn taken(name: &str, known_as: &str) -> String {
    if name == known_as { "another individual's name".into() } else { format!("an old name of {}", line(known_as)) }
}

/// Those who count of all that were held out, in words.
fn of_held_out(individuals: usize, held_out: usize) -> String {
    match individuals < held_out {
        true => format!("{individuals} of {held_out} held-out individuals (the others were met once)"),
        false => format!("{individuals} held-out individuals"),
    }
}

/// Of how many some were drawn, in words.
fn drawn(from: Option<usize>) -> String {
    from.map_or_else(String::new, |from| format!(" (drawn from {from})"))
}

/// What can be promised in place of what was asked for, as the command that asks for it.
fn instead(least: Option<Asked>, folder: Option<&Path>) -> String {
    let Some(Asked { false_new, wrong_name }) = least else {
        return "these can promise nothing, as none of them was met twice".to_owned();
    };
    let folder = folder.map_or_else(|| "PATH".to_owned(), argument);
    format!(
        "the least that these can promise (95 % confidence): caretta gallery calibrate --gallery {folder} --false-new {false_new} \
         --wrong-name {wrong_name}"
    )
}

/// A path as an argument that a shell takes as one.
fn argument(path: &Path) -> String {
    let shown = foreign::path(path);
    let is_plain = |c: char| c.is_alphanumeric() || "/._-+:@%,".contains(c);
    if shown.chars().all(is_plain) { shown } else { format!("'{}'", shown.replace('\'', "'\\''")) }
}

impl From<crate::eval::Error> for Error {
    fn from(error: crate::eval::Error) -> Error {
        match error {
            crate::eval::Error::Interrupted => Error::Interrupted,
            error => Error::Eval(error),
        }
    }
}

impl Error {
    /// What SQLite said about `path`.
    pub(super) fn facts(path: &Path, source: rusqlite::Error) -> Error {
        use rusqlite::ErrorCode as Code;
        let path = path.to_path_buf();
        let damaged = |reason: String| Error::Damaged { path: path.clone(), reason };
        match source {
            rusqlite::Error::SqliteFailure(e, _) if matches!(e.code, Code::NotADatabase | Code::DatabaseCorrupt) => {
                damaged(source.to_string())
            }
            rusqlite::Error::SqliteFailure(e, _) if matches!(e.code, Code::DatabaseBusy | Code::DatabaseLocked) => {
                Error::Busy { folder: path.parent().unwrap_or(&path).to_path_buf() }
            }
            rusqlite::Error::SqliteFailure(e, _) if e.code == Code::DiskFull => {
                RunError::io("write", &path, std::io::ErrorKind::StorageFull.into()).into()
            }
            // what this program never writes
            rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::InvalidColumnType(..)
            | rusqlite::Error::IntegralValueOutOfRange(..)
            | rusqlite::Error::Utf8Error(..)
            | rusqlite::Error::QueryReturnedNoRows => damaged(source.to_string()),
            source => Error::Facts { path, source },
        }
    }
}
