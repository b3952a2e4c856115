//! Whose the rows of a large gallery are, read from the database's indices alone: a million photos take a quarter of a second.
//!
//! It rests on the order in which photos come: the one with the n-th number of all, gone ones included, has row n. What is told
//! of a photo is read with its row, so that another order would be noticed.

use std::collections::{HashMap, HashSet};

use rusqlite::{Connection, OptionalExtension};

use super::field::GONE;
use super::store::Counts;

/// The living photos and their individuals.
#[derive(Debug)]
pub(super) struct Owners {
    /// Of each row whose it is, a place in `names`, or [`GONE`].
    pub(super) whose: Vec<u32>,
    /// Of each row its photo's number.
    pub(super) ids: Vec<u64>,
    /// Names of the individuals with a living photo, in the order of their first.
    pub(super) names: Vec<String>,
    /// How many living photos, and of what.
    pub(super) counts: Counts,
    /// Rows by individual, one after the other.
    rows: Vec<u32>,
    /// Where each individual's end.
    ends: Vec<u32>,
}

/// All photos, with what their encounters and their removals say of them.
struct Listed {
    /// Number and encounter, encounter by encounter.
    photos: Vec<(i64, i64)>,
    /// Encounter and individual, by encounter.
    encounters: Vec<(i64, i64)>,
    /// Numbers of those that are gone, in order.
    gone: Vec<i64>,
}

impl Listed {
    /// Each query reads one index, in its order.
    fn read(connection: &Connection) -> rusqlite::Result<Listed> {
        let pairs = |query: &str| -> rusqlite::Result<Vec<(i64, i64)>> {
            connection.prepare(query)?.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
        };
        let photos = pairs("SELECT id, encounter FROM photos INDEXED BY photos_in ORDER BY encounter, id")?;
        let mut encounters =
            pairs("SELECT id, individual FROM encounters INDEXED BY encounters_of ORDER BY individual, id")?;
        encounters.sort_unstable();
        let query = "SELECT id, gone FROM photos INDEXED BY photos_gone WHERE gone IS NOT NULL";
        let mut gone: Vec<i64> = pairs(query)?.into_iter().map(|(id, _)| id).collect();
        gone.sort_unstable();
        Ok(Listed { photos, encounters, gone })
    }

    fn is_gone(&self, photo: i64) -> bool {
        self.gone.binary_search(&photo).is_ok()
    }

    /// Of each photo its number, encounter and individual, encounter by encounter.
    fn each(&self) -> impl Iterator<Item = (i64, i64, i64)> {
        let mut encounters = self.encounters.iter().peekable();
        self.photos.iter().filter_map(move |&(photo, encounter)| {
            while encounters.next_if(|next| next.0 < encounter).is_some() {}
            encounters.peek().filter(|next| next.0 == encounter).map(|next| (photo, encounter, next.1))
        })
    }

    fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        let (mut last, mut individuals) = (None, HashSet::new());
        for (_, encounter, individual) in self.each().filter(|&(photo, ..)| !self.is_gone(photo)) {
            counts.photos += 1;
            if last.replace(encounter) != Some(encounter) {
                counts.encounters += 1;
                individuals.insert(individual);
            }
        }
        Counts { individuals: individuals.len() as u64, ..counts }
    }
}

/// How much a gallery knows.
pub(super) fn counts(connection: &Connection) -> rusqlite::Result<Counts> {
    Ok(Listed::read(connection)?.counts())
}

impl Owners {
    /// Those of the gallery that counts `rows` rows; none where photos and rows are not as many.
    pub(super) fn read(connection: &Connection, rows: u64) -> rusqlite::Result<Option<Owners>> {
        let last = "SELECT row FROM photos ORDER BY id DESC LIMIT 1";
        let last: Option<u64> = connection.query_row(last, [], |row| row.get(0)).optional()?;
        let listed = Listed::read(connection)?;
        let mut photos: Vec<(i64, i64)> = listed.each().map(|(photo, _, individual)| (photo, individual)).collect();
        if photos.len() as u64 != rows || last != rows.checked_sub(1) || rows >= u64::from(GONE) {
            return Ok(None);
        }
        photos.sort_unstable();
        let (mut whose, mut ids) = (Vec::with_capacity(photos.len()), Vec::with_capacity(photos.len()));
        let (mut places, mut order) = (HashMap::new(), Vec::new());
        for (photo, individual) in photos {
            ids.push(photo.cast_unsigned());
            if listed.is_gone(photo) {
                whose.push(GONE);
                continue;
            }
            let place = *places.entry(individual).or_insert_with(|| {
                order.push(individual);
                order.len() as u32 - 1
            });
            whose.push(place);
        }
        let mut names = vec![String::new(); order.len()];
        let mut statement = connection.prepare("SELECT id, name FROM individuals")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            if let Some(&place) = places.get(&row.get::<_, i64>(0)?) {
                names[place as usize] = row.get(1)?;
            }
        }
        Ok(Some(Owners::new(whose, ids, names, listed.counts())))
    }

    /// Of each row whose it is, a place in `names` or [`GONE`], and its photo's number.
    pub(super) fn new(whose: Vec<u32>, ids: Vec<u64>, names: Vec<String>, counts: Counts) -> Owners {
        let mut starts = vec![0_u32; names.len()];
        let living = whose.iter().filter(|&&who| who != GONE);
        living.for_each(|&who| starts[who as usize] += 1);
        let mut end = 0;
        for count in &mut starts {
            (end, *count) = (end + *count, end);
        }
        let mut rows = vec![0; end as usize];
        for (row, &who) in (0_u32..).zip(&whose) {
            if who != GONE {
                let next = &mut starts[who as usize];
                rows[*next as usize] = row;
                *next += 1;
            }
        }
        Owners { whose, ids, names, counts, rows, ends: starts } // each has come to its end
    }

    /// The rows of an individual, in order.
    pub(super) fn rows_of(&self, individual: usize) -> &[u32] {
        let begin = individual.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.rows[begin as usize..self.ends[individual] as usize]
    }
}
