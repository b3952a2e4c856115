//! Where a pretrained network itself looks on a photo: the box of the region where its last map is most active.
//!
//! A network that has learnt to tell things apart answers to the animal more than to the water around it, so that the
//! box costs nobody any drawing (cf. Zhou et al. 2016, class activation maps; here without classes). It knows neither
//! workspace nor files.

use std::sync::Arc;

use crate::data::crop::Crop;
use crate::data::loader::{Loader, LoaderConfig};
use crate::data::manifest::{Manifest, Problem};
use crate::data::prepare::unreadable;
use crate::data::sampler::in_order;
use crate::nn::network::Network;
use crate::nn::ops::Backend;

use super::embed::Source;
use super::{Error, Result};

/// Side in pixels at which a photo is looked at: twice the usual one, for a map of twice as many places.
const SIDE: u32 = 448;
/// A place counts where the map is at least this many times its mean.
const ACTIVE: f64 = 1.2;
/// Share of the box's own side that is added at each of its ends.
const MARGIN: f64 = 0.1;

/// What was found.
#[derive(Debug, Default)]
pub struct Found {
    /// Boxes by place in the manifest; none for a photo that is the same to the network everywhere.
    pub boxes: Vec<(usize, Option<Crop>)>,
    /// One a photo that cannot be read.
    pub problems: Vec<Problem>,
}

/// Looks at `photos` (indices into the manifest), whole, with `network`. `progress` is called with the number done and
/// says whether to go on.
///
/// # Errors
/// When the network fails, or `progress` said no ([`Error::Interrupted`]).
pub fn look<D: Backend>(
    network: &Network<D>,
    manifest: &Manifest,
    photos: &[usize],
    source: &Source,
    mut progress: impl FnMut(usize) -> bool,
) -> Result<Found> {
    let mut found = Found::default();
    let config = LoaderConfig {
        photos: photos.iter().map(|&photo| manifest.full_path(photo).into()).collect(),
        cache: Arc::clone(&source.cache),
        side: SIDE,
        augment: None,
        seed: 0,
        workers: source.workers,
        depth: 2,
    };
    let loader = Loader::start(config, (0..).zip(in_order(photos.len(), 1)));
    for ((done, &photo), loaded) in (1..).zip(photos).zip(loader) {
        match loaded {
            Ok(loaded) => {
                let map = network.attention(SIDE as usize, &loaded.pixels)?;
                found.boxes.push((photo, most_active(&map)));
            }
            Err(error) => found.problems.push(unreadable(manifest, photo, error)),
        }
        if !progress(done) {
            return Err(Error::Interrupted);
        }
    }
    Ok(found)
}

/// The smallest box around the region of the map, rows of equal length, that is most active of those whose places are
/// all at least [`ACTIVE`] times the mean, and a margin; none where there is no such place, or the box is the whole photo.
fn most_active(map: &[Vec<f32>]) -> Option<Crop> {
    let (height, width) = (map.len(), map.first()?.len());
    let mean = map.iter().flatten().map(|v| f64::from(*v)).sum::<f64>() / (height * width) as f64;
    // beyond the mean, so that a wide faint region does not win over the animal
    let weight = |region: &[(usize, usize)]| region.iter().map(|&(y, x)| f64::from(map[y][x]) - mean).sum::<f64>();
    let regions = regions(height, width, |y, x| mean > 0.0 && f64::from(map[y][x]) >= ACTIVE * mean);
    let region = regions.into_iter().max_by(|a, b| weight(a).total_cmp(&weight(b)))?;
    let ends = |of: fn(&(usize, usize)) -> usize, count: usize| -> Option<(f64, f64)> {
        let (first, last) = (region.iter().map(of).min()? as f64, region.iter().map(of).max()? as f64 + 1.0);
        let margin = MARGIN * (last - first);
        let share = |place: f64| (place / count as f64).clamp(0.0, 1.0);
        Some((share(first - margin), share(last + margin)))
    };
    let ((left, right), (top, bottom)) = (ends(|p| p.1, width)?, ends(|p| p.0, height)?);
    Crop::new(left, top, right - left, bottom - top).ok().filter(|crop| *crop != Crop::FULL)
}

/// The places (row, column) for which `is_in` holds, by regions whose places touch by a side.
fn regions(height: usize, width: usize, is_in: impl Fn(usize, usize) -> bool) -> Vec<Vec<(usize, usize)>> {
    let mut open: Vec<Vec<bool>> = (0..height).map(|y| (0..width).map(|x| is_in(y, x)).collect()).collect();
    let mut all = Vec::new();
    for begin in (0..height).flat_map(|y| (0..width).map(move |x| (y, x))) {
        let (mut region, mut waiting) = (Vec::new(), vec![begin]);
        while let Some((y, x)) = waiting.pop() {
            if !std::mem::take(&mut open[y][x]) {
                continue;
            }
            region.push((y, x));
            let rows = [y.wrapping_sub(1), y + 1].into_iter().filter(|&y| y < height).map(|y| (y, x));
            let columns = [x.wrapping_sub(1), x + 1].into_iter().filter(|&x| x < width).map(|x| (y, x));
            waiting.extend(rows.chain(columns));
        }
        if !region.is_empty() {
            all.push(region);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_box_is_around_what_is_active_and_a_margin() {
        let mut map = vec![vec![1.0; 10]; 20];
        (5..10).for_each(|y| (2..4).for_each(|x| map[y][x] = 9.0));
        let [left, top, width, height] = most_active(&map).unwrap().shares();
        assert!((left - 0.18).abs() < 1e-6 && (width - 0.24).abs() < 1e-6, "{left} {width}");
        assert!((top - 0.225).abs() < 1e-6 && (height - 0.3).abs() < 1e-6, "{top} {height}");
        // what is active elsewhere, and less, does not stretch it
        map[19][9] = 8.0;
        assert_eq!(most_active(&map).unwrap().shares(), [left, top, width, height]);
        // at an edge the margin ends with the photo
        let mut map = vec![vec![0.0; 4]; 4];
        map[0][0] = 1.0;
        assert_eq!(most_active(&map).unwrap().to_string(), "0,0,0.275,0.275");
        for even in [vec![vec![3.0; 5]; 5], vec![vec![0.0; 5]; 5], Vec::new()] {
            assert_eq!(most_active(&even), None);
        }
    }

    proptest! {
        #[test]
        fn any_map_has_a_box_inside_the_photo_or_none(
            map in (1usize..9).prop_flat_map(|w| prop::collection::vec(prop::collection::vec(-1e3f32..1e3, w), 1..9))
        ) {
            if let Some(crop) = most_active(&map) {
                let [left, top, width, height] = crop.shares();
                prop_assert!(left + width < 1.0 + 1e-6 && top + height < 1.0 + 1e-6);
            }
        }
    }
}
