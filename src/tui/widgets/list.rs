//! One place in a list, and which of its rows a pane shows: no state beside the place, so that view stays pure.

use std::ops::Range;

use crate::tui::keys::Action;

/// How a key moves in a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::tui) enum Step {
    /// So many rows; below 0 is up.
    By(isize),
    /// To the first row.
    First,
    /// To the last row.
    Last,
}

impl Step {
    /// How `action` moves, where it does.
    pub(in crate::tui) fn of(action: Action) -> Option<Step> {
        match action {
            Action::Up => Some(Step::By(-1)),
            Action::Down => Some(Step::By(1)),
            Action::PageUp => Some(Step::By(-10)),
            Action::PageDown => Some(Step::By(10)),
            Action::First => Some(Step::First),
            Action::Last => Some(Step::Last),
            _ => None,
        }
    }
}

/// The place after `step` in a list of `len`.
pub(in crate::tui) fn moved(at: usize, len: usize, step: Step) -> usize {
    let last = len.saturating_sub(1);
    match step {
        Step::By(by) => at.min(last).saturating_add_signed(by).min(last),
        Step::First => 0,
        Step::Last => last,
    }
}

/// The rows shown of `len` in `height`, with `at` in their middle where the ends allow.
pub(in crate::tui) fn shown(at: usize, len: usize, height: u16) -> Range<usize> {
    let height = usize::from(height);
    let from = at.saturating_sub(height / 2).min(len.saturating_sub(height));
    from..len.min(from + height)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_stays_in_its_list_and_in_view() {
        assert_eq!(moved(3, 5, Step::By(9)), 4);
        assert_eq!(moved(3, 5, Step::By(-9)), 0);
        assert_eq!(moved(9, 0, Step::Last), 0);
        for at in 0..50 {
            let rows = shown(at, 50, 7);
            assert!(rows.contains(&at) && rows.len() == 7, "{at}: {rows:?}");
        }
        assert_eq!(shown(0, 3, 7), 0..3);
    }
}
