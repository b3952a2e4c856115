//! The rules that every format's rows obey on their way into a manifest.
//!
//! Paths stay in the folder and occur once, individuals have names, an encounter belongs to one individual. A row that
//! breaks a rule is left out, or loses the field that is wrong, and a problem says so with its line. What a person has
//! corrected takes the place of what the row says before any rule is asked, so that a photo of nobody can be named.
//! Knows no format.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Component, Path, PathBuf};

use jiff::civil::Date;

use super::{Manifest, Part, Photo, Problem, ProblemKind, Side};
use crate::data::corrections::{Correction, Corrections};
use crate::data::crop::Crop;

/// A row as a format found it, before the rules.
#[derive(Debug, Default)]
pub(in crate::data) struct Row<'a> {
    /// As the dataset writes it.
    pub(in crate::data) path: &'a str,
    /// Empty and `unknown` mean nobody.
    pub(in crate::data) individual: &'a str,
    /// The table's own encounter; empty for none.
    pub(in crate::data) encounter: &'a str,
    /// Text of the date or time; empty for none.
    pub(in crate::data) date: &'a str,
    /// Word of the side that it shows; empty for none.
    pub(in crate::data) side: &'a str,
    /// Left, top, width and height of the part that counts; empty for all of the photo.
    pub(in crate::data) crop: [&'a str; 4],
    /// The same of a box in other units, or why it is none; the four before it count first.
    pub(in crate::data) boxed: Option<Result<Crop, String>>,
    /// Text of each split column, in the order given to the builder.
    pub(in crate::data) splits: Vec<&'a str>,
    /// Line of the table, from 1.
    pub(in crate::data) line: Option<u64>,
}

/// Collects rows into a manifest under the rules at the head of this file.
#[derive(Debug)]
pub(in crate::data) struct Builder {
    root: PathBuf,
    columns: Vec<String>,
    photos: Vec<Photo>,
    own: Vec<Own>,
    parts: Vec<Vec<Option<Part>>>,
    odd_words: Vec<Vec<(usize, Problem)>>,
    seen: HashMap<PathBuf, (usize, Option<u64>)>,
    problems: Vec<(usize, Problem)>,
    rows: usize,
    corrections: Corrections,
    /// Photos whose correction took effect.
    corrected: HashSet<PathBuf>,
}

/// What the table itself says of a photo's encounter.
#[derive(Debug, Default)]
struct Own {
    /// The table's key; empty for none.
    key: String,
    /// Individual or date were corrected since, so that the key may be another encounter's.
    moved: bool,
}

impl Builder {
    /// Starts an empty manifest with these split columns.
    pub(in crate::data) fn new(root: &Path, columns: Vec<String>, corrections: &Corrections) -> Self {
        let n = columns.len();
        Builder {
            root: root.to_path_buf(),
            columns,
            photos: Vec::new(),
            own: Vec::new(),
            parts: vec![Vec::new(); n],
            odd_words: vec![Vec::new(); n],
            seen: HashMap::new(),
            problems: Vec::new(),
            rows: 0,
            corrections: corrections.clone(),
            corrected: HashSet::new(),
        }
    }

    /// Whether a person has said who is on the photo at `path`.
    pub(in crate::data) fn is_named(&self, path: &Path) -> bool {
        self.corrections.get(path).is_some_and(|correction| correction.individual.is_some())
    }

    /// Notes something that is wrong without a usable row.
    pub(in crate::data) fn problem(
        &mut self,
        kind: ProblemKind,
        photo: Option<&str>,
        line: Option<u64>,
        reason: impl Into<String>,
    ) {
        self.rows += 1;
        let problem = Problem { kind, photo: photo.map(str::to_owned), line, reason: reason.into() };
        self.problems.push((self.rows, problem));
    }

    /// Takes a row of a table, or leaves it out and says why.
    pub(in crate::data) fn push(&mut self, row: &Row<'_>) {
        match inside(row.path.trim()) {
            Ok(path) => self.push_at(path, row),
            Err(reason) => {
                self.problem(ProblemKind::BadPath, Some(row.path.trim()), row.line, reason);
            }
        }
    }

    /// Takes a row whose photo was found at `path`, relative to the root, or leaves it out and says why.
    pub(in crate::data) fn push_at(&mut self, path: PathBuf, row: &Row<'_>) {
        let name = Some(row.path.trim());
        let correction = self.corrections.get(&path).cloned().unwrap_or_default();
        if !correction.is_empty() {
            self.corrected.insert(path.clone());
        }
        let Correction { individual: named, date: dated, crop: cropped } = correction;
        let individual = named.as_deref().unwrap_or(row.individual.trim());
        if is_nobody(individual) {
            let reason = if named.is_some() {
                "a correction says that nobody is to be named on it, so it is left out"
            } else {
                "no individual is named on it, so it is left out"
            };
            return self.problem(ProblemKind::UnknownIndividual, name, row.line, reason);
        }
        if let Some(&(first, line)) = self.seen.get(&path) {
            let who = &self.photos[first].individual;
            let at = line.map_or(String::new(), |l| format!(" (line {l})"));
            let (kind, reason) = if who == individual {
                (ProblemKind::Duplicate, format!("listed before{at}; the first row counts"))
            } else {
                let reason = format!("listed before as {who}{at}; the first row counts, check which is right");
                (ProblemKind::TwoIndividuals, reason)
            };
            return self.problem(kind, name, row.line, reason);
        }
        let date_text = row.date.trim();
        let written = parse_date(date_text);
        let date = dated.or(written);
        if date.is_none() && !is_blank(date_text) {
            let reason = format!("`{date_text}` is no date (2019-07-31 would be); taken as undated");
            self.problem(ProblemKind::BadDate, name, row.line, reason);
        }
        let crop = cropped.or_else(|| self.crop(row)).filter(|crop| *crop != Crop::FULL);
        self.rows += 1;
        for (column, parts) in self.parts.iter_mut().enumerate() {
            let word = row.splits.get(column).copied().unwrap_or("").trim();
            let part = Part::parse(word);
            if part.is_none() && !is_blank(word) {
                let reason = format!(
                    "column `{}` says `{word}`, which is none of train, valid and test; it is in no part there",
                    self.columns[column]
                );
                let problem =
                    Problem { kind: ProblemKind::BadSplit, photo: name.map(str::to_owned), line: row.line, reason };
                self.odd_words[column].push((self.rows, problem));
            }
            parts.push(part);
        }
        self.seen.insert(path.clone(), (self.photos.len(), row.line));
        let key = if is_blank(row.encounter) { String::new() } else { row.encounter.trim().to_owned() };
        self.own.push(Own { key, moved: individual != row.individual.trim() || date != written });
        self.photos.push(Photo {
            path,
            individual: individual.to_owned(),
            encounter: String::new(),
            date,
            crop,
            side: Side::parse(row.side),
        });
    }

    /// The part of the photo that the row itself says counts; what is no part of it becomes a problem.
    fn crop(&mut self, row: &Row<'_>) -> Option<Crop> {
        let given = match &row.boxed {
            _ if row.crop.iter().any(|cell| !is_blank(cell)) => Crop::from_cells(&row.crop).map_err(|e| e.to_string()),
            Some(boxed) => boxed.clone(),
            None => return None,
        };
        match given {
            Ok(crop) => Some(crop),
            Err(error) => {
                let reason = format!("{error}; taken whole");
                self.problem(ProblemKind::BadCrop, Some(row.path.trim()), row.line, reason);
                None
            }
        }
    }

    /// The manifest, with encounters named.
    pub(in crate::data) fn finish(mut self) -> Manifest {
        for problem in stale(&self.corrections, |photo| self.corrected.contains(photo)) {
            self.problems.push((usize::MAX, problem));
        }
        let own = keys_of_moved(&self.photos, self.own);
        name_encounters(&mut self.photos, &own);
        let mut split_columns = BTreeMap::new();
        let columns = self.columns.into_iter().zip(self.parts).zip(self.odd_words);
        for ((column, parts), odd) in columns {
            // A column of remarks whose name merely starts with `split` is no split, and no problem of each row.
            if parts.iter().any(Option::is_some) {
                self.problems.extend(odd);
                split_columns.insert(column, parts);
            }
        }
        self.problems.sort_by_key(|(row, _)| *row);
        let folder = self.root.canonicalize().unwrap_or_else(|_| self.root.clone());
        let name = folder.file_name().map_or_else(|| "photos".into(), |n| n.to_string_lossy().into_owned());
        Manifest {
            root: self.root,
            name,
            photos: self.photos,
            split_columns,
            problems: self.problems.into_iter().map(|(_, p)| p).collect(),
            corrected: self.corrected.len(),
            alike: None,
        }
    }
}

/// Says of each correction whose photo is not there that it waits.
pub(in crate::data) fn stale(corrections: &Corrections, is_there: impl Fn(&Path) -> bool) -> Vec<Problem> {
    let gone = corrections.iter().map(|(photo, _)| photo).filter(|photo| !is_there(photo));
    let problem = |photo: &Path| Problem {
        kind: ProblemKind::StaleCorrection,
        photo: Some(photo.display().to_string()),
        line: None,
        reason: "it was corrected, and the dataset has no such photo now; the correction is kept".into(),
    };
    gone.map(problem).collect()
}

/// The table's own keys of encounters, none of them that of an encounter which a corrected photo has left.
///
/// A photo that moved joins what the table calls the encounter of its individual on its day, where there is such a one:
/// else the two would count as two encounters, and one could answer for the other.
fn keys_of_moved(photos: &[Photo], own: Vec<Own>) -> Vec<String> {
    let mut of_day: HashMap<(&str, Date), &str> = HashMap::new();
    for (photo, own) in photos.iter().zip(&own).filter(|(_, own)| !own.moved && !own.key.is_empty()) {
        if let Some(date) = photo.date {
            of_day.entry((&photo.individual, date)).or_insert(&own.key);
        }
    }
    let key = |photo: &Photo, own: &Own| match photo.date {
        _ if !own.moved => own.key.clone(),
        Some(date) => of_day.get(&(photo.individual.as_str(), date)).map_or_else(String::new, |key| (*key).to_owned()),
        None if own.key.is_empty() => String::new(),
        None => format!("{} {}", photo.individual, own.key),
    };
    photos.iter().zip(&own).map(|(photo, own)| key(photo, own)).collect()
}

/// Gives each photo the key of its encounter: the table's own, else individual and day, else one for itself.
///
/// A table that numbers encounters anew for each individual gets `"<individual> <number>"`, since otherwise one
/// encounter would hold several individuals.
fn name_encounters(photos: &mut [Photo], own: &[String]) {
    let mut owner: HashMap<&str, &str> = HashMap::new();
    let shared = photos.iter().zip(own).any(|(photo, key)| {
        !key.is_empty() && *owner.entry(key).or_insert(&photo.individual) != photo.individual.as_str()
    });
    let mut keys = Vec::with_capacity(photos.len());
    for (photo, key) in photos.iter().zip(own) {
        keys.push(match key.as_str() {
            "" => default_encounter(photo),
            key if shared => format!("{} {key}", photo.individual),
            key => key.to_owned(),
        });
    }
    // Names with spaces could still make two individuals' keys equal ("a" + "b 1", "a b" + "1"): keep them apart.
    let mut owner: HashMap<String, String> = HashMap::new();
    for (photo, mut key) in photos.iter_mut().zip(keys) {
        while owner.get(&key).is_some_and(|who| *who != photo.individual) {
            key.push('\'');
        }
        owner.entry(key.clone()).or_insert_with(|| photo.individual.clone());
        photo.encounter = key;
    }
}

/// Whether a name in a table names nobody.
pub fn is_nobody(individual: &str) -> bool {
    individual.is_empty() || individual.eq_ignore_ascii_case("unknown")
}

/// The key of a photo's encounter where the table names none: individual and day, else one for itself.
pub(in crate::data) fn default_encounter(photo: &Photo) -> String {
    match photo.date {
        Some(date) => format!("{} {date}", photo.individual),
        None => format!("{} (undated)", photo.path.display()),
    }
}

/// Words that tables write for "nothing".
pub(in crate::data) fn is_blank(text: &str) -> bool {
    matches!(text.trim().to_ascii_lowercase().as_str(), "" | "nan" | "na" | "n/a" | "none" | "null")
}

/// A table's path as a relative path of plain names, or why it cannot be used.
///
/// The check is on the text alone. With no `..` left and nothing absolute, only a symbolic link inside the folder can
/// lead elsewhere, and those the user put there.
pub(in crate::data) fn inside(text: &str) -> Result<PathBuf, &'static str> {
    const LEAVES: &str = "the path leaves the dataset's folder; write it relative to that folder";
    if text.is_empty() {
        return Err("no photo is named");
    }
    if text.contains(['\0', '\n', '\r']) {
        return Err("the path holds a line break or a zero byte; a quotation mark may be left open");
    }
    // Tables made on Windows. A name on Unix may hold a backslash, but no dataset seen does.
    let text = text.replace('\\', "/");
    if text.get(1..3) == Some(":/") {
        return Err(LEAVES);
    }
    let mut path = PathBuf::new();
    for component in Path::new(&text).components() {
        match component {
            Component::Normal(name) => path.push(name),
            Component::CurDir => {}
            Component::ParentDir => {
                if !path.pop() {
                    return Err(LEAVES);
                }
            }
            Component::RootDir | Component::Prefix(_) => return Err(LEAVES),
        }
    }
    if path.as_os_str().is_empty() {
        return Err("the path names the folder itself");
    }
    Ok(path)
}

/// The day in `2014-07-14`, `2014-07-14 14:49:45`, `2014-07-14T14:49:45Z` or `2014:07:14 14:49:45` (EXIF).
pub fn parse_date(text: &str) -> Option<Date> {
    let day = text.get(..10)?;
    let rest = &text[10..];
    if !(rest.is_empty() || rest.starts_with([' ', 'T'])) {
        return None;
    }
    let bytes = day.as_bytes();
    let digits = |range: std::ops::Range<usize>| -> Option<i16> {
        let part = &day[range];
        if part.bytes().all(|b| b.is_ascii_digit()) { part.parse().ok() } else { None }
    };
    if !day.is_ascii() || bytes[4] != bytes[7] || !matches!(bytes[4], b'-' | b':' | b'/') {
        return None;
    }
    let (year, month, day) = (digits(0..4)?, digits(5..7)?, digits(8..10)?);
    Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::super::{Counts, testing};
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn read(columns: &[&str], rows: &[Row<'_>]) -> Manifest {
        let columns = columns.iter().map(|c| (*c).to_owned()).collect();
        let mut builder = Builder::new(Path::new("photos"), columns, &Corrections::NONE);
        for row in rows {
            builder.push(row);
        }
        builder.finish()
    }

    fn row<'a>(path: &'a str, individual: &'a str) -> Row<'a> {
        Row { path, individual, ..Row::default() }
    }

    #[test]
    fn a_path_may_wander_inside_the_folder_but_not_leave_it() {
        for (text, want) in [
            ("images/t1/a.jpg", "images/t1/a.jpg"),
            ("./images//t1/./a.jpg", "images/t1/a.jpg"),
            (r"images\t1\a.jpg", "images/t1/a.jpg"),
            ("x/../images/a.jpg", "images/a.jpg"),
            ("a..b.jpg", "a..b.jpg"),
        ] {
            assert_eq!(inside(text), Ok(PathBuf::from(want)), "{text}");
        }
        for text in ["/etc/passwd", "../a.jpg", "x/../../a.jpg", r"..\a.jpg", r"C:\a.jpg", "", ".", "a/..", "a\0b"] {
            assert!(inside(text).is_err(), "{text}");
        }
    }

    #[test]
    fn rows_that_cannot_count_become_problems_with_their_line() {
        let mut rows = vec![
            row("a.jpg", "t1"),
            row("b.jpg", "unknown"),
            row("c.jpg", "  "),
            row("./a.jpg", "t1"),
            row("a.jpg", "t2"),
            row("/etc/passwd", "t3"),
        ];
        for (i, row) in rows.iter_mut().enumerate() {
            row.line = Some(i as u64 + 2);
        }
        let m = read(&[], &rows);
        assert_eq!(m.photos.len(), 1);
        let kinds: Vec<_> = m.problems.iter().map(|p| (p.line, p.kind)).collect();
        use ProblemKind::{BadPath, Duplicate, TwoIndividuals, UnknownIndividual};
        let want = [UnknownIndividual, UnknownIndividual, Duplicate, TwoIndividuals, BadPath];
        assert_eq!(kinds, (3..).map(Some).zip(want).collect::<Vec<_>>());
        assert!(m.problems[3].reason.contains("as t1 (line 2)"), "{}", m.problems[3]);
    }

    #[test]
    fn dates_are_read_in_the_forms_that_tables_hold() {
        let date = Some(Date::constant(2014, 7, 4));
        for text in ["2014-07-04", "2014-07-04 14:49:45", "2014-07-04T14:49:45Z", "2014:07:04 01:02:03"] {
            assert_eq!(parse_date(text), date, "{text}");
        }
        for text in ["", "2014", "04.07.2014", "2014-13-01", "2014-07-041", "+014-07-04", "2014-07:04", "２０14-07-04"]
        {
            assert_eq!(parse_date(text), None, "{text}");
        }
        let m =
            read(&[], &[Row { date: "4 July 2014", ..row("a.jpg", "t1") }, Row { date: "NaN", ..row("b.jpg", "t1") }]);
        assert_eq!(m.photos.len(), 2);
        assert_eq!(m.problems.len(), 1);
        assert_eq!(m.problems[0].kind, ProblemKind::BadDate);
    }

    #[test]
    fn encounters_are_days_of_one_individual_and_undated_photos_stand_alone() {
        let m = testing::manifest(&[
            ("t1", "2014-07-04 09:00"),
            ("t1", "2014-07-04 17:00"),
            ("t2", "2014-07-04"),
            ("t2", ""),
            ("t2", ""),
        ]);
        let key = |i: usize| m.photos[i].encounter.as_str();
        assert_eq!(key(0), "t1 2014-07-04");
        assert_eq!(key(0), key(1));
        assert_ne!(key(0), key(2));
        assert_ne!(key(3), key(4));
        assert_eq!(m.counts(), Counts { photos: 5, individuals: 2, encounters: 4, dated: 3 });
    }

    #[test]
    fn the_tables_own_encounters_win_and_never_join_two_individuals() {
        let own = |path, who, encounter| Row { encounter, date: "2014-07-04", ..row(path, who) };
        let m = read(&[], &[own("a", "t1", "dive 7"), own("b", "t1", "dive 8"), own("c", "t2", "")]);
        let keys: Vec<_> = m.photos.iter().map(|p| p.encounter.as_str()).collect();
        assert_eq!(keys, ["dive 7", "dive 8", "t2 2014-07-04"]);
        let m = read(&[], &[own("a", "t1", "1"), own("b", "t1", "1"), own("c", "t2", "1")]);
        let keys: Vec<_> = m.photos.iter().map(|p| p.encounter.as_str()).collect();
        assert_eq!(keys, ["t1 1", "t1 1", "t2 1"]);
    }

    #[test]
    fn a_split_word_nobody_knows_is_a_problem_and_a_column_of_them_no_split() {
        let split = |path, words: &[&'static str]| Row { splits: words.to_vec(), ..row(path, "t1") };
        let m = read(
            &["split", "split_note"],
            &[split("a", &["train", "good"]), split("b", &["trian", "bad"]), split("c", &["", ""])],
        );
        assert_eq!(m.split_columns.keys().collect::<Vec<_>>(), ["split"]);
        assert_eq!(m.split_columns["split"], [Some(Part::Train), None, None]);
        assert_eq!(m.problems.len(), 1);
        assert!(m.problems[0].reason.contains("`trian`"), "{}", m.problems[0]);
    }

    proptest! {
        #[test]
        fn an_encounter_has_one_individual_and_a_path_one_photo(
            rows in prop::collection::vec(("[ab ./]{0,4}", "[ab 1]{0,3}", "[ab1 ]{0,2}", "(2020-01-0[1-3])?"), 0..40),
        ) {
            let rows: Vec<Row<'_>> = rows
                .iter()
                .map(|(path, individual, encounter, date)| Row { path, individual, encounter, date, ..Row::default() })
                .collect();
            let m = read(&[], &rows);
            prop_assert!(m.photos.len() + m.problems.len() >= rows.len());
            let mut paths = BTreeSet::new();
            let mut owners: BTreeMap<&str, &str> = BTreeMap::new();
            for photo in &m.photos {
                prop_assert!(paths.insert(&photo.path));
                prop_assert!(photo.path.components().all(|c| matches!(c, Component::Normal(_))));
                let owner = owners.entry(&photo.encounter).or_insert(&photo.individual);
                prop_assert_eq!(*owner, photo.individual.as_str());
            }
        }
    }
}
