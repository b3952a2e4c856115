//! Convolutions that no kernel of our own serves: unfolded in torchvision's order, multiplied by `gemm`.
//!
//! Groups that cut through blocks of channels, strides above two, strides with dilation: correct, not fast.

use gemm::Parallelism;

use crate::nn::map::Dims;
use crate::nn::ops::ConvSpec;

/// One group of one convolution as matrices: weights `rows x depth`, unfolded input `depth x places`.
struct Matrices {
    rows: usize,
    depth: usize,
    places: usize,
}

impl Matrices {
    fn new(spec: &ConvSpec, y: Dims) -> Matrices {
        let depth = spec.in_channels / spec.groups * spec.kernel[0] * spec.kernel[1];
        Matrices { rows: spec.out_channels / spec.groups, depth, places: y.h * y.w }
    }
}

/// Calls `visit(row of the unfolded matrix, place in the output, place in the photo's input)` for every tap that falls
/// inside the input.
fn each_tap(spec: &ConvSpec, x: Dims, y: Dims, group: usize, mut visit: impl FnMut(usize, usize, usize)) {
    let channels = spec.in_channels / spec.groups;
    let [taps_down, taps_across] = spec.kernel;
    for channel in 0..channels {
        for tap in 0..taps_down * taps_across {
            let row = channel * taps_down * taps_across + tap;
            for oy in 0..y.h {
                let iy = (oy * spec.stride[0] + tap / taps_across * spec.dilation[0]).wrapping_sub(spec.padding[0]);
                if iy >= x.h {
                    continue;
                }
                for ox in 0..y.w {
                    let ix = (ox * spec.stride[1] + tap % taps_across * spec.dilation[1]).wrapping_sub(spec.padding[1]);
                    if ix < x.w {
                        visit(row, oy * y.w + ox, ((group * channels + channel) * x.h + iy) * x.w + ix);
                    }
                }
            }
        }
    }
}

/// `c = beta c + a b`, rows x columns with the given strides between (rows, columns).
#[allow(clippy::too_many_arguments)]
fn multiply(
    [m, n, k]: [usize; 3],
    c: &mut [f32],
    accumulate: bool,
    a: &[f32],
    a_strides: [usize; 2],
    b: &[f32],
    b_strides: [usize; 2],
) {
    assert!(c.len() >= m * n && a.len() >= m * k && b.len() >= k * n);
    let s = |stride: usize| stride as isize;
    // SAFETY: the three matrices lie within their slices, as asserted; `c` is borrowed alone.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            c.as_mut_ptr(),
            1,
            s(n),
            accumulate,
            a.as_ptr(),
            s(a_strides[1]),
            s(a_strides[0]),
            b.as_ptr(),
            s(b_strides[1]),
            s(b_strides[0]),
            1.0,
            1.0,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}

/// The output, N x C x H x W.
pub(super) fn forward(spec: &ConvSpec, x: (Dims, &[f32]), weight: &[f32], bias: Option<&[f32]>, y: Dims) -> Vec<f32> {
    let Matrices { rows, depth, places } = Matrices::new(spec, y);
    let (dims, x) = x;
    let mut out = vec![0.0; y.count()];
    let mut unfolded = vec![0.0; depth * places];
    for n in 0..y.n {
        let photo = &x[n * dims.c * dims.h * dims.w..];
        for group in 0..spec.groups {
            unfolded.fill(0.0);
            each_tap(spec, dims, y, group, |row, place, from| unfolded[row * places + place] = photo[from]);
            let start = (n * y.c + group * rows) * places;
            let weight = &weight[group * rows * depth..];
            let out = &mut out[start..start + rows * places];
            multiply([rows, places, depth], out, false, weight, [depth, 1], &unfolded, [places, 1]);
        }
    }
    if let Some(bias) = bias {
        out.chunks_exact_mut(places)
            .enumerate()
            .for_each(|(i, plane)| plane.iter_mut().for_each(|v| *v += bias[i % y.c]));
    }
    out
}

/// The gradient of the input, N x C x H x W.
pub(super) fn backward_data(spec: &ConvSpec, x: Dims, weight: &[f32], y: (Dims, &[f32])) -> Vec<f32> {
    let (y, gy) = y;
    let Matrices { rows, depth, places } = Matrices::new(spec, y);
    let mut gx = vec![0.0; x.count()];
    let mut unfolded = vec![0.0; depth * places];
    for n in 0..y.n {
        let photo = &mut gx[n * x.c * x.h * x.w..];
        for group in 0..spec.groups {
            let gy = &gy[(n * y.c + group * rows) * places..];
            let weight = &weight[group * rows * depth..];
            multiply([depth, places, rows], &mut unfolded, false, weight, [1, depth], gy, [places, 1]);
            each_tap(spec, x, y, group, |row, place, to| photo[to] += unfolded[row * places + place]);
        }
    }
    gx
}

/// Adds the gradient of the weights to `into`.
pub(super) fn backward_weight(spec: &ConvSpec, x: (Dims, &[f32]), y: (Dims, &[f32]), into: &mut [f32]) {
    let ((x, values), (y, gy)) = (x, y);
    let Matrices { rows, depth, places } = Matrices::new(spec, y);
    let mut unfolded = vec![0.0; depth * places];
    for n in 0..y.n {
        let photo = &values[n * x.c * x.h * x.w..];
        for group in 0..spec.groups {
            unfolded.fill(0.0);
            each_tap(spec, x, y, group, |row, place, from| unfolded[row * places + place] = photo[from]);
            let gy = &gy[(n * y.c + group * rows) * places..];
            let into = &mut into[group * rows * depth..][..rows * depth];
            multiply([rows, depth, places], into, true, gy, [places, 1], &unfolded, [1, places]);
        }
    }
}
