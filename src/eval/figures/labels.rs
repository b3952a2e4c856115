//! Where names stand on a scatter, so that none lies over another.
//!
//! Greedy, in the order given: exact placement is a hard problem, and a name that finds no place is
//! in the legend anyway.

use super::canvas::Area;
use super::text::Type;

/// Photos of one individual that lie together, in pixels.
pub(super) struct Cluster {
    pub(super) name: String,
    pub(super) x: f32,
    pub(super) middle: f32,
    pub(super) top: f32,
    pub(super) bottom: f32,
}

/// A name on the plot.
pub(super) struct Label {
    pub(super) name: String,
    /// Where its individual has its middle.
    pub(super) middle: (f32, f32),
    /// Where the middle of the text is.
    pub(super) place: (f32, f32),
    /// Whether it stands so far off that a line has to lead there.
    pub(super) line: bool,
}

/// Places names above, below or else around their photos, none over another; what finds no place is
/// left out.
pub(super) fn labels(clusters: &[Cluster], plot: Area, type_: Type) -> Vec<Label> {
    let mut taken: Vec<Area> = Vec::new();
    let mut labels = Vec::new();
    for cluster in clusters {
        let (width, height) = (type_.width(&cluster.name) + 6.0, type_.size + 6.0);
        let around = |(x, y): (f32, f32)| Area::new(x - width / 2.0, y - height / 2.0, width, height);
        let free = |place: &(f32, f32)| {
            let area = around(*place);
            plot.holds(area) && !taken.iter().any(|other| other.meets(area))
        };
        // Clear of a mark's radius and half the height of the text.
        let clear = 9.0 + height / 2.0;
        let beside = [cluster.top - clear, cluster.bottom + clear].map(|y| (cluster.x, y));
        // Then outwards in rings, flat ones, since text is wider than high.
        let ring = |step: usize| {
            let radius = step as f32 * 11.0;
            let turns = if step == 0 { 1 } else { 12 };
            (0..turns).map(move |turn| {
                let angle = turn as f32 * std::f32::consts::TAU / 12.0;
                (cluster.x + 1.5 * radius * angle.cos(), cluster.middle + radius * angle.sin())
            })
        };
        let mut places = beside.into_iter().chain((0..8).flat_map(ring));
        let Some(place) = places.find(free) else {
            continue;
        };
        taken.push(around(place));
        let inside = (cluster.top - 2.0 * clear..=cluster.bottom + 2.0 * clear).contains(&place.1);
        labels.push(Label {
            name: cluster.name.clone(),
            middle: (cluster.x, cluster.middle),
            place,
            line: (place.0 - cluster.x).abs() > width / 2.0 || !inside,
        });
    }
    labels
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NAME: Type = Type::bold(16.0);

    proptest! {
        #[test]
        fn no_name_lies_over_another(
            middles in prop::collection::vec(("[a-z0-9]{1,12}", 60.0_f32..880.0, 130.0_f32..800.0), 0..80),
        ) {
            let clusters: Vec<Cluster> = middles
                .into_iter()
                .map(|(name, x, middle)| Cluster { name, x, middle, top: middle - 20.0, bottom: middle + 30.0 })
                .collect();
            let plot = Area::new(56.0, 120.0, 832.0, 704.0);
            let areas: Vec<Area> = labels(&clusters, plot, NAME)
                .iter()
                .map(|label| {
                    let width = NAME.width(&label.name);
                    Area::new(label.place.0 - width / 2.0, label.place.1 - NAME.size / 2.0, width, NAME.size)
                })
                .collect();
            for (i, area) in areas.iter().enumerate() {
                prop_assert!(plot.holds(*area));
                prop_assert!(areas[..i].iter().all(|other| !other.meets(*area)));
            }
        }
    }
}
