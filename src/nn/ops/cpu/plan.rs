//! Which kernel serves a convolution, and how its work is cut: by shape and processor alone, never by threads.

use std::cell::Cell;
use std::ops::Range;
use std::sync::atomic::{AtomicU8, Ordering};

use crate::nn::map::Dims;
use crate::nn::ops::{ConvSpec, Precision};

use super::parts::Products;
use super::simd::{Isa, LANES, isa};
use super::tiles::{Machine, Tiles};

/// Blocks of sixteen channels.
pub(super) fn blocks(channels: usize) -> usize {
    channels.div_ceil(LANES)
}

/// Photos come as planes: a map of so few channels is not padded to sixteen.
pub(super) fn is_planes(channels: usize) -> bool {
    channels < 4
}

/// Values of a map, padding included.
pub(super) fn map_len(dims: Dims) -> usize {
    let channels = if is_planes(dims.c) { dims.c } else { blocks(dims.c) * LANES };
    dims.n * channels * dims.h * dims.w
}

/// The kernel of a convolution, which decides the order of its weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Path {
    /// The direct tile: weights in panels.
    Panels,
    /// A window for each channel: weights as `[C/16][H][W][16]`.
    Depthwise,
    /// Unfolding and `gemm`: weights in torchvision's order.
    Plain,
}

/// The kernel for `spec`.
pub(super) fn path(spec: &ConvSpec) -> Path {
    let ConvSpec { stride: [sh, sw], dilation: [dh, dw], kernel: [kh, kw], .. } = *spec;
    let near = sh == sw && (sh == 1 || (sh == 2 && dh == 1 && dw == 1));
    if spec.is_depthwise()
        && !is_planes(spec.in_channels)
        && near
        && dh * dw == 1
        && kh == kw
        && matches!(kh, 3 | 5 | 7)
    {
        return Path::Depthwise;
    }
    let whole_blocks = spec.groups == 1
        || ((spec.in_channels / spec.groups).is_multiple_of(LANES)
            && (spec.out_channels / spec.groups).is_multiple_of(LANES));
    if near && whole_blocks && !is_planes(spec.out_channels) { Path::Panels } else { Path::Plain }
}

/// How the tile kernels cut their work on a processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Way {
    /// The instructions.
    pub(super) isa: Isa,
    /// Blocks of output channels that a panel of weights holds.
    pub(super) panel: usize,
    /// Pixels of a tile one block wide, and of one two blocks wide.
    pub(super) pixels: [usize; 2],
    /// Input values of a tile of the weights' gradient, one block wide and two.
    pub(super) inputs: [usize; 2],
    /// Values of the input that a task keeps close: about half a core's second-level cache.
    pub(super) strip: usize,
    /// Tile products, where a convolution is large enough for them.
    pub(super) tiles: Option<Tiles>,
    /// Winograd's transforms, where a window fits them.
    pub(super) winograd: bool,
    /// Weights that a tile reads before the next: about half the first-level cache.
    pub(super) chunk: usize,
}

impl Way {
    /// 32 registers: 14 pixels x 32 channels leave 3 for weights and input.
    pub(super) const WIDE: Way = Way {
        isa: Isa::Avx512,
        panel: 2,
        pixels: [14, 14],
        inputs: [8, 8],
        strip: 80 << 10,
        tiles: None,
        winograd: false,
        chunk: 512 << 10,
    };
    /// 16 registers of half the width: 6 pixels x 16 channels.
    pub(super) const NARROW: Way = Way {
        isa: Isa::Avx2,
        panel: 1,
        pixels: [6, 0],
        inputs: [6, 0],
        strip: 40 << 10,
        tiles: None,
        winograd: false,
        chunk: 4 << 10,
    };

    /// The way of this process.
    pub(super) fn of_process() -> Way {
        #[cfg(test)]
        if let Some(way) = tests::FORCED.get() {
            return way;
        }
        match isa() {
            Isa::Avx512 => Way { tiles: tiles().filter(|_| !VECTORS_ALONE.get()), winograd: winograd(), ..Way::WIDE },
            isa => Way { isa, winograd: winograd(), ..Way::NARROW },
        }
    }

    /// Pixels of a tile `width` blocks wide.
    pub(super) fn pixels(&self, width: usize) -> usize {
        self.pixels[width - 1]
    }
}

/// How exactly products are computed in this process: a [`Precision`]'s place in [`Precision::ALL`]. Tests are held to
/// the exact results of other libraries.
static PRECISION: AtomicU8 = AtomicU8::new(if cfg!(test) { Precision::Fp32 as u8 } else { Precision::High as u8 });

/// Says how exactly products are computed from now on, where a processor gives the choice. Tests share a process and are
/// left as they are.
pub fn set_precision(precision: Precision) {
    if !cfg!(test) {
        PRECISION.store(precision as u8, Ordering::Relaxed);
    }
}

thread_local! {
    static VECTORS_ALONE: Cell<bool> = const { Cell::new(false) };
}

/// Computes what `work` asks for from this thread to f32's own rounding, by vectors alone: what others are held against.
pub fn with_vectors<T>(work: impl FnOnce() -> T) -> T {
    let before = VECTORS_ALONE.replace(true);
    let result = work();
    VECTORS_ALONE.set(before);
    result
}

fn precision() -> Precision {
    Precision::ALL[usize::from(PRECISION.load(Ordering::Relaxed)) % Precision::ALL.len()]
}

/// Tile products at the precision asked for, where this process may use AMX.
fn tiles() -> Option<Tiles> {
    let products = match precision() {
        Precision::Fp32 => Products::Six,
        Precision::High => Products::Three,
        Precision::Amp => Products::One,
    };
    has_amx().then_some(Tiles { machine: Machine::Amx, products })
}

/// Whether Winograd's transforms may be used: where the precision asked for leaves room for them, and tile products do not
/// serve it better.
fn winograd() -> bool {
    precision() != Precision::Fp32 && !has_amx() && !VECTORS_ALONE.get()
}

/// Whether this process may use AMX: where it is and `CARETTA_CPU` names nothing else.
fn has_amx() -> bool {
    #[cfg(target_arch = "x86_64")]
    return !Isa::is_limited() && super::amx::available();
    #[cfg(not(target_arch = "x86_64"))]
    false
}

/// The kernels of this process, for a log: the widest vectors, and what tile products stand for one of f32.
pub fn kernels() -> String {
    let vectors = isa().name();
    match tiles() {
        None if winograd() => format!("{vectors} (3x3 windows by winograd)"),
        None => vectors.to_owned(),
        Some(Tiles { products, .. }) => format!("{vectors} and amx ({} of bf16)", products.words()),
    }
}

/// A panel of weights: its first block of output channels and its width in blocks.
pub(super) fn panels(blocks: usize, panel: usize) -> impl Iterator<Item = (usize, usize)> + Clone {
    (0..blocks).step_by(panel).map(move |first| (first, panel.min(blocks - first)))
}

/// Threads that a large batch has work for.
pub(super) const THREADS: usize = 64;

/// Tasks that there should be at least: `few`, which cost least, of a small batch, else so many that many threads end at
/// about the same time.
pub(super) fn tasks_wanted(images: usize, few: usize) -> usize {
    if is_large(images) { 4 * THREADS } else { few }
}

/// Whether a batch of so many photos is worth many threads.
pub(super) fn is_large(images: usize) -> bool {
    images >= THREADS / 2
}

/// Cuts `total` into as few pieces of at most `most` as there can be, all about equal.
pub(super) fn pieces(total: usize, most: usize) -> impl Iterator<Item = Range<usize>> + Clone {
    let count = total.div_ceil(most.max(1));
    (0..count).map(move |i| i * total / count..(i + 1) * total / count)
}

#[cfg(test)]
pub(in crate::nn) mod tests {
    use super::*;
    use proptest::prelude::*;

    thread_local! {
        pub(super) static FORCED: std::cell::Cell<Option<Way>> = const { std::cell::Cell::new(None) };
    }

    /// Runs `test` once for each way that this machine can go, the wide cuts in plain arrays among them.
    pub(in crate::nn) fn each_way(mut test: impl FnMut(&str)) {
        for way in by_vectors() {
            forced(way, || test(&format!("{way:?}")));
        }
        on_tiles(false, Products::Six, || test("AMX, six products"));
    }

    /// Runs `test` once for each way of vectors, with Winograd's transforms.
    pub(in crate::nn) fn each_way_at_points(mut test: impl FnMut(&str)) {
        for way in by_vectors() {
            let way = Way { winograd: true, ..way };
            forced(way, || test(&format!("{way:?}")));
        }
    }

    fn by_vectors() -> impl Iterator<Item = Way> {
        let plain_wide = Way { isa: Isa::Plain, ..Way::WIDE };
        let narrow = Isa::available().iter().map(|&isa| Way { isa, ..Way::NARROW });
        let ways = narrow.filter(|way| way.isa != Isa::Avx512).chain([plain_wide]);
        ways.chain((isa() == Isa::Avx512).then_some(Way::WIDE))
    }

    fn forced<T>(way: Way, test: impl FnOnce() -> T) -> T {
        FORCED.set(Some(way));
        let result = test();
        FORCED.set(None);
        result
    }

    /// Runs `test` with tile products on AMX, where this machine has it, or on its plain twin.
    pub(in crate::nn) fn on_tiles<T>(twin: bool, products: Products, test: impl FnOnce() -> T) -> Option<T> {
        let (isa, machine) = if twin { (Isa::Plain, Machine::Twin) } else { (Isa::Avx512, Machine::Amx) };
        (twin || has_amx()).then(|| forced(Way { isa, tiles: Some(Tiles { machine, products }), ..Way::WIDE }, test))
    }

    proptest! {
        #[test]
        fn pieces_cover_everything_once_and_differ_by_one(total in 0usize..500, most in 1usize..40) {
            let all: Vec<_> = pieces(total, most).collect();
            prop_assert_eq!(all.iter().flat_map(Range::clone).collect::<Vec<_>>(), (0..total).collect::<Vec<_>>());
            let lengths: Vec<_> = all.iter().map(Range::len).collect();
            if let (Some(&longest), Some(&shortest)) = (lengths.iter().max(), lengths.iter().min()) {
                prop_assert!(longest <= most && longest - shortest <= 1);
            }
        }
    }
}
