//! How a gallery of a given size fares on this machine: made of drawn embeddings, opened, asked, added to.

use std::path::Path;
use std::time::Instant;

use jiff::ToSpan;
use jiff::civil::date;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::Serialize;

use crate::eval::bench::memory;
use crate::eval::model::Preprocessing;

use super::about::{Embedding, Networks, Seen};
use super::add::BATCH;
use super::identify::Catalogue;
use super::recall::{as_near, exact};
use super::search::Near;
use super::store::Gallery;
use super::vectors::Vectors;
use super::writer::{Adding, Encounter, NewPhoto, Writer};
use super::{Error, Result};

/// Photos of an individual, two of an encounter: of the ten nearest two are strangers, who are harder to find.
const OF_ONE: usize = 8;
/// Cosine of two photos of one individual.
const ALIKE: f32 = 0.7;
/// Photos put in at once while the gallery is made.
const AT_ONCE: usize = 10_000;

/// What to measure.
#[derive(Clone, Copy, Debug)]
pub struct GalleryPlan {
    /// Photos in the gallery.
    pub photos: usize,
    /// Numbers of an embedding.
    pub embedding_dim: usize,
    /// Photos to ask about.
    pub queries: usize,
    /// Photos to add, as `gallery add` does.
    pub added: usize,
}

/// What was measured.
#[derive(Clone, Debug, Serialize)]
pub struct GalleryReport {
    /// Photos in the gallery, eight of an individual.
    pub photos: usize,
    /// Numbers of an embedding.
    pub embedding_dim: usize,
    /// Seconds for making it, without drawing; none where it was there.
    pub build_seconds: Option<f64>,
    /// Seconds until it can be asked, best of three; its files are in the system's memory.
    pub open_seconds: f64,
    /// Photos asked about: another photo each of an individual that it knows.
    pub queries: usize,
    /// Milliseconds from the embedding of one photo to what is told of it, the middle one.
    pub query_ms: f64,
    /// The slowest.
    pub query_ms_worst: f64,
    /// Milliseconds a photo where many are asked about at once.
    pub query_ms_of_many: f64,
    /// The share of queries whose nearest photo was found.
    pub recall_at_1: f64,
    /// The share of their ten nearest that was found.
    pub recall_at_10: f64,
    /// The share of queries that got the right individual.
    pub rank1: f64,
    /// The share of the ten nearest that the gallery itself has measured; none where it measures every photo.
    pub told_recall_at_10: Option<f64>,
    /// Photos that were added.
    pub added: usize,
    /// Seconds for adding them, without embedding.
    pub add_seconds: f64,
    /// Bytes of its files.
    pub file_bytes: u64,
    /// Bytes of this process's own when it was asked, mapped files not counted; none where the system does not tell.
    pub memory_bytes: Option<u64>,
}

/// Makes a gallery in the new folder `folder`, and measures it; one that this has left there and has as many photos is measured as
/// it is.
///
/// # Errors
/// When a file cannot be written or read, or something else lies there.
pub fn bench(plan: &GalleryPlan, folder: &Path, told: &mut dyn FnMut(&str)) -> Result<GalleryReport> {
    let drawn = Drawn { dims: plan.embedding_dim };
    let there = Gallery::open(folder).ok().filter(|there| there.networks() == &networks());
    let there = there.map(|there| there.standing()).transpose()?.map_or(0, |standing| standing.rows as usize);
    let build_seconds = if there < plan.photos { Some(made(plan, &drawn, folder, told)?) } else { None };
    let count = there.max(plan.photos);
    told("asking");

    let mut open_seconds = f64::INFINITY;
    let mut catalogue = Catalogue::of(Gallery::open(folder)?)?;
    for _ in 0..3 {
        let begin = Instant::now();
        catalogue = Catalogue::of(Gallery::open(folder)?)?;
        open_seconds = open_seconds.min(begin.elapsed().as_secs_f64());
    }
    let asked: Vec<(usize, Vec<f32>)> = (0..plan.queries).map(|at| drawn.query(at, count)).collect();
    let queries: Vec<&[f32]> = asked.iter().map(|(_, query)| query.as_slice()).collect();
    let answer = |query: &[f32]| {
        let near = catalogue.rank(&[query])?.pop().ok_or(Error::Empty { folder: folder.into() })?;
        let decision = catalogue.decide(Vec::new(), String::new(), &near.photos, &near.individuals)?;
        Ok::<_, Error>((decision, near.photos))
    };
    queries.iter().take(5).try_for_each(|query| answer(query).map(drop))?; // warm
    let (mut times, mut found) = (Vec::new(), Vec::new());
    for query in &queries {
        let begin = Instant::now();
        found.push(answer(query)?);
        times.push(begin.elapsed().as_secs_f64() * 1000.0);
    }
    let memory_bytes = memory("RssAnon:");
    let begin = Instant::now();
    catalogue.nearest(&queries)?;
    let query_ms_of_many = begin.elapsed().as_secs_f64() * 1000.0 / queries.len().max(1) as f64;
    times.sort_by(f64::total_cmp);

    told("measuring all of it, to compare");
    let gallery = catalogue.gallery();
    let standing = gallery.standing()?;
    let rows =
        Vectors::open(&gallery.vectors_file(standing.generation), &gallery.header, false)?.rows(standing.rows)?;
    let truth = exact(rows.numbers(), plan.embedding_dim, &queries.concat(), &[]);
    let share = |count: usize, of: usize| count as f64 / of.max(1) as f64;
    let right_at = |ranks: usize| -> usize {
        let right = |((_, found), truth): (&(_, Vec<Near>), &Vec<Near>)| {
            as_near(found.iter().map(|near| near.distance), &truth[..ranks.min(truth.len())])
        };
        found.iter().zip(&truth).map(right).sum()
    };
    let right = found.iter().zip(&asked).filter(|((decision, _), (who, _))| {
        decision.individuals.first().is_some_and(|first| first.individual == name(*who))
    });
    let (rank1, recall_at_1, recall_at_10) = (
        share(right.count(), queries.len()),
        share(right_at(1), queries.len()),
        share(right_at(10), truth.iter().map(Vec::len).sum()),
    );
    let told_recall_at_10 = catalogue.approximate().and_then(|approximate| approximate.recall_at_10);
    drop((rows, catalogue));

    told("adding");
    let batches: Vec<_> = (0..plan.added)
        .step_by(BATCH)
        .map(|from| drawn.photos(count + from, count + plan.added.min(from + BATCH)))
        .collect();
    let begin = Instant::now();
    let mut writer = Writer::open(folder)?;
    let mut adding = Adding::new("add", "drawn embeddings".into());
    for (photos, rows) in &batches {
        writer.add(&mut adding, photos, rows)?;
    }
    let add_seconds = begin.elapsed().as_secs_f64();
    drop(writer);
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
    Ok(GalleryReport {
        photos: count,
        embedding_dim: plan.embedding_dim,
        build_seconds,
        open_seconds,
        queries: queries.len(),
        query_ms: times.get(times.len() / 2).copied().unwrap_or_default(),
        query_ms_worst: times.last().copied().unwrap_or_default(),
        query_ms_of_many,
        recall_at_1,
        recall_at_10,
        rank1,
        told_recall_at_10,
        added: plan.added,
        add_seconds,
        file_bytes: files.filter_map(|file| file.metadata().ok()).map(|file| file.len()).sum(),
        memory_bytes,
    })
}

/// The gallery that a plan is about, and the seconds that it took.
fn made(plan: &GalleryPlan, drawn: &Drawn, folder: &Path, told: &mut dyn FnMut(&str)) -> Result<f64> {
    let mut writer = Writer::create(folder, drawn.embedding(), networks())?;
    let mut adding = Adding::new("build", "drawn embeddings".into());
    let mut seconds = 0.0;
    for from in (0..plan.photos).step_by(AT_ONCE) {
        let (photos, rows) = drawn.photos(from, plan.photos.min(from + AT_ONCE));
        let begin = Instant::now();
        writer.add(&mut adding, &photos, &rows)?;
        seconds += begin.elapsed().as_secs_f64();
        told(&format!("{} photos", (from + AT_ONCE).min(plan.photos)));
    }
    writer.complete()?;
    Ok(seconds)
}

fn name(individual: usize) -> String {
    format!("t{individual:07}")
}

fn networks() -> Networks {
    Networks { model: "none".into(), path: "/none".into(), looker: None }
}

/// Embeddings drawn about their individuals, photo for photo the same ones.
struct Drawn {
    dims: usize,
}

impl Drawn {
    fn embedding(&self) -> Embedding {
        let preprocessing = Preprocessing::of_side(224);
        Embedding { identity: "0".repeat(64), preprocessing, dims: self.dims, seen: Seen::Drawn }
    }

    /// A direction drawn from a seed.
    fn direction(&self, seed: u64) -> Vec<f32> {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        // a sum of six is near enough to a normal one
        let mut normal = || (0..6).map(|_| random.random_range(-1.0_f32..1.0)).sum::<f32>();
        let mut numbers: Vec<f32> = (0..self.dims).map(|_| normal()).collect();
        unit(&mut numbers);
        numbers
    }

    /// A photo of an individual, drawn from a seed.
    fn row(&self, individual: usize, seed: u64) -> Vec<f32> {
        let (centre, mut own) = (self.direction(individual as u64), self.direction(seed));
        own.iter_mut().zip(centre).for_each(|(own, centre)| *own = ALIKE.sqrt() * centre + (1.0 - ALIKE).sqrt() * *own);
        unit(&mut own);
        own
    }

    fn photos(&self, from: usize, to: usize) -> (Vec<NewPhoto>, Vec<f32>) {
        let rows: Vec<Vec<f32>> =
            (from..to).into_par_iter().map(|photo| self.row(photo / OF_ONE, (1 << 40) + photo as u64)).collect();
        ((from..to).map(drawn_photo).collect(), rows.concat())
    }

    /// Another photo of an individual among `photos`, and whose.
    fn query(&self, at: usize, photos: usize) -> (usize, Vec<f32>) {
        let individual = at * 7919 % photos.div_ceil(OF_ONE).max(1);
        (individual, self.row(individual, (1 << 41) + at as u64))
    }
}

fn unit(numbers: &mut [f32]) {
    let length = numbers.iter().map(|x| x * x).sum::<f32>().sqrt().max(f32::MIN_POSITIVE);
    numbers.iter_mut().for_each(|x| *x /= length);
}

fn drawn_photo(photo: usize) -> NewPhoto {
    let day = date(2000, 1, 1).saturating_add(((photo % OF_ONE / 2 * 365 + photo / OF_ONE % 365) as i64).days());
    let mut sha256 = [0; 32];
    // as evenly spread as hashes are
    ChaCha8Rng::seed_from_u64(photo as u64).fill(&mut sha256);
    NewPhoto {
        root: "/drawn".into(),
        path: format!("{}/{photo:08}.jpg", name(photo / OF_ONE)),
        individual: name(photo / OF_ONE),
        encounter: Encounter::Day(day),
        date: Some(day),
        side: None,
        crop: None,
        looked: false,
        sha256,
        trained: Some(false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drawn_gallery_is_made_asked_and_added_to() {
        let dir = tempfile::tempdir().unwrap();
        let plan = GalleryPlan { photos: 300, embedding_dim: 64, queries: 12, added: 200 };
        let report = bench(&plan, &dir.path().join("g"), &mut |_| {}).unwrap();
        assert_eq!((report.recall_at_1, report.recall_at_10, report.told_recall_at_10), (1.0, 1.0, None));
        assert!(report.rank1 > 0.9, "{report:?}");
        assert_eq!(Gallery::open(&dir.path().join("g")).unwrap().counts().unwrap().photos, 500);
    }
}
