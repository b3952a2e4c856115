//! The generator of wildlife-datasets' `Lcg` (the constants of glibc's `rand`): small, and the same on every machine.

/// A linear congruential generator modulo 2^31.
pub(super) struct Lcg(u32);

impl Lcg {
    pub(super) fn new(seed: u32) -> Self {
        Lcg(seed)
    }

    fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(1_103_515_245).wrapping_add(12_345) & 0x7fff_ffff;
        self.0
    }

    /// The positions of `n` draws, sorted by draw. Draws do not repeat within the period of 2^31.
    pub(super) fn permutation(&mut self, n: usize) -> Vec<usize> {
        let draws: Vec<u32> = (0..n).map(|_| self.next()).collect();
        let mut order: Vec<usize> = (0..n).collect();
        order.sort_by_key(|&i| draws[i]);
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generator_is_wildlife_datasets() {
        let mut random = Lcg::new(666);
        assert_eq!(random.next(), 501_757_899);
        assert_eq!(Lcg::new(666).permutation(5), [4, 3, 0, 1, 2]);
    }
}
