//! Whose the rows of a large gallery are, read from the database's indices alone: a million photos take a quarter of a second.
//!
//! It rests on the order in which photos come: the one with the n-th number of all, gone ones included, has row n. What is told
//! of a photo is read with its row, so that another order would be noticed.

use std::collections::HashMap;

use rusqlite::{Connection, Row};

use super::field::GONE;

/// The living photos and their individuals.
#[derive(Debug)]
pub(super) struct Owners {
    /// Of each row whose it is, a place in `names`, or [`GONE`].
    pub(super) whose: Vec<u32>,
    /// Of each row its photo's number.
    pub(super) ids: Vec<u64>,
    /// Names of the individuals with a living photo, in the order of their first.
    pub(super) names: Vec<String>,
    /// Rows by individual, one after the other.
    rows: Vec<u32>,
    /// Where each individual's end.
    ends: Vec<u32>,
}

impl Owners {
    /// Those of the gallery that counts `rows` rows; none where photos and rows are not as many.
    pub(super) fn read(connection: &Connection, rows: u64) -> rusqlite::Result<Option<Owners>> {
        let two = |row: &Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?));
        let pairs = |query: &str| -> rusqlite::Result<Vec<(i64, i64)>> {
            connection.prepare(query)?.query_map([], two)?.collect()
        };
        let mut individual_of = pairs("SELECT id, individual FROM encounters ORDER BY individual, id")?;
        individual_of.sort_unstable();
        // encounter by encounter, as the index has them
        let photos = pairs("SELECT id, encounter FROM photos ORDER BY encounter, id")?;
        let last = "SELECT coalesce(max(id), 0), coalesce((SELECT row + 1 FROM photos ORDER BY id DESC LIMIT 1), 0) FROM photos";
        let (_, last_row) = connection.query_row(last, [], two)?;
        if photos.len() as u64 != rows || i64::try_from(rows) != Ok(last_row) || rows >= u64::from(GONE) {
            return Ok(None);
        }
        let mut encounters = individual_of.iter().peekable();
        let mut of_photos: Vec<(i64, i64)> = Vec::with_capacity(photos.len());
        for (photo, encounter) in photos {
            while encounters.next_if(|next| next.0 < encounter).is_some() {}
            let own = encounters.peek().filter(|next| next.0 == encounter);
            of_photos.push((photo, own.map_or(-1, |next| next.1)));
        }
        of_photos.sort_unstable();
        let gone: Vec<i64> = {
            let query = "SELECT id FROM photos WHERE gone IS NOT NULL ORDER BY id";
            connection.prepare(query)?.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?
        };
        let (mut whose, mut ids) = (Vec::with_capacity(of_photos.len()), Vec::with_capacity(of_photos.len()));
        let (mut gone, mut places, mut order) = (gone.into_iter().peekable(), HashMap::new(), Vec::new());
        for (photo, individual) in of_photos {
            ids.push(photo.cast_unsigned());
            let is_gone = gone.next_if_eq(&photo).is_some();
            if is_gone || individual < 0 {
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
        Ok(Some(Owners::new(whose, ids, names)))
    }

    /// Of each row whose it is, a place in `names` or [`GONE`], and its photo's number.
    pub(super) fn new(whose: Vec<u32>, ids: Vec<u64>, names: Vec<String>) -> Owners {
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
        Owners { whose, ids, names, rows, ends: starts } // each has come to its end
    }

    /// The rows of an individual, in order.
    pub(super) fn rows_of(&self, individual: usize) -> &[u32] {
        let begin = individual.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.rows[begin as usize..self.ends[individual] as usize]
    }

    /// Living photos.
    pub(super) fn living(&self) -> usize {
        self.rows.len()
    }
}
