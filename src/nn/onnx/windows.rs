//! What Swin transformers do to tokens, as nodes of a graph: attention within windows, and four tokens joined into one.

use crate::nn::error::{NnError, Result};
use crate::nn::map::Dims;
use crate::nn::ops::{Backend, MASK, Windows};
use crate::nn::param::{ParamId, Store};

use super::graph::{Attribute, Axes, Graph, Name, Value};

impl Graph {
    /// `nn::ops::window_attention`: tokens are rolled and cut into windows, every head attends, and the way back.
    pub(in crate::nn) fn attention<D: Backend>(
        &mut self,
        store: &Store<D>,
        qkv: &Value,
        windows: &Windows,
        table: ParamId,
    ) -> Result<Value> {
        let Windows { heads, width, side, shift, grid, out } = *windows;
        let [heads, width, side, places] = [heads, width, side, windows.places()].map(|n| n as i64);
        let [down, right] = grid.map(|n| n as i64);
        let qkv = self.with_axes(qkv, Axes::ChannelsLast);
        let mut x = qkv.name;
        for (axis, shift, size) in [(1, shift[0], out.h), (2, shift[1], out.w)] {
            x = self.rolled(&x, axis, shift, size);
        }
        // photo, q k v, window's row and column, head, place's row and column, channel
        let x = self.reshape(&x, &[0, down, side, right, side, 3, heads, width]);
        let x = self.transpose(&x, &[0, 5, 1, 3, 6, 2, 4, 7]);
        let x = self.reshape(&x, &[0, 3, down * right, heads, places, width]);
        let [q, k, v] = [0, 1, 2].map(|part| {
            let at = self.whole(part);
            self.node("Gather", &[&x, &at], vec![("axis", Attribute::Int(1))])
        });
        let scale = self.scalar(windows.scale());
        let q = self.node("Mul", &[&q, &scale], vec![]);
        let k = self.transpose(&k, &[0, 1, 2, 4, 3]);
        let scores = self.node("MatMul", &[&q, &k], vec![]);
        let bias = self.biases(store, windows, table)?;
        let mut scores = self.node("Add", &[&scores, &bias], vec![]);
        if shift != [0, 0] {
            let mask = self.mask(windows)?;
            scores = self.node("Add", &[&scores, &mask], vec![]);
        }
        let weights = self.node("Softmax", &[&scores], vec![("axis", Attribute::Int(-1))]);
        let y = self.node("MatMul", &[&weights, &v], vec![]);
        let y = self.reshape(&y, &[0, down, right, heads, side, side, width]);
        let y = self.transpose(&y, &[0, 1, 4, 2, 5, 3, 6]);
        let mut y = self.reshape(&y, &[vec![0], Axes::ChannelsLast.sizes(out)].concat());
        for (axis, shift, size) in [(1, shift[0], out.h), (2, shift[1], out.w)] {
            y = self.rolled(&y, axis, (size - shift) % size, size);
        }
        Ok(Value { name: y, axes: Axes::ChannelsLast, dims: out })
    }

    /// What lies `by` places on along `axis` comes first, and what came first last.
    fn rolled(&mut self, x: &Name, axis: i64, by: usize, size: usize) -> Name {
        if by == 0 {
            return x.clone();
        }
        let [last, first] = [(by, size), (0, by)].map(|(from, to)| self.slice(x, axis, from as i64, to as i64));
        self.node("Concat", &[&last, &first], vec![("axis", Attribute::Int(axis))])
    }

    /// The table's biases of each pair of places: heads x places x places.
    fn biases<D: Backend>(&mut self, store: &Store<D>, windows: &Windows, table: ParamId) -> Result<Name> {
        let (heads, places) = (windows.heads, windows.places());
        // torchvision's name of what it makes of the table
        let name = store.get(table).name.replace("_bias_table", "_bias");
        self.constant(&name, &[heads, places, places], || {
            let table = store.export(table)?;
            let of = |i: usize| {
                let (head, query, key) = (i / (places * places), i / places % places, i % places);
                table[windows.difference(query, key) * heads + head]
            };
            Ok((0..heads * places * places).map(of).collect())
        })
    }

    /// What keeps apart places that a shift brought together: windows x 1 x places x places.
    fn mask(&mut self, windows: &Windows) -> Result<Name> {
        let (places, count) = (windows.places(), windows.grid[0] * windows.grid[1]);
        let Windows { side, shift, grid, .. } = windows;
        let name = format!("mask of {}x{} windows of {side} shifted by {shift:?}", grid[0], grid[1]);
        self.constant(&name, &[count, 1, places, places], || {
            let of = |i: usize| {
                let (window, query, key) = (i / (places * places), i / places % places, i % places);
                let [a, b] = [query, key].map(|place| windows.place(window, place).1);
                if a == b { 0.0 } else { MASK }
            };
            Ok::<_, NnError>((0..count * places * places).map(of).collect())
        })
    }

    /// `nn::ops::merge_patches`.
    pub(in crate::nn) fn merged(&mut self, x: &Value, out: Dims) -> Value {
        let x = self.with_axes(x, Axes::ChannelsLast);
        let x = self.reframed(&x, x.dims.with_size(2 * out.h, 2 * out.w));
        let [h, w, c] = [out.h, out.w, x.dims.c].map(|n| n as i64);
        let parted = self.reshape(&x.name, &[0, h, 2, w, 2, c]);
        // below before beside: upper left, lower left, upper right, lower right
        let parted = self.transpose(&parted, &[0, 1, 3, 4, 2, 5]);
        let name = self.reshape(&parted, &[0, h, w, 4 * c]);
        Value { name, axes: Axes::ChannelsLast, dims: out }
    }
}
