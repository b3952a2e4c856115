//! The box around the part of a photo that counts, drawn with the keys.

use crate::data::crop::Crop;
use crate::tui::keys::Action;

/// A box that is being drawn, in shares of the photo.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::tui) struct Framing {
    left: f64,
    top: f64,
    width: f64,
    height: f64,
}

/// What a key moves a side by.
const STEP: f64 = 0.02;
/// The least of a side.
const LEAST: f64 = 0.04;

impl Framing {
    /// Begins with a photo's box, or with the middle half where it has none.
    pub(in crate::tui) fn of(crop: Option<Crop>) -> Framing {
        let [left, top, width, height] = crop.map_or([0.25, 0.25, 0.5, 0.5], Crop::shares);
        Framing { left, top, width, height }
    }

    /// What a key makes of it.
    pub(in crate::tui) fn after(self, action: Action) -> Framing {
        let Framing { mut left, mut top, mut width, mut height } = self;
        match action {
            Action::Left => left -= STEP,
            Action::Right => left += STEP,
            Action::Up => top -= STEP,
            Action::Down => top += STEP,
            Action::Pan(right, down) => {
                width += f64::from(right) * STEP;
                height += f64::from(down) * STEP;
            }
            // about its middle
            Action::ZoomIn | Action::ZoomOut => {
                let by = if action == Action::ZoomIn { STEP } else { -STEP };
                (left, top, width, height) = (left - by, top - by, width + 2.0 * by, height + 2.0 * by);
            }
            _ => return self,
        }
        (width, height) = (width.clamp(LEAST, 1.0), height.clamp(LEAST, 1.0));
        Framing { left: left.clamp(0.0, 1.0 - width), top: top.clamp(0.0, 1.0 - height), width, height }
    }

    /// Left, top, width and height, in shares.
    pub(in crate::tui) fn shares(self) -> [f64; 4] {
        [self.left, self.top, self.width, self.height]
    }

    /// The part of the photo that it is.
    pub(in crate::tui) fn crop(self) -> Option<Crop> {
        // what rounding lets stand out is cut
        let width = self.width.min(1.0 - self.left);
        Crop::new(self.left, self.top, width, self.height.min(1.0 - self.top)).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn keys_move_and_size_the_box() {
        let begin = Framing::of(None);
        let after =
            |keys: &[Action]| keys.iter().fold(begin, |f, key| f.after(*key)).shares().map(|v| (v * 100.0).round());
        assert_eq!(after(&[Action::Left, Action::Up, Action::Up]), [23.0, 21.0, 50.0, 50.0]);
        assert_eq!(after(&[Action::Pan(1, 0), Action::Pan(0, -1)]), [25.0, 25.0, 52.0, 48.0]);
        assert_eq!(after(&[Action::ZoomIn]), [23.0, 23.0, 54.0, 54.0]);
        let crop = Crop::new(0.1, 0.2, 0.3, 0.4).unwrap();
        assert_eq!(Framing::of(Some(crop)).crop(), Some(crop));
    }

    proptest! {
        #[test]
        fn it_is_always_a_part_of_the_photo(keys in proptest::collection::vec(0..10_usize, 0..200)) {
            let all = [
                Action::Left, Action::Right, Action::Up, Action::Down, Action::ZoomIn, Action::ZoomOut,
                Action::Pan(1, 0), Action::Pan(-1, 0), Action::Pan(0, 1), Action::Pan(0, -1),
            ];
            let framing = keys.iter().fold(Framing::of(None), |f, key| f.after(all[*key]));
            prop_assert!(framing.crop().is_some(), "{framing:?}");
        }
    }
}
