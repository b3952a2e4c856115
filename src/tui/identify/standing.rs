//! What the list of encounters says of each: a sign, what is decided or proposed, and a figure.

use std::collections::HashMap;
use std::sync::Arc;

use crate::data::counted::counted;
use crate::gallery::decisions::Ruling;
use crate::gallery::identify::{Verdict, sure};
use crate::gallery::session::Entry;
use crate::tui::widgets::text::width;

use super::Identify;

/// How many photos came since it was decided, in words; nothing where none did.
pub(super) fn later(entry: &Entry) -> String {
    if entry.later.is_empty() { String::new() } else { counted(entry.later.len(), "new photo") }
}

/// That it is decided to be somebody and the gallery has photos of it as others, in words; empty where it has none so.
pub(super) fn also_of(entry: &Entry) -> String {
    let whose = entry.also_of().into_iter().enumerate().map(|(n, (name, count))| match (n, count) {
        (0, 1) => format!("1 photo is {name}'s"),
        (0, count) => format!("{} are {name}'s", counted(count, "photo")),
        (_, 1) => format!("1 is {name}'s"),
        (_, count) => format!("{count} are {name}'s"),
    });
    let whose = whose.collect::<Vec<_>>().join(", ");
    if whose.is_empty() { whose } else { format!("{whose} in the gallery: one photo is not two animals") }
}

/// What is to be known of its photos since it was decided, short.
fn since(entry: &Entry) -> String {
    match &entry.also_of()[..] {
        [] if entry.of_others => "other photos".to_owned(),
        [] => later(entry),
        [(name, 1)] => format!("1 is {name}'s"),
        [(name, count)] => format!("{count} are {name}'s"),
        several => format!("{} are others'", several.iter().map(|(_, count)| count).sum::<usize>()),
    }
}

/// The sign, the words, and the figure of an encounter's line.
fn standing(entry: &Entry, groups: &HashMap<&str, usize>) -> (&'static str, String, String) {
    if let Some(decided) = &entry.decided {
        return match &decided.ruling {
            Ruling::Known(name) => ("✓", name.clone(), since(entry)),
            Ruling::New(name) => ("+", format!("{name}, new"), since(entry)),
            Ruling::Skipped => ("–", "skipped".into(), later(entry)),
        };
    }
    if entry.photos.is_empty() {
        return ("✗", "cannot be read".into(), String::new());
    }
    let proposal = &entry.proposal;
    let sure = proposal.probability.map_or_else(String::new, sure);
    let near = || proposal.individual.clone().or_else(|| Some(proposal.individuals.first()?.individual.clone()));
    match Identify::reads(entry) {
        Some(Verdict::Look) if !proposal.already.is_empty() => {
            let theirs = Identify::held(entry).first().map_or_else(String::new, |name| (*name).to_owned());
            ("?", format!("look: {theirs}?"), String::new())
        }
        Some(Verdict::Known) => ("?", near().unwrap_or_default(), sure),
        Some(Verdict::Look) => ("?", format!("look: {}?", near().unwrap_or_default()), sure),
        Some(Verdict::NewIndividual) => {
            let of = |group: &str| groups.get(group).copied().filter(|of| *of > 1);
            let group = proposal.group.as_deref().map(|group| match of(group) {
                Some(of) => format!("{group} ({of})"),
                None => group.to_owned(),
            });
            ("?", group.unwrap_or_else(|| "new".into()), sure)
        }
        None => {
            let apart = proposal.individuals.first().map_or_else(String::new, |near| format!("{:.3}", near.distance));
            ("·", near().unwrap_or_default(), apart)
        }
    }
}

/// What the list says of each encounter.
pub(super) struct Standing {
    /// Sign, words and figure of each line.
    pub(super) lines: Vec<(&'static str, String, String)>,
    /// What stands above words and figures.
    pub(super) head: (&'static str, &'static str),
    /// Columns that words and figures take at most.
    pub(super) columns: u16,
    /// Columns of the longest name.
    pub(super) longest: u16,
}

impl Standing {
    /// Of the encounters of a folder.
    pub(super) fn of(entries: &[Arc<Entry>]) -> Standing {
        let mut groups = HashMap::new();
        let open = entries.iter().filter(|entry| entry.decided.is_none() && entry.proposal.already.is_empty());
        open.filter_map(|entry| entry.proposal.group.as_deref())
            .for_each(|group| *groups.entry(group).or_insert(0) += 1);
        let decides = entries.iter().any(|entry| entry.proposal.decision.is_some());
        // of a row that names somebody the probability is of the name, of another one that it is new
        let head = if decides { ("decision", "sure") } else { ("nearest", "distance") };
        let lines: Vec<_> = entries.iter().map(|entry| standing(entry, &groups)).collect();
        let columns =
            lines.iter().map(|(_, words, figure)| width(words) + width(figure) + u16::from(!figure.is_empty()));
        let columns = columns.max().unwrap_or(0).max(width(head.0) + width(head.1) + 1);
        let longest = entries.iter().map(|entry| width(&entry.proposal.encounter)).max().unwrap_or(0);
        Standing { lines, head, columns, longest }
    }
}
