//! The batch that a device has memory for: tried, as no formula knows what a library takes beside the maps.

use crate::nn::error::{NnError, Result};

/// The largest multiple of `grain` below `count` that `works`, found by halving; none where even `least` does not.
///
/// # Errors
/// When an attempt fails for another reason than memory.
pub fn largest(
    count: usize,
    grain: usize,
    least: usize,
    mut works: impl FnMut(usize) -> Result<()>,
) -> Result<Option<usize>> {
    let grain = grain.max(1);
    let (mut good, mut bad) = (0, count.div_ceil(grain));
    let least = least.max(1).div_ceil(grain);
    while bad > least && good + 1 < bad {
        let middle = usize::midpoint(good, bad).max(least);
        match works(middle * grain) {
            Ok(()) => good = middle,
            Err(NnError::OutOfMemory { .. }) => bad = middle,
            Err(other) => return Err(other),
        }
    }
    Ok((good > 0).then_some(good * grain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_that_fits_is_found_in_the_batch_s_own_steps() {
        let find = |count, grain, least, room| {
            let mut tried = Vec::new();
            let found = largest(count, grain, least, |n| {
                tried.push(n);
                if n <= room { Ok(()) } else { Err(NnError::OutOfMemory { op: "test", room: String::new() }) }
            });
            assert!(tried.iter().all(|n| n % grain == 0 && *n >= least && *n < count), "{tried:?}");
            found.unwrap()
        };
        assert_eq!(find(64, 4, 8, 37), Some(36));
        assert_eq!(find(64, 4, 8, 63), Some(60));
        assert_eq!(find(64, 4, 8, 8), Some(8));
        assert_eq!(find(64, 4, 8, 7), None);
        assert_eq!(find(8, 4, 8, 100), None, "there is no smaller one");
        assert_eq!(find(33, 1, 1, 20), Some(20));
        assert!(largest(8, 1, 1, |_| Err(NnError::device("test", "gone"))).is_err());
    }
}
