//! The three losses and the miners of triplets: one file a loss.
