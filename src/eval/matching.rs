//! How photos are held against each other, beside their plain distance.

use serde::{Deserialize, Serialize};

/// Which sides of animals a query is held against, where it is known which side it shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sides {
    /// All photos as they are.
    #[default]
    Both,
    /// Photos of its own side, and those whose side is not known.
    Own,
    /// All photos, those of the other side mirrored.
    Mirrored,
}

/// How the photos nearest to a query are found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Search {
    /// All are measured.
    #[default]
    Exact,
    /// An index finds most of them, and a sample stands for the rest.
    Approximate,
}

/// Photos that are searched exactly unless something else is asked for, at most.
pub const EXACT_UP_TO: usize = 1_000_000;
/// Queries for which more than those are, too, at most: an index of them all takes longer to build than to measure what so few ask.
pub const EXACT_FOR: usize = 50_000;

/// How photos are matched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Matching {
    /// The sides that count.
    #[serde(default)]
    pub sides: Sides,
    /// Whether distances are k-reciprocal ones (Zhong et al. 2017): photos are near where they have the same neighbours.
    #[serde(default)]
    pub reranked: bool,
    /// How the nearest are found; all rankings but the plain one are exact.
    #[serde(default)]
    pub search: Search,
}

impl Matching {
    /// Whether distances are those of the embeddings as they are.
    pub fn is_plain(self) -> bool {
        self.sides == Sides::Both && !self.reranked
    }
}

/// What is one query.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum QueryUnit {
    /// A photo.
    #[default]
    Photo,
    /// All query photos of an encounter.
    Encounter,
}

/// How an evaluation asks, beside what it leaves out; the default is the plain way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Manner {
    /// How photos are matched.
    pub matching: Matching,
    /// What the report calls a query first; figures of both are there.
    pub query_unit: QueryUnit,
    /// Whether an embedding is the mean of a photo's and its mirror image's.
    pub flip: bool,
    /// Whether mirror images are embedded to report what each way to heed sides comes to, whatever is matched.
    pub mirror: bool,
    /// How the nearest are found; where nothing is said, as the size of the gallery suggests.
    pub search: Option<Search>,
}

impl Manner {
    /// How photos are matched where so many `queries` are ranked against so many `photos`.
    pub fn matching_of(self, queries: usize, photos: usize) -> Matching {
        let is_large = photos > EXACT_UP_TO && queries > EXACT_FOR && self.matching.is_plain();
        let usual = if is_large { Search::Approximate } else { Search::Exact };
        Matching { search: self.search.unwrap_or(usual), ..self.matching }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_searches_where_it_is_the_quicker_way_or_asked_for() {
        let by = |manner: Manner, queries, photos| manner.matching_of(queries, photos).search;
        let plain = Manner::default();
        let (many, large) = (EXACT_FOR + 1, EXACT_UP_TO + 1);
        assert_eq!(by(plain, many, EXACT_UP_TO), Search::Exact);
        assert_eq!(by(plain, EXACT_FOR, large), Search::Exact);
        assert_eq!(by(plain, many, large), Search::Approximate);
        assert_eq!(by(Manner { search: Some(Search::Exact), ..plain }, many, large), Search::Exact);
        assert_eq!(by(Manner { search: Some(Search::Approximate), ..plain }, 1, 10), Search::Approximate);
        let reranked = Manner { matching: Matching { reranked: true, ..plain.matching }, ..plain };
        assert_eq!(by(reranked, many, large), Search::Exact, "neighbours of neighbours are all measured");
    }
}
