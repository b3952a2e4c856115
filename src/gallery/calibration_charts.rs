//! The pictures of a calibration: both errors over the threshold, and whether its probabilities are right as often as they say.

use std::path::{Path, PathBuf};

use crate::data::counted::thousandths;
use crate::eval::charts::share_axis;
use crate::eval::figures::{Axis, Curve, Drawing, curves, write_drawing};
use crate::run::files;

use super::Result;
use super::calibration::{Calibration, Point, Reliability};

/// Both errors over the threshold.
pub const ERRORS_FILE: &str = "calibration_errors.png";
/// What was so over what was said.
pub const RELIABILITY_FILE: &str = "calibration_reliability.png";

/// Draws them into `folder` as PNG, and as SVG beside it; tells the files.
pub(super) fn draw(folder: &Path, calibration: &Calibration) -> Result<Vec<PathBuf>> {
    let mut written = write_drawing(&folder.join(ERRORS_FILE), &errors(calibration))?.to_vec();
    match reliability(calibration) {
        Some(drawing) => written.extend(write_drawing(&folder.join(RELIABILITY_FILE), &drawing)?),
        None => remove_picture(folder, RELIABILITY_FILE)?, // that of a calibration before
    }
    Ok(written)
}

/// Takes them away.
pub(super) fn remove(folder: &Path) -> Result<()> {
    [ERRORS_FILE, RELIABILITY_FILE].into_iter().try_for_each(|name| remove_picture(folder, name))
}

fn remove_picture(folder: &Path, name: &str) -> Result<()> {
    let path = folder.join(name);
    files::remove(&path.with_extension("svg"))?;
    Ok(files::remove(&path)?)
}

fn about(calibration: &Calibration) -> String {
    let held = &calibration.population;
    format!(
        "{} individuals held out: {} encounters as known, {} as new",
        held.individuals, held.known_encounters, held.new_encounters
    )
}

fn errors(calibration: &Calibration) -> Drawing {
    let points = &calibration.curve;
    let curve = |name: &str, of: fn(&Point) -> f64| Curve {
        name: name.into(),
        points: points.iter().map(|point| (point.threshold, of(point))).collect(),
        is_filled: false,
    };
    let at = |name: String, x: f64| Curve { name, points: vec![(x, 0.0), (x, 1.0)], is_filled: false };
    let thresholds = &calibration.thresholds;
    let mut all = vec![
        curve("known encounters called new above it", |point| point.false_new),
        curve("new encounters with a name up to it", |point| point.wrong_name_of_new),
        curve("known encounters with a wrong name up to it", |point| point.wrong_name_of_known),
        at(format!("new above {}", thousandths(thresholds.new_above)), thresholds.new_above),
    ];
    if let Some(most) = thresholds.known_up_to {
        all.push(at(format!("known up to {}", thousandths(most)), most));
    }
    let ends = [points.first(), points.last()].map(|point| point.map_or(0.0, |point| point.threshold));
    let ends = if ends[1] > ends[0] { ends } else { [ends[0] - 0.5, ends[0] + 0.5] };
    let axis = Axis { name: "threshold on the score".into(), ends, is_log: false };
    curves("Errors of the decisions", &about(calibration), [&axis, &share_axis("share of encounters")], &all)
}

fn reliability(calibration: &Calibration) -> Option<Drawing> {
    let reached = calibration.reached.as_ref()?;
    let curve = |name: &str, of: &Reliability| Curve {
        name: format!("{name}: ECE {:.3}", of.ece),
        points: of.bins.iter().map(|bin| (bin.said, bin.was)).collect(),
        is_filled: false,
    };
    let all = [
        Curve { name: "right as often as said".into(), points: vec![(0.0, 0.0), (1.0, 1.0)], is_filled: false },
        curve("the nearest individual is the one", &reached.names),
        curve("it is a new individual", &reached.new),
        curve("decisions, without those left to look at", &reached.decisions),
    ];
    let axes = [&share_axis("probability said"), &share_axis("share that was so")];
    Some(curves("Reliability", &about(calibration), axes, &all))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::super::calibration::calibrate;
    use super::super::testing::drawn;
    use super::super::thresholds::Asked;
    use super::*;

    #[test]
    fn both_pictures_are_left_in_both_ways() {
        let asked = Asked { false_new: 0.1, wrong_name: 0.1 };
        let mut calibration = calibrate(&drawn(60, 2, 0.3, 1), asked, None, &HashSet::new()).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let written = draw(dir.path(), &calibration).unwrap();
        assert_eq!(written.len(), 4);
        assert!(written.iter().all(|path| path.is_file()));
        let svg = std::fs::read_to_string(dir.path().join("calibration_reliability.svg")).unwrap();
        assert!(svg.contains("ECE 0.") && svg.contains("60 individuals held out"), "{svg}");
        let svg = std::fs::read_to_string(dir.path().join("calibration_errors.svg")).unwrap();
        assert!(svg.contains(&format!("new above {:.3}", calibration.thresholds.new_above)), "{svg}");
        // what was reached is not known of few, and equal photos have one score
        calibration.reached = None;
        calibration.thresholds.known_up_to = None;
        calibration.curve.truncate(1);
        assert_eq!(draw(dir.path(), &calibration).unwrap().len(), 2);
        assert!(!dir.path().join(RELIABILITY_FILE).exists(), "that was of the calibration before");
        remove(dir.path()).unwrap();
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
