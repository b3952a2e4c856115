//! The known individuals as numbers: an embedding a photo, and whose it is, in which encounter, from which side.
//!
//! A view of the moment when it was loaded; it holds no path and knows no file.

use std::collections::BTreeMap;

use crate::data::manifest::Side;

use super::{Error, Result};

/// What a gallery knows, photo for photo in the order in which they were added.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Known {
    /// Numbers in an embedding.
    pub dims: usize,
    /// `photos.len()` x `dims`, row after row, each of length 1.
    pub embeddings: Vec<f32>,
    /// The photos, row for row.
    pub photos: Vec<KnownPhoto>,
    /// Names of the individuals, each once; a photo's `individual` is a place in here. All have a photo.
    pub individuals: Vec<String>,
    /// How many encounters there are; a photo's `encounter` is below it.
    pub encounters: usize,
}

/// Of one photo what a decision may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownPhoto {
    /// Its number in the gallery, which stays the same as long as the gallery is not rebuilt.
    pub id: u64,
    /// Who is on it: a place in [`Known::individuals`].
    pub individual: usize,
    /// In which encounter, which is one individual's: photos of one encounter have the same number.
    pub encounter: usize,
    /// The side that it shows, where that is known.
    pub side: Option<Side>,
    /// Whether the network was trained on it; none where nobody knows. Such a photo calibrates nothing.
    pub trained: Option<bool>,
}

impl Known {
    /// A checked view.
    ///
    /// # Errors
    /// When the numbers do not make so many rows, or a photo's individual or encounter does not exist, or an encounter is
    /// of two individuals.
    pub fn new(dims: usize, embeddings: Vec<f32>, photos: Vec<KnownPhoto>, individuals: Vec<String>) -> Result<Known> {
        let wrong = |reason: String| Err(Error::Known { reason });
        if photos.len().checked_mul(dims) != Some(embeddings.len()) {
            return wrong(format!(
                "{} photos of {dims} dimensions do not make {} numbers",
                photos.len(),
                embeddings.len()
            ));
        }
        let mut whose = BTreeMap::new();
        for photo in &photos {
            if photo.individual >= individuals.len() {
                return wrong(format!("photo {} is of an individual that there is not", photo.id));
            }
            if *whose.entry(photo.encounter).or_insert(photo.individual) != photo.individual {
                return wrong(format!("the encounter of photo {} is of two individuals", photo.id));
            }
        }
        let encounters = whose.len();
        if whose.keys().next_back().is_some_and(|&last| last + 1 != encounters) {
            return wrong("the encounters are not numbered from 0 without a gap".into());
        }
        Ok(Known { dims, embeddings, photos, individuals, encounters })
    }

    /// Photos.
    pub fn len(&self) -> usize {
        self.photos.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.photos.is_empty()
    }

    /// The embedding of row `row`, counted from 0: `dims` numbers.
    pub fn embedding(&self, row: usize) -> &[f32] {
        &self.embeddings[row * self.dims..][..self.dims]
    }

    /// Rows of each individual, in order.
    pub fn rows_of_individuals(&self) -> Vec<Vec<usize>> {
        grouped(self.individuals.len(), self.photos.iter().map(|photo| photo.individual))
    }

    /// Rows of each encounter, in order.
    pub fn rows_of_encounters(&self) -> Vec<Vec<usize>> {
        grouped(self.encounters, self.photos.iter().map(|photo| photo.encounter))
    }
}

fn grouped(groups: usize, of: impl Iterator<Item = usize>) -> Vec<Vec<usize>> {
    let mut rows = vec![Vec::new(); groups];
    of.enumerate().for_each(|(row, group)| rows[group].push(row));
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    fn photo(id: u64, individual: usize, encounter: usize) -> KnownPhoto {
        KnownPhoto { id, individual, encounter, side: None, trained: None }
    }

    #[test]
    fn rows_are_found_by_individual_and_encounter() {
        let photos = vec![photo(0, 1, 0), photo(3, 0, 1), photo(4, 1, 2), photo(7, 1, 0)];
        let known = Known::new(1, vec![1.0, -1.0, 1.0, 1.0], photos, vec!["a".into(), "b".into()]).unwrap();
        assert_eq!((known.len(), known.encounters, known.embedding(1)), (4, 3, &[-1.0][..]));
        assert_eq!(known.rows_of_individuals(), [vec![1], vec![0, 2, 3]]);
        assert_eq!(known.rows_of_encounters(), [vec![0, 3], vec![1], vec![2]]);
    }

    #[test]
    fn what_does_not_fit_together_is_refused() {
        let refused = |numbers: usize, photos: &[KnownPhoto], word: &str| {
            let error = Known::new(2, vec![0.0; numbers], photos.to_vec(), vec!["a".into(), "b".into()]).unwrap_err();
            assert!(error.to_string().contains(word), "{error}");
        };
        refused(3, &[photo(0, 0, 0)], "do not make 3 numbers");
        refused(2, &[photo(5, 2, 0)], "photo 5 is of an individual that there is not");
        refused(4, &[photo(0, 0, 0), photo(1, 1, 0)], "of two individuals");
        refused(2, &[photo(0, 0, 1)], "without a gap");
        assert!(Known::new(2, Vec::new(), Vec::new(), Vec::new()).unwrap().is_empty());
    }
}
