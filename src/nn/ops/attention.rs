//! Attention within windows (Liu et al. 2021, "Swin"): each place looks at the places of its own window only.
//!
//! A head's output at a place is the mean of the values `v` of its window, weighted by
//! `softmax(q k / sqrt(width) + bias + mask)`. The bias is learned, one value a head and difference of places; windows
//! may be shifted, and those that a shift makes of opposite borders are masked by -100, as torchvision does.

use dfdx::prelude::Storage;

use crate::nn::error::{NnError, Result};
use crate::nn::map::{Dims, FeatureMap, Flat};
use crate::nn::param::{ParamId, Shape, Store};
use crate::nn::pass::Pass;

use super::Backend;

/// Added where a shifted window joins places from opposite borders.
pub(in crate::nn) const MASK: f32 = -100.0;

/// How places attend to each other, without the biases.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct WindowSpec {
    /// Heads, which share the channels evenly.
    pub heads: usize,
    /// Places along a window's side.
    pub window: usize,
    /// Places by which the windows begin later, below and to the right; 0 along a side that is one window.
    pub shift: usize,
}

impl WindowSpec {
    /// Rows of the table of biases: differences of places, row by row.
    pub fn differences(&self) -> usize {
        (2 * self.window).saturating_sub(1).pow(2)
    }
}

/// The windows of a map: [`WindowSpec`] with the sizes known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Windows {
    /// Heads.
    pub heads: usize,
    /// Channels of a head.
    pub width: usize,
    /// Places along a window's side.
    pub side: usize,
    /// Rows and columns by which the windows begin later.
    pub shift: [usize; 2],
    /// Windows from above to below, and from left to right.
    pub grid: [usize; 2],
    /// Sizes of the output.
    pub out: Dims,
}

impl Windows {
    fn new(spec: &WindowSpec, x: Dims) -> Result<Windows> {
        /// Channels that a head must have a multiple of: the CPU's block.
        const GRAIN: usize = 16;
        let fail = |reason: String| Err(NnError::shape("attention", reason));
        let WindowSpec { heads, window, shift } = *spec;
        if heads == 0 || !x.c.is_multiple_of(3 * GRAIN * heads) {
            return fail(format!("{heads} heads of a multiple of {GRAIN} channels each, three times, in a map of {x}"));
        }
        if window == 0 || shift >= window || !x.h.is_multiple_of(window) || !x.w.is_multiple_of(window) {
            return fail(format!("windows of {window} shifted by {shift} in a map of {x}"));
        }
        let grid = [x.h / window, x.w / window];
        // a side that is one window has nothing to exchange
        let shift = grid.map(|count| if count > 1 { shift } else { 0 });
        Ok(Windows { heads, width: x.c / 3 / heads, side: window, shift, grid, out: x.with_channels(x.c / 3) })
    }

    /// Windows of all photos.
    pub fn count(&self) -> usize {
        self.out.n * self.grid[0] * self.grid[1]
    }

    /// Places of a window.
    pub fn places(&self) -> usize {
        self.side * self.side
    }

    /// Where place `i` of a photo's window number `window` lies in the map, and which region it came from: what a shift
    /// brought over a border is another region.
    pub(in crate::nn) fn place(&self, window: usize, i: usize) -> ([usize; 2], usize) {
        let first = [window / self.grid[1] * self.side, window % self.grid[1] * self.side];
        let shifted = [first[0] + i / self.side + self.shift[0], first[1] + i % self.side + self.shift[1]];
        let over = [shifted[0] >= self.out.h, shifted[1] >= self.out.w].map(usize::from);
        ([shifted[0] % self.out.h, shifted[1] % self.out.w], 2 * over[0] + over[1])
    }

    /// The row of the table of biases that belongs to the places `query` and `key` of a window.
    pub(in crate::nn) fn difference(&self, query: usize, key: usize) -> usize {
        let side = self.side;
        let down = query / side + side - 1 - key / side;
        let right = query % side + side - 1 - key % side;
        down * (2 * side - 1) + right
    }

    /// What `q k` is multiplied by.
    pub fn scale(&self) -> f32 {
        1.0 / (self.width as f32).sqrt()
    }
}

/// Attention on a device. `qkv` holds the queries of all heads, then their keys, then their values: N x 3C x H x W.
/// `table` has a row for each difference of places, `(dy + side - 1) (2 side - 1) + dx + side - 1` from key to query,
/// and a column for each head.
pub trait AttentionKernel: Storage<f32> {
    /// The output: N x C x H x W.
    fn attention_forward(
        &self,
        windows: &Windows,
        qkv: &Flat<Self>,
        table: &Flat<Self>,
    ) -> Result<Flat<Self>, Self::Err>;
    /// The gradient of `qkv`; that of the table is added to `of_table`.
    fn attention_backward(
        &self,
        windows: &Windows,
        qkv: &Flat<Self>,
        table: &Flat<Self>,
        gy: &Flat<Self>,
        of_table: &mut Self::Vec,
    ) -> Result<Flat<Self>, Self::Err>;
}

/// Attention within the windows of `qkv` (N x 3C x H x W, sides multiples of the window's): N x C x H x W. `table`:
/// [`WindowSpec::differences`] x heads.
///
/// # Errors
/// When the sizes do not fit or the device fails.
pub fn window_attention<D: Backend>(
    pass: &mut Pass<D>,
    store: &Store<D>,
    qkv: &FeatureMap<D>,
    spec: &WindowSpec,
    table: ParamId,
) -> Result<FeatureMap<D>> {
    const OP: &str = "attention";
    let windows = Windows::new(spec, qkv.dims())?;
    let expected = Shape::Matrix(spec.differences(), spec.heads);
    if store.get(table).shape != expected {
        return Err(NnError::shape(OP, format!("a table of {:?} expected", expected.sizes())));
    }
    let device = pass.device().clone();
    let id = table;
    let table = store.value(table).clone();
    let y = device.attention_forward(&windows, qkv.values(), &table).map_err(|e| NnError::device(OP, e))?;
    let mut y = pass.output(y, windows.out);
    pass.draw(&mut y, |graph| graph.attention(store, qkv.drawn()?, &windows, id))?;
    let qkv = qkv.clone();
    pass.record(&y, move |gy, gradients| {
        let of_table = gradients.get_or_alloc_mut(&table)?;
        let given = device.attention_backward(&windows, qkv.values(), &table, &gy, of_table)?;
        super::activate::give(&device, &qkv, given)
    });
    Ok(y)
}
