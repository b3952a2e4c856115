//! Things that belong together because others say so, pair by pair.

use std::collections::BTreeMap;

/// Which of `n` belong together.
pub struct Sets(Vec<usize>);

impl Sets {
    /// Each for itself.
    pub fn new(n: usize) -> Sets {
        Sets((0..n).collect())
    }

    /// Who stands for the set.
    pub fn root(&mut self, mut at: usize) -> usize {
        while self.0[at] != at {
            self.0[at] = self.0[self.0[at]];
            at = self.0[at];
        }
        at
    }

    /// Whether two belong together.
    pub fn is_joined(&mut self, a: usize, b: usize) -> bool {
        self.root(a) == self.root(b)
    }

    /// The earlier of two stands for both.
    pub fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        self.0[a.max(b)] = a.min(b);
    }

    /// The sets of two and more.
    pub fn groups(mut self) -> Vec<Vec<usize>> {
        let mut of: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for at in 0..self.0.len() {
            of.entry(self.root(at)).or_default().push(at);
        }
        of.into_values().filter(|group| group.len() > 1).collect()
    }
}
