//! Distances of embeddings on the card, a tile of rows at a time: a gallery larger than its memory passes through.

use cudarc::driver::DevicePtr;
use dfdx::prelude::CudaError;

use super::engine::{Engine, Kernel, engine, word};

type Result<T, E = CudaError> = std::result::Result<T, E>;

/// Bytes that a tile and its distances may take.
const ROOM: usize = 256 << 20;
/// Rows of a tile at least: below, the card has no memory worth the name.
const LEAST: usize = 64;

/// Distances of each query to each row, query by query; none where no card is open or it cannot, which is then for the
/// CPU to do.
pub(in crate::nn::ops) fn distances(queries: &[f32], rows: &[f32], width: usize) -> Option<Vec<f64>> {
    let engine = engine().ok()?;
    let a_row = width * size_of::<f32>() + queries.len() / width.max(1) * size_of::<f64>();
    let mut tile = (ROOM / a_row.max(1)).max(LEAST);
    loop {
        match tiled(engine, queries, rows, width, tile) {
            Ok(found) => return Some(found),
            // other programs may hold the rest of its memory
            Err(_) if tile > LEAST => tile /= 4,
            Err(_) => return None,
        }
    }
}

/// The same in tiles of so many rows; none where no card is open.
///
/// # Errors
/// When the card fails.
pub(in crate::nn::ops) fn in_tiles(
    queries: &[f32],
    rows: &[f32],
    width: usize,
    tile: usize,
) -> Option<Result<Vec<f64>>> {
    engine().ok().map(|engine| tiled(engine, queries, rows, width, tile))
}

fn tiled(engine: &Engine, queries: &[f32], rows: &[f32], width: usize, tile: usize) -> Result<Vec<f64>> {
    if width == 0 || queries.is_empty() {
        return Ok(Vec::new());
    }
    engine.bind()?;
    let (asked, count) = (queries.len() / width, rows.len() / width);
    let mut all = vec![0.0; asked * count];
    let queries = engine.upload(queries)?;
    for (tile, from) in rows.chunks(tile.max(1) * width).zip((0..count).step_by(tile.max(1))) {
        let height = tile.len() / width;
        // column by column, as the kernel reads
        let mut columns = vec![0.0f32; tile.len()];
        for (row, values) in tile.chunks_exact(width).enumerate() {
            values.iter().enumerate().for_each(|(column, value)| columns[column * height + row] = *value);
        }
        let columns = engine.upload(&columns)?;
        let out = engine.scratch::<f64>(asked * height)?;
        let args = [
            word(height)?.into(),
            word(width)?.into(),
            (*queries.device_ptr()).into(),
            (*columns.device_ptr()).into(),
            (*out.device_ptr()).into(),
        ];
        // SAFETY: as many queries, rows and distances as said.
        unsafe { engine.each(Kernel::distances, asked * height, &args)? };
        let found = engine.download(&out)?;
        for (query, found) in found.chunks_exact(height).enumerate() {
            all[query * count + from..][..height].copy_from_slice(found);
        }
    }
    Ok(all)
}
