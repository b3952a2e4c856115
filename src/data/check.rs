//! Everything that can be found wrong with a dataset before a training begins: with its table, its files, its photos
//! beside each other, and with what it says of individuals and days.
//!
//! Looks into every photo once, on several threads; then compares what it saw. Changes nothing: each finding says what
//! training will do about it.

mod alike;
mod finding;
mod glance;

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use unicode_normalization::UnicodeNormalization;

use super::counted::counted;
use super::decode::{Fault, PhotoFile, Refused, Signature};
use super::each::each;
use super::error::DataError;
use super::manifest::{Manifest, Photo};
use super::sets::Sets;
use super::sizes::Sizes;

pub use alike::{Glance, alike};
pub use finding::{Finding, FindingKind};
use glance::Seen;

/// What was found.
#[derive(Debug, Clone, Default)]
pub struct Checked {
    /// In the order of their kinds, each kind in the order of the photos.
    pub findings: Vec<Finding>,
    /// Photos of the manifest that show the same, by index: exact copies and near duplicates. Every group has two.
    pub groups: Vec<Vec<usize>>,
    /// Photos that can be read.
    pub readable: usize,
    /// How large they are; none where not one can be read.
    pub sizes: Option<Sizes>,
}

impl Checked {
    /// The lines for people: the sizes, then a paragraph a kind with at most `most` findings each.
    pub fn told(&self, most: usize) -> Vec<String> {
        let mut lines: Vec<String> = self.sizes.iter().map(|sizes| format!("pixels {}", sizes.told())).collect();
        if self.findings.is_empty() {
            lines.push("Nothing wrong was found.".into());
        }
        for findings in self.findings.chunk_by(|a, b| (a.kind, a.training) == (b.kind, b.training)) {
            let first = &findings[0];
            lines.extend(["".into(), format!("{} ({}): {}", first.kind.word(), findings.len(), first.training)]);
            lines.extend(findings.iter().take(most).map(|finding| format!("  {}", finding.line())));
            if let Some(more) = findings.len().checked_sub(most).filter(|&more| more > 0) {
                lines.push(format!("  … and {more} more; --all tells them"));
            }
        }
        lines
    }
}

/// Looks at every photo of `manifest` on `threads` threads (at least one).
///
/// `progress` is called from this thread with the number done, and says whether to go on.
///
/// # Errors
/// [`DataError::Interrupted`] when `progress` says not to go on.
pub fn check(manifest: &Manifest, threads: usize, progress: impl FnMut(usize) -> bool) -> Result<Checked, DataError> {
    let files: Vec<_> = (0..manifest.photos.len()).map(|photo| Some(manifest.file(photo))).collect();
    let seen = look_at_all(&files, threads, progress)?;
    let mut findings: Vec<Finding> =
        manifest.problems.iter().map(|problem| Finding::of_problem(&manifest.root, problem)).collect();
    for (photo, seen) in manifest.photos.iter().zip(&seen) {
        match seen {
            Ok(seen) => findings.extend(of_photo(photo, seen)),
            Err(refused) => findings.push(Finding::new(FindingKind::of_fault(refused.fault), photo, &refused.reason)),
        }
    }
    let copies = copies(manifest, &seen);
    let firsts = first_of_each(&copies, seen.len());
    let glances: Vec<(usize, Glance)> = seen
        .iter()
        .enumerate()
        .filter(|(i, _)| firsts[*i])
        .filter_map(|(i, s)| Some((i, s.as_ref().ok()?.glance.clone())))
        .collect();
    let near: Vec<Vec<usize>> = alike(&glances.iter().map(|(_, glance)| glance).collect::<Vec<_>>())
        .into_iter()
        .map(|group| group.into_iter().map(|at| glances[at].0).collect())
        .collect();
    for (kind, groups) in [(FindingKind::ExactDuplicate, &copies), (FindingKind::NearDuplicate, &near)] {
        groups.iter().for_each(|group| findings.push(of_group(manifest, kind, group)));
    }
    findings.extend(lonely(manifest, &seen));
    findings.extend(alike_names(manifest));
    findings.sort_by_key(|finding| (finding.kind, finding.training));
    let groups = joined(&copies, &near, seen.len());
    let sizes = Sizes::of(&seen.iter().map(|s| Some(s.as_ref().ok()?.size)).collect::<Vec<_>>());
    Ok(Checked { findings, groups, readable: seen.iter().filter(|s| s.is_ok()).count(), sizes })
}

/// Groups of photos that show the same, by index: exact copies and near duplicates. A file that cannot be read, or `None`,
/// is in no group.
///
/// # Errors
/// As [`check`].
pub fn same_pictures(
    files: &[Option<PhotoFile>],
    threads: usize,
    progress: impl FnMut(usize) -> bool,
) -> Result<Vec<Vec<usize>>, DataError> {
    let seen = look_at_all(files, threads, progress)?;
    let (places, glances): (Vec<usize>, Vec<&Glance>) =
        seen.iter().enumerate().filter_map(|(at, seen)| Some((at, &seen.as_ref().ok()?.glance))).unzip();
    let groups = alike(&glances).into_iter();
    Ok(groups.map(|group| group.into_iter().map(|at| places[at]).collect()).collect())
}

type Looked = Result<Seen, Refused>;

fn look_at_all(
    files: &[Option<PhotoFile>],
    threads: usize,
    progress: impl FnMut(usize) -> bool,
) -> Result<Vec<Looked>, DataError> {
    let nothing = || Err(Refused { fault: Fault::Unreachable, reason: "no file is named".into() });
    each(files, threads, |file| file.as_ref().map_or_else(nothing, Seen::of), progress)
}

/// What a photo's own file says against its name and its table.
fn of_photo(photo: &Photo, seen: &Seen) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(reason) = wrong_ending(&photo.path, seen.signature) {
        findings.push(Finding::new(FindingKind::WrongExtension, photo, &reason));
    }
    if let (Some(said), Some(taken)) = (photo.date, seen.taken)
        && said.until(taken).map_or(0, |span| span.get_days().abs()) > DAYS_APART
    {
        let reason = format!("the dataset dates it {said}, the camera {taken}");
        findings.push(Finding::new(FindingKind::DateContradiction, photo, &reason));
    }
    findings
}

/// Days by which a camera's clock may differ from a table: it may be set to the time of home.
const DAYS_APART: i32 = 1;

fn wrong_ending(path: &Path, is: Signature) -> Option<String> {
    let ending = path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase());
    let name = is.name();
    match ending {
        Some(ending) if is.endings().contains(&ending.as_str()) => None,
        Some(ending) => Some(format!("its name ends in .{ending}, and it is a {name}")),
        None => Some(format!("its name has no ending, and it is a {name}")),
    }
}

/// Photos whose files are the same to the byte, and of which the same part counts.
fn copies(manifest: &Manifest, seen: &[Looked]) -> Vec<Vec<usize>> {
    let mut of: HashMap<_, Vec<usize>> = HashMap::new();
    for (at, seen) in seen.iter().enumerate() {
        if let Ok(seen) = seen {
            of.entry((seen.sha256, manifest.photos[at].crop)).or_default().push(at);
        }
    }
    let mut groups: Vec<Vec<usize>> = of.into_values().filter(|group| group.len() > 1).collect();
    groups.sort();
    groups
}

/// Whether each of `n` photos stands for itself and its copies.
fn first_of_each(copies: &[Vec<usize>], n: usize) -> Vec<bool> {
    let mut first = vec![true; n];
    copies.iter().flat_map(|group| &group[1..]).for_each(|&at| first[at] = false);
    first
}

/// Copies and near duplicates in one: a near duplicate of a photo is one of its copies, too.
fn joined(copies: &[Vec<usize>], near: &[Vec<usize>], n: usize) -> Vec<Vec<usize>> {
    let mut sets = Sets::new(n);
    for group in copies.iter().chain(near) {
        group[1..].iter().for_each(|&at| sets.join(group[0], at));
    }
    sets.groups()
}

fn of_group(manifest: &Manifest, kind: FindingKind, group: &[usize]) -> Finding {
    let photo = |at: usize| &manifest.photos[at];
    let others: Vec<&Photo> = group[1..].iter().map(|&at| photo(at)).collect();
    let mut names: Vec<&str> = group.iter().map(|&at| photo(at).individual.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let same = if kind == FindingKind::ExactDuplicate { "the same file as" } else { "nearly the same picture as" };
    let others_told: Vec<String> = others.iter().take(3).map(|p| p.path.display().to_string()).collect();
    let more = others.len().checked_sub(3).filter(|&n| n > 0).map_or(String::new(), |n| format!(" and {n} more"));
    let mut reason = format!("{same} {}{more}", others_told.join(", "));
    let mut told_as = kind;
    if names.len() > 1 {
        reason += &format!(", and yet named {}: check who is on it", names.join(" and "));
        told_as = FindingKind::TwoIndividuals;
    }
    Finding::new(told_as, photo(group[0]), &reason).with(&others)
}

/// Individuals of which too little can be read to learn or to ask.
fn lonely(manifest: &Manifest, seen: &[Looked]) -> Vec<Finding> {
    let mut of: BTreeMap<&str, Vec<&Photo>> = BTreeMap::new();
    for (photo, seen) in manifest.photos.iter().zip(seen) {
        let photos = of.entry(&photo.individual).or_default();
        if seen.is_ok() {
            photos.push(photo);
        }
    }
    let mut findings = Vec::new();
    for (name, photos) in of {
        let Some(&first) = photos.first() else { continue };
        if photos.len() == 1 {
            let reason = format!("it is the only photo of {name} that can be read");
            findings.push(Finding::new(FindingKind::SinglePhoto, first, &reason));
        } else if photos.iter().all(|photo| photo.encounter == first.encounter) {
            let reason = format!("all {} of {name} are of one encounter", counted(photos.len(), "photo"));
            findings.push(Finding::new(FindingKind::SingleEncounter, first, &reason));
        }
    }
    findings
}

/// Individuals that only a machine tells apart by their names, by capitals, spaces or how Unicode writes a letter: perhaps
/// one animal written in two ways.
fn alike_names(manifest: &Manifest) -> Vec<Finding> {
    let mut of: BTreeMap<String, Vec<(&str, usize)>> = BTreeMap::new();
    for (name, photos) in manifest.by_individual() {
        let folded: String = name.nfkc().flat_map(char::to_lowercase).collect();
        of.entry(folded.split_whitespace().collect::<Vec<_>>().join(" ")).or_default().push((name, photos[0]));
    }
    let alike = of.into_values().filter(|names| names.len() > 1);
    let told = alike.map(|names| {
        let photos: Vec<&Photo> = names.iter().map(|(_, photo)| &manifest.photos[*photo]).collect();
        let written: Vec<String> = names.iter().map(|(name, _)| format!("{name:?}")).collect();
        let reason = format!("individuals whose names look alike: {}", written.join(" and "));
        Finding::new(FindingKind::AlikeNames, photos[0], &reason).with(&photos[1..])
    });
    told.collect()
}

#[cfg(test)]
mod tests;
