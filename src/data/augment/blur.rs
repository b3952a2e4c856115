//! Gaussian blur of a square plane: a lens out of focus, or water that scatters forward.

/// Weaker than this (in pixels) the blur is not worth its time.
const LEAST: f32 = 0.25;

/// Blurs a plane of `n * n` with standard deviation `sigma` in pixels; the edge pixels go on outside.
pub(super) fn blur(plane: &mut [f32], n: usize, sigma: f32, spare: &mut Vec<f32>, line: &mut Vec<f32>) {
    if sigma < LEAST {
        return;
    }
    let radius = ((2.5 * sigma).ceil() as usize).max(1);
    let mut kernel: Vec<f32> = (0..=2 * radius)
        .map(|i| {
            let d = i as f32 - radius as f32;
            (-d * d / (2.0 * sigma * sigma)).exp()
        })
        .collect();
    let sum: f32 = kernel.iter().sum();
    kernel.iter_mut().for_each(|w| *w /= sum);

    // Along the rows, tap by tap over the whole row: no gather, and the compiler makes vectors of it.
    spare.resize(n * n, 0.0);
    line.resize(n + 2 * radius, 0.0);
    for (from, to) in plane.chunks_exact(n).zip(spare.chunks_exact_mut(n)) {
        line[..radius].fill(from[0]);
        line[radius..radius + n].copy_from_slice(from);
        line[radius + n..].fill(from[n - 1]);
        to.fill(0.0);
        for (tap, &weight) in kernel.iter().enumerate() {
            add(to, &line[tap..tap + n], weight);
        }
    }
    // Then down the columns, whole rows at a time.
    for (y, to) in plane.chunks_exact_mut(n).enumerate() {
        to.fill(0.0);
        for (tap, &weight) in kernel.iter().enumerate() {
            let row = (y + tap).saturating_sub(radius).min(n - 1);
            add(to, &spare[row * n..(row + 1) * n], weight);
        }
    }
}

fn add(to: &mut [f32], from: &[f32], weight: f32) {
    for (t, &f) in to.iter_mut().zip(from) {
        *t += weight * f;
    }
}
