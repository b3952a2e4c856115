//! Whether the convolutions of whole networks are cut into enough tasks for many threads.

use super::access::{In, Out};
use super::direct::{Source, Target, Window, Work};
use super::finish::Finish;
use super::plan::{THREADS, Way, blocks, map_len};
use super::weights::Gradient;
use super::{direct, tiled, tiled_weights, winograd, winograd_weights};
use crate::nn::map::Dims;

/// Photos of a batch that many threads share.
const BATCH: usize = 64;

/// The part of `threads` that has work on average, for tasks of `sizes` that are taken in order by whoever is free.
fn busy(sizes: &[usize], threads: usize) -> f64 {
    let mut free = vec![0usize; threads];
    for size in sizes {
        if let Some(next) = free.iter_mut().min() {
            *next += size;
        }
    }
    let longest = free.iter().max().copied().unwrap_or(0).max(1);
    sizes.iter().sum::<usize>() as f64 / (longest * threads) as f64
}

/// A convolution: channels in and out, window, stride, side of the map that it reads.
type Layer = [usize; 5];

/// Those of a ResNet-50 at 224 pixels behind its stem.
fn resnet50() -> Vec<Layer> {
    let mut layers = Vec::new();
    let mut channels = 64;
    for (stage, blocks) in [3, 4, 6, 3].into_iter().enumerate() {
        let (width, out) = (64 << stage, 56 >> stage);
        for block in 0..blocks {
            let stride = if stage > 0 && block == 0 { 2 } else { 1 };
            layers.push([channels, width, 1, 1, out * stride]);
            layers.push([width, width, 3, stride, out * stride]);
            layers.push([width, 4 * width, 1, 1, out]);
            if block == 0 {
                layers.push([channels, 4 * width, 1, stride, out * stride]);
            }
            channels = 4 * width;
        }
    }
    layers
}

/// The 1x1 ones of an EfficientNet-B0 at 224 pixels: its depthwise ones have a task for each block of each photo.
fn efficientnet_b0() -> Vec<Layer> {
    let stages = [
        [1, 16, 1, 112],
        [6, 24, 2, 56],
        [6, 40, 2, 28],
        [6, 80, 3, 14],
        [6, 112, 3, 14],
        [6, 192, 4, 7],
        [6, 320, 1, 7],
    ];
    let (mut channels, mut side) = (32, 112);
    let mut layers = Vec::new();
    for [wider, out, blocks, size] in stages {
        for _ in 0..blocks {
            if wider > 1 {
                layers.push([channels, wider * channels, 1, 1, side]);
            }
            layers.push([wider * channels, out, 1, 1, size]);
            (channels, side) = (out, size);
        }
    }
    layers.push([320, 1280, 1, 1, 7]);
    layers
}

/// The work of a convolution, on no memory.
fn work([channels, out, window, stride, side]: Layer, backward: bool) -> Work {
    let reads = Dims::new(BATCH, channels, side, side);
    let writes = Dims::new(BATCH, out, side / stride, side / stride);
    let (from, to, stride) = if backward { (writes, reads, 1) } else { (reads, writes, stride) };
    let image = |dims: Dims| map_len(Dims { n: 1, ..dims });
    Work {
        images: BATCH,
        source: source(from),
        weights: In(std::ptr::null()),
        target: Target {
            data: Out(std::ptr::null_mut()),
            image: image(to),
            blocks: blocks(to.c),
            size: [to.h; 2],
            count: [to.h; 2],
            step: 1,
            first: [0; 2],
            accumulate: false,
        },
        window: Window { size: [window; 2], stride, dilation: [1; 2], padding: [(window / 2) as isize; 2] },
        finish: Finish::NONE,
    }
}

fn source(dims: Dims) -> Source {
    let image = map_len(Dims { n: 1, ..dims });
    Source { data: In(std::ptr::null()), image, blocks: blocks(dims.c), planes: false, size: [dims.h; 2], scale: None }
}

#[test]
fn a_large_batch_has_work_for_many_threads() {
    for (network, layers) in [("resnet50", resnet50()), ("efficientnet_b0", efficientnet_b0())] {
        let mut worst = [(1.0, [0; 5]); 7];
        for layer in layers {
            let [channels, out, window, stride, side] = layer;
            let gradient = Dims::new(BATCH, out, side / stride, side / stride);
            let gradient = Gradient {
                data: In(std::ptr::null()),
                image: map_len(Dims { n: 1, ..gradient }),
                blocks: blocks(out),
                size: [gradient.h; 2],
            };
            let weights = blocks(channels) * blocks(out) * 256 * window * window;
            let forward = work(layer, false);
            let backward = work(layer, true);
            let at_points = |work: Work| {
                if winograd::serves(&work) { winograd::task_sizes(Way::WIDE, work) } else { Vec::new() }
            };
            let Work { source, window, .. } = forward;
            let weights_at_points = if winograd_weights::serves(&source, &gradient, &window) {
                winograd_weights::task_sizes(Way::WIDE, BATCH, source, gradient, window)
            } else {
                Vec::new()
            };
            let tasks = [
                tiled::task_sizes(forward),
                tiled::task_sizes(backward),
                tiled_weights::task_sizes(&forward, gradient, weights),
                direct::task_sizes(Way::WIDE, forward),
                at_points(forward),
                at_points(backward),
                weights_at_points,
            ];
            for (tasks, worst) in tasks.iter().zip(&mut worst) {
                let part = busy(tasks, THREADS);
                if !tasks.is_empty() && part < worst.0 {
                    *worst = (part, layer);
                }
            }
        }
        println!("{network}: forward, input's gradient, weights' gradient, vectors, the three at points: {worst:?}");
        assert!(worst.iter().all(|&(part, _)| part > 0.5), "{network}: {worst:?}");
    }
}
