//! Attention within windows on the CPU. A task is one head in a few windows: it gathers the queries, keys and values of a
//! window into memory of its own, where everything is a small matrix product, and writes the outcome to its places.
//!
//! Weights are not kept for the way back but computed again: they are cheaper than the memory they would fill.

use std::ops::Range;

use dfdx::prelude::{Cpu, HasErr, Storage};

use crate::nn::map::{Dims, Flat};
use crate::nn::ops::AttentionKernel;
use crate::nn::ops::attention::{MASK, Windows};

use super::access::{In, Out, filled, host, scratch};
use super::conv::tensor;
use super::plan::{self, pieces};
use super::product::{Factor, Matrix, product};
use super::simd::{Kernel, LANES, Lanes, isa, launch};
use super::threads::parallel;

type Result<T> = std::result::Result<T, <Cpu as HasErr>::Err>;

/// Windows that a task takes at most.
const PORTION: usize = 8;
/// A weight's logarithm where there is no place: filling up a line of sixteen.
const NOWHERE: f32 = -1e30;

/// What every task knows.
struct Plan<'a> {
    windows: &'a Windows,
    /// Lengths of a line of weights, and of a row of a head.
    line: usize,
    portions: Vec<Range<usize>>,
    /// Each pair of places: where it lies among the weights, and its difference's row of the table.
    pairs: Vec<(usize, usize)>,
    /// The windows of a photo: [`Window::places`] and [`Window::regions`].
    cells: Vec<(Vec<usize>, Option<Vec<f32>>)>,
}

impl<'a> Plan<'a> {
    fn new(windows: &'a Windows) -> Plan<'a> {
        let line = windows.places().div_ceil(LANES) * LANES;
        let side = windows.side;
        let both = (0..side * side).flat_map(|query| (0..side * side).map(move |key| (query, key)));
        let pairs = both.map(|(query, key)| (query * line + key, windows.difference(query, key))).collect();
        let cells = (0..windows.grid[0] * windows.grid[1]).map(|at| cell(windows, line, at)).collect();
        Plan { windows, line, portions: pieces(windows.count(), PORTION).collect(), pairs, cells }
    }

    /// The window of that number.
    fn window(&self, number: usize) -> Window<'_> {
        let (places, regions) = &self.cells[number % self.cells.len()];
        Window { photo: number / self.cells.len(), places, regions: regions.as_deref() }
    }

    fn tasks(&self) -> usize {
        self.portions.len() * self.windows.heads
    }

    /// The head and the windows of a task.
    fn task(&self, task: usize) -> (usize, Range<usize>) {
        (task % self.windows.heads, self.portions[task / self.windows.heads].clone())
    }

    /// Values of a window's queries (or keys, or values), and of its weights.
    fn sizes(&self) -> (usize, usize) {
        let places = self.windows.places();
        (places * self.windows.width, places * self.line)
    }

    /// The bias of each pair of places, head by head and query by query, lines filled up with [`NOWHERE`].
    fn biases(&self, table: &[f32]) -> Vec<f32> {
        let (heads, count) = (self.windows.heads, self.sizes().1);
        let mut biases = vec![NOWHERE; heads * count];
        for (head, biases) in biases.chunks_exact_mut(count).enumerate() {
            self.pairs.iter().for_each(|&(pair, difference)| biases[pair] = table[difference * heads + head]);
        }
        biases
    }

    /// The weights of a head in `window`, from the queries (left scaled) and the keys (left as rows, and turned).
    ///
    /// # Safety
    /// `source` must be good for the map, the pointers for matrices of queries, keys, turned keys and weights.
    unsafe fn weigh(
        &self,
        source: In,
        biases: &[f32],
        window: &Window,
        head: usize,
        [queries, keys, turned_keys, weights]: [*mut f32; 4],
    ) {
        let (windows, width, line) = (self.windows, self.windows.width, self.line);
        let (places, regions) = (windows.places(), window.regions);
        // SAFETY: the caller's.
        unsafe {
            part(windows, window, head, 0).gather(source, queries);
            scale(queries, places * width, windows.scale());
            part(windows, window, head, 1).gather(source, keys);
            turned(keys, places, width, turned_keys, line);
            launch(isa(), Weights { places, width, line, queries, keys: turned_keys, biases, regions, weights });
        }
    }
}

/// One window: its photo, where its places lie in a plane, and which border each came from.
struct Window<'a> {
    photo: usize,
    places: &'a [usize],
    /// A number for each region that a shift brought together, as lanes; none where there is one region only.
    regions: Option<&'a [f32]>,
}

/// Places and regions of the window at `at` of a photo's.
fn cell(windows: &Windows, line: usize, at: usize) -> (Vec<usize>, Option<Vec<f32>>) {
    let Windows { side, out, .. } = *windows;
    let mut places = Vec::with_capacity(side * side);
    let mut regions = vec![0.0; line];
    for i in 0..side * side {
        let (place, region) = windows.place(at, i);
        places.push(place[0] * out.w + place[1]);
        regions[i] = region as f32;
    }
    let mixed = regions[..side * side].iter().any(|r| *r != regions[0]);
    (places, mixed.then_some(regions))
}

impl Window<'_> {
    /// The first value of the window's photo and of block `block` in a map of `channels`.
    fn plane(&self, out: Dims, channels: usize, block: usize) -> usize {
        (self.photo * channels / LANES + block) * out.h * out.w * LANES
    }
}

/// Lines of a head in a map, from or to rows of its own.
struct Rows<'a> {
    window: &'a Window<'a>,
    out: Dims,
    /// Channels of the map, and the first one of the head.
    channels: usize,
    first: usize,
    width: usize,
}

impl Rows<'_> {
    /// Calls `visit` with the place of each line of sixteen in the rows and in the map.
    #[inline(always)]
    fn each(&self, mut visit: impl FnMut(usize, usize)) {
        for block in 0..self.width / LANES {
            let plane = self.window.plane(self.out, self.channels, self.first / LANES + block);
            for (i, place) in self.window.places.iter().enumerate() {
                visit(i * self.width + block * LANES, plane + place * LANES);
            }
        }
    }

    /// # Safety
    /// `map` must be good for the map and `rows` for the places of a window.
    unsafe fn gather(&self, map: In, rows: *mut f32) {
        // SAFETY: the caller's.
        self.each(|row, line| unsafe { std::ptr::copy_nonoverlapping(map.at(line), rows.add(row), LANES) });
    }

    /// # Safety
    /// As [`Rows::gather`].
    unsafe fn spread(&self, rows: *const f32, map: Out) {
        // SAFETY: the caller's.
        self.each(|row, line| unsafe { std::ptr::copy_nonoverlapping(rows.add(row), map.at(line), LANES) });
    }
}

/// Rows of `width` as columns, lines of `line`, filled up with zeros.
///
/// # Safety
/// The pointers must be good for `places` rows, and for `width` lines.
unsafe fn turned(rows: *const f32, places: usize, width: usize, columns: *mut f32, line: usize) {
    for c in 0..width {
        // SAFETY: the caller's.
        unsafe {
            let target = columns.add(c * line);
            for i in 0..places {
                *target.add(i) = *rows.add(i * width + c);
            }
            for i in places..line {
                *target.add(i) = 0.0;
            }
        }
    }
}

/// Weights from scaled queries and turned keys: `softmax(q k + bias + mask)`, query by query.
struct Weights<'a> {
    places: usize,
    width: usize,
    line: usize,
    queries: *const f32,
    keys: *const f32,
    biases: &'a [f32],
    regions: Option<&'a [f32]>,
    weights: *mut f32,
}

impl Kernel for Weights<'_> {
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let Weights { places, width, line, .. } = self;
        // SAFETY: the pointers are good for matrices of these sizes, the slices for lines.
        unsafe {
            let queries = Factor { data: self.queries, row: width, column: 1 };
            product::<L>(
                [places, width, line],
                queries,
                Matrix { data: self.keys, row: line },
                self.weights,
                line,
                1.0,
            );
            for i in 0..places {
                let row = self.weights.add(i * line);
                let biases = self.biases.as_ptr().add(i * line);
                let mut most = L::splat(NOWHERE);
                for at in (0..line).step_by(LANES) {
                    let mut value = L::load(row.add(at)).add(L::load(biases.add(at)));
                    if let Some(regions) = self.regions {
                        let region = L::splat(regions[i]);
                        let mask = L::load(regions.as_ptr().add(at)).select_equal(region, L::zero(), L::splat(MASK));
                        value = value.add(mask);
                    }
                    value.store(row.add(at));
                    most = most.max(value);
                }
                let largest = most.largest();
                let most = L::splat(largest);
                let mut sum = L::zero();
                for at in (0..line).step_by(LANES) {
                    let value = super::simd::exp(L::load(row.add(at)).sub(most));
                    value.store(row.add(at));
                    sum = sum.add(value);
                }
                // as a softmax has it: infinite logarithms give no weights
                let share = L::splat(if largest.is_finite() { 1.0 / sum.total() } else { f32::NAN });
                for at in (0..line).step_by(LANES) {
                    L::load(row.add(at)).mul(share).store(row.add(at));
                }
            }
        }
    }
}

/// The output from weights and values.
struct Mix {
    places: usize,
    width: usize,
    line: usize,
    weights: *const f32,
    values: *const f32,
    out: *mut f32,
}

impl Kernel for Mix {
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let Mix { places, width, line, .. } = self;
        let weights = Factor { data: self.weights, row: line, column: 1 };
        let values = Matrix { data: self.values, row: width };
        // SAFETY: the pointers are good for matrices of these sizes.
        unsafe { product::<L>([places, places, width], weights, values, self.out, width, 1.0) };
    }
}

/// The gradients of a window, all as rows of a head; keys and values come also as columns.
struct Back {
    places: usize,
    width: usize,
    line: usize,
    scale: f32,
    queries: *const f32,
    keys: *const f32,
    turned_values: *const f32,
    gradient: *const f32,
    weights: *const f32,
    /// The gradient of the logarithms.
    of_logits: *mut f32,
    /// Adds them up over the windows.
    of_biases: *mut f32,
    /// Of the queries, the keys, the values.
    of_parts: [*mut f32; 3],
}

impl Kernel for Back {
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let Back { places, width, line, .. } = self;
        // SAFETY: the pointers are good for matrices of these sizes.
        unsafe {
            let gradient = Factor { data: self.gradient, row: width, column: 1 };
            let values = Matrix { data: self.turned_values, row: line };
            product::<L>([places, width, line], gradient, values, self.of_logits, line, 1.0);
            for i in 0..places {
                let (weights, of_logits) = (self.weights.add(i * line), self.of_logits.add(i * line));
                let of_biases = self.of_biases.add(i * line);
                let mut sum = L::zero();
                for at in (0..line).step_by(LANES) {
                    sum = L::load(weights.add(at)).mul_add(L::load(of_logits.add(at)), sum);
                }
                let sum = L::splat(sum.total());
                for at in (0..line).step_by(LANES) {
                    let value = L::load(of_logits.add(at)).sub(sum).mul(L::load(weights.add(at)));
                    value.store(of_logits.add(at));
                    L::load(of_biases.add(at)).add(value).store(of_biases.add(at));
                }
            }
            let [of_queries, of_keys, of_values] = self.of_parts;
            let by_query = Factor { data: self.of_logits, row: line, column: 1 };
            let by_key = Factor { data: self.of_logits, row: 1, column: line };
            let weights = Factor { data: self.weights, row: 1, column: line };
            let sizes = [places, places, width];
            product::<L>(sizes, by_query, Matrix { data: self.keys, row: width }, of_queries, width, self.scale);
            // the queries are scaled already
            product::<L>(sizes, by_key, Matrix { data: self.queries, row: width }, of_keys, width, 1.0);
            product::<L>(sizes, weights, Matrix { data: self.gradient, row: width }, of_values, width, 1.0);
        }
    }
}

/// Gathers a part (0 queries, 1 keys, 2 values) of a head.
fn part<'a>(windows: &Windows, window: &'a Window<'a>, head: usize, part: usize) -> Rows<'a> {
    let (channels, width) = (windows.out.c, windows.width);
    Rows { window, out: windows.out, channels: 3 * channels, first: part * channels + head * width, width }
}

/// A head's lines in a map of its channels alone: the output, and its gradient.
fn own<'a>(windows: &Windows, window: &'a Window<'a>, head: usize) -> Rows<'a> {
    Rows { channels: windows.out.c, ..part(windows, window, head, 0) }
}

/// # Safety
/// `values` must be good for `count` values.
unsafe fn scale(values: *mut f32, count: usize, factor: f32) {
    // SAFETY: the caller's.
    unsafe { std::slice::from_raw_parts_mut(values, count) }.iter_mut().for_each(|v| *v *= factor);
}

impl AttentionKernel for Cpu {
    fn attention_forward(&self, windows: &Windows, qkv: &Flat<Cpu>, table: &Flat<Cpu>) -> Result<Flat<Cpu>> {
        let plan = Plan::new(windows);
        let (source, table) = (In::from(host(qkv)), host(table));
        let (places, width, line) = (windows.places(), windows.width, plan.line);
        let (rows, pairs) = plan.sizes();
        let all = plan.biases(table);
        let run = |out: Out| {
            parallel(plan.tasks(), &|task| {
                let (head, numbers) = plan.task(task);
                let biases = &all[head * pairs..][..pairs];
                scratch(3 * rows + width * line + pairs, |memory| {
                    for number in numbers.clone() {
                        let window = plan.window(number);
                        // SAFETY: scratch is large enough for each matrix; a task writes its head's lines of its windows.
                        unsafe {
                            let [queries, values, mixed] = [0, 1, 2].map(|i| memory.add(i * rows));
                            let turned_keys = memory.add(3 * rows);
                            let weights = turned_keys.add(width * line);
                            // the keys are not needed any more when the values come
                            plan.weigh(source, biases, &window, head, [queries, values, turned_keys, weights]);
                            part(windows, &window, head, 2).gather(source, values);
                            launch(isa(), Mix { places, width, line, weights, values, out: mixed });
                            own(windows, &window, head).spread(mixed, out);
                        }
                    }
                });
            });
        };
        // SAFETY: the heads of all windows make up the whole map.
        tensor(self, unsafe { filled(plan::map_len(windows.out), run) })
    }

    fn attention_backward(
        &self,
        windows: &Windows,
        qkv: &Flat<Cpu>,
        table: &Flat<Cpu>,
        gy: &Flat<Cpu>,
        of_table: &mut <Cpu as Storage<f32>>::Vec,
    ) -> Result<Flat<Cpu>> {
        let plan = Plan::new(windows);
        let (source, table, gradients) = (In::from(host(qkv)), host(table), In::from(host(gy)));
        let (places, width, line) = (windows.places(), windows.width, plan.line);
        let (rows, pairs) = plan.sizes();
        let mut of_biases = vec![0.0; plan.tasks() * pairs];
        let sums = Out::from(&mut of_biases[..]);
        let all = plan.biases(table);
        let run = |out: Out| {
            parallel(plan.tasks(), &|task| {
                let (head, numbers) = plan.task(task);
                let biases = &all[head * pairs..][..pairs];
                scratch(7 * rows + 2 * width * line + 2 * pairs, |memory| {
                    for number in numbers.clone() {
                        let window = plan.window(number);
                        // SAFETY: scratch is large enough for each matrix; a task writes its head's lines of its windows,
                        // and sums of its own.
                        unsafe {
                            let [queries, keys, values, gradient, of_queries, of_keys, of_values] =
                                [0, 1, 2, 3, 4, 5, 6].map(|i| memory.add(i * rows));
                            let turned_keys = memory.add(7 * rows);
                            let turned_values = turned_keys.add(width * line);
                            let weights = turned_values.add(width * line);
                            let of_logits = weights.add(pairs);
                            own(windows, &window, head).gather(gradients, gradient);
                            plan.weigh(source, biases, &window, head, [queries, keys, turned_keys, weights]);
                            part(windows, &window, head, 2).gather(source, values);
                            turned(values, places, width, turned_values, line);
                            launch(
                                isa(),
                                Back {
                                    places,
                                    width,
                                    line,
                                    scale: windows.scale(),
                                    queries,
                                    keys,
                                    turned_values,
                                    gradient,
                                    weights,
                                    of_logits,
                                    of_biases: sums.at(task * pairs),
                                    of_parts: [of_queries, of_keys, of_values],
                                },
                            );
                            for (i, rows) in [of_queries, of_keys, of_values].into_iter().enumerate() {
                                part(windows, &window, head, i).spread(rows, out);
                            }
                        }
                    }
                });
            });
        };
        let qkv_dims = windows.out.with_channels(3 * windows.out.c);
        // SAFETY: the heads of all windows make up the whole map.
        let given = tensor(self, unsafe { filled(plan::map_len(qkv_dims), run) })?;
        let mut total = vec![0.0f64; of_table.len()];
        for (task, of_pairs) in of_biases.chunks_exact(pairs).enumerate() {
            let head = task % windows.heads;
            for &(pair, difference) in &plan.pairs {
                total[difference * windows.heads + head] += f64::from(of_pairs[pair]);
            }
        }
        of_table.iter_mut().zip(total).for_each(|(into, total)| *into += total as f32);
        Ok(given)
    }
}
