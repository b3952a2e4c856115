//! cuDNN: convolutions in N x H x W x C, an algorithm for each shape asked for once, one workspace for all.
//!
//! The only file that knows cuDNN. It is opened by hand, as the other libraries are (`library.rs`). Its own heuristic
//! chooses: on an H100 a search by timing was no faster for ResNet-50 and a quarter slower for EfficientNet-B0, whose
//! convolutions are too short to be timed one by one; and it chose otherwise from run to run.

use std::collections::HashMap;
use std::ffi::{CStr, c_char, c_void};

use cudarc::driver::{CudaSlice, DevicePtr, DeviceSlice};
use dfdx::prelude::CudaError;

use crate::nn::map::Dims;
use crate::nn::ops::{ConvSpec, Precision};

use super::engine::{Engine, int};
use super::{Problem, library, out_of_words};

type Result<T, E = CudaError> = std::result::Result<T, E>;

/// A handle or descriptor of cuDNN.
type Thing = *mut c_void;
type Device = u64;

const NHWC: i32 = 1;
const FLOAT: i32 = 0;
const BFLOAT16: i32 = 9;
const CROSS_CORRELATION: i32 = 1;
/// `CUDNN_DEFAULT_MATH`: TF32 where it is faster.
const DEFAULT_MATH: i32 = 0;
/// `CUDNN_TENSOR_OP_MATH`: products of bf16 as they come.
const TENSOR_OP_MATH: i32 = 1;
/// `CUDNN_FMA_MATH`: exact products.
const FMA_MATH: i32 = 3;
const DETERMINISTIC: i32 = 1;

/// Bytes that an algorithm may use.
const WORKSPACE: usize = 256 << 20;
/// Results that it may give; cuDNN knows fewer algorithms.
const RESULTS: usize = 16;

/// `cudnnConvolution…AlgoPerf_t`, the same for all three directions.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Found {
    algorithm: i32,
    status: i32,
    time: f32,
    memory: usize,
    determinism: i32,
    math: i32,
    reserved: [i32; 3],
}

library::api! {
    CUDNN;
    version c"cudnnGetVersion" () -> usize;
    error_string c"cudnnGetErrorString" (i32) -> *const c_char;
    create c"cudnnCreate" (*mut Thing) -> i32;
    create_tensor c"cudnnCreateTensorDescriptor" (*mut Thing) -> i32;
    set_tensor c"cudnnSetTensor4dDescriptor" (Thing, i32, i32, i32, i32, i32, i32) -> i32;
    create_filter c"cudnnCreateFilterDescriptor" (*mut Thing) -> i32;
    set_filter c"cudnnSetFilter4dDescriptor" (Thing, i32, i32, i32, i32, i32, i32) -> i32;
    create_conv c"cudnnCreateConvolutionDescriptor" (*mut Thing) -> i32;
    set_conv c"cudnnSetConvolution2dDescriptor" (Thing, i32, i32, i32, i32, i32, i32, i32, i32) -> i32;
    set_math c"cudnnSetConvolutionMathType" (Thing, i32) -> i32;
    guess_forward c"cudnnGetConvolutionForwardAlgorithm_v7"
        (Thing, Thing, Thing, Thing, Thing, i32, *mut i32, *mut Found) -> i32;
    guess_data c"cudnnGetConvolutionBackwardDataAlgorithm_v7"
        (Thing, Thing, Thing, Thing, Thing, i32, *mut i32, *mut Found) -> i32;
    guess_weight c"cudnnGetConvolutionBackwardFilterAlgorithm_v7"
        (Thing, Thing, Thing, Thing, Thing, i32, *mut i32, *mut Found) -> i32;
    forward c"cudnnConvolutionForward"
        (Thing, *const f32, Thing, Device, Thing, Device, Thing, i32, Device, usize, *const f32, Thing, Device) -> i32;
    data c"cudnnConvolutionBackwardData"
        (Thing, *const f32, Thing, Device, Thing, Device, Thing, i32, Device, usize, *const f32, Thing, Device) -> i32;
    weight c"cudnnConvolutionBackwardFilter"
        (Thing, *const f32, Thing, Device, Thing, Device, Thing, i32, Device, usize, *const f32, Thing, Device) -> i32;
}

/// What is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Way {
    /// The output, from input and weights.
    Forward,
    /// The gradient of the input, from weights and the output's gradient.
    Data,
    /// The gradient of the weights, from input and the output's gradient.
    Weight,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    way: Way,
    spec: ConvSpec,
    x: [usize; 4],
    precision: Precision,
}

/// How a shape is computed. Descriptors live as long as the process: shapes are few.
#[derive(Clone, Copy)]
struct Plan {
    /// Of the two things read and the one written, in the order of cuDNN's arguments.
    things: [Thing; 3],
    conv: Thing,
    algorithm: i32,
    workspace: usize,
}

/// One convolution to run.
pub(super) struct Job<'a> {
    /// What is computed.
    pub(super) way: Way,
    /// The convolution.
    pub(super) spec: &'a ConvSpec,
    /// Sizes of the input.
    pub(super) x: Dims,
    /// Sizes of the output.
    pub(super) y: Dims,
    /// What is read, in the order of [`Way`]'s description.
    pub(super) read: [Device; 2],
    /// What is written.
    pub(super) written: Device,
    /// Adds to what is there.
    pub(super) more: bool,
}

/// cuDNN with its plans.
pub(super) struct Dnn {
    api: Api,
    handle: Thing,
    plans: HashMap<Key, Option<Plan>>,
    workspace: Option<CudaSlice<u8>>,
}

impl Dnn {
    /// Opens the library on the context of this thread.
    pub(super) fn new() -> Result<Dnn, Problem> {
        let api = Api::load()?;
        let mut handle = std::ptr::null_mut();
        // SAFETY: a place for a handle.
        let code = unsafe { (api.create)(&raw mut handle) };
        if code != 0 {
            return Err(Problem::Cudnn { reason: words(&api, code) });
        }
        Ok(Dnn { api, handle, plans: HashMap::new(), workspace: None })
    }

    /// Version of the library.
    pub(super) fn version(&self) -> usize {
        // SAFETY: takes nothing.
        unsafe { (self.api.version)() }
    }

    /// Whether cuDNN has a way for `job`, its operands being of bf16 for [`Precision::Amp`] and of f32 for the others.
    pub(super) fn can(&mut self, job: &Job, precision: Precision) -> Result<bool> {
        Ok(self.known(job, precision)?.is_some())
    }

    fn known(&mut self, job: &Job, precision: Precision) -> Result<Option<Plan>> {
        let Dims { n, c, h, w } = job.x;
        let key = Key { way: job.way, spec: *job.spec, x: [n, c, h, w], precision };
        if let Some(plan) = self.plans.get(&key) {
            return Ok(*plan);
        }
        let plan = self.plan(job, precision)?;
        self.plans.insert(key, plan);
        Ok(plan)
    }

    /// Runs `job`; false where cuDNN has no way for it.
    ///
    /// # Safety
    /// The addresses must be good for what the sizes say, in the type that [`Dnn::can`] names.
    pub(super) unsafe fn run(&mut self, engine: &Engine, job: &Job, precision: Precision) -> Result<bool> {
        let Some(plan) = self.known(job, precision)? else { return Ok(false) };
        let (memory, _) = self.workspace(engine, plan.workspace)?;
        let (one, rest) = (1.0f32, if job.more { 1.0f32 } else { 0.0 });
        let call = match job.way {
            Way::Forward => self.api.forward,
            Way::Data => self.api.data,
            Way::Weight => self.api.weight,
        };
        let [a, b, c] = plan.things;
        // SAFETY: descriptors of these very sizes; the addresses are the caller's; the workspace is as large as said.
        let code = unsafe {
            call(
                self.handle,
                &raw const one,
                a,
                job.read[0],
                b,
                job.read[1],
                plan.conv,
                plan.algorithm,
                memory,
                plan.workspace,
                &raw const rest,
                c,
                job.written,
            )
        };
        self.check(code)?;
        Ok(true)
    }

    /// The workspace, made larger where it is too small.
    fn workspace(&mut self, engine: &Engine, bytes: usize) -> Result<(Device, usize)> {
        if self.workspace.as_ref().is_none_or(|memory| memory.len() < bytes) {
            self.workspace = None;
            self.workspace = (bytes > 0).then(|| engine.scratch(bytes)).transpose()?;
        }
        Ok(self.workspace.as_ref().map_or((0, 0), |memory| (*memory.device_ptr(), memory.len())))
    }

    /// The algorithm that cuDNN thinks the fastest, of those whose results do not change from run to run.
    fn plan(&self, job: &Job, precision: Precision) -> Result<Option<Plan>> {
        let spec = job.spec;
        let stored = if precision == Precision::Amp { BFLOAT16 } else { FLOAT };
        let (x, y) = (self.tensor(stored, job.x)?, self.tensor(stored, job.y)?);
        let (w, conv) = (self.filter(stored, spec)?, self.conv(spec, precision)?);
        let things = match job.way {
            Way::Forward => [x, w, y],
            Way::Data => [w, y, x],
            Way::Weight => [x, y, w],
        };
        let mut found = [Found::default(); RESULTS];
        let mut count = 0i32;
        let [a, b, c] = things;
        let ask = match job.way {
            Way::Forward => self.api.guess_forward,
            Way::Data => self.api.guess_data,
            Way::Weight => self.api.guess_weight,
        };
        // SAFETY: descriptors of these sizes and room for so many results.
        let code = unsafe { ask(self.handle, a, b, conv, c, RESULTS as i32, &raw mut count, found.as_mut_ptr()) };
        // CUDNN_STATUS_NOT_SUPPORTED and its kin
        if (3000..4000).contains(&code) || code == 9 {
            return Ok(None);
        }
        self.check(code)?;
        let usable = |f: &&Found| f.status == 0 && f.memory <= WORKSPACE && f.determinism == DETERMINISTIC;
        let Some(best) = found.iter().take(count.max(0) as usize).find(usable) else { return Ok(None) };
        if precision != Precision::Fp32 {
            // SAFETY: the convolution's own descriptor.
            self.check(unsafe { (self.api.set_math)(conv, best.math) })?;
        }
        Ok(Some(Plan { things, conv, algorithm: best.algorithm, workspace: best.memory }))
    }

    fn tensor(&self, stored: i32, dims: Dims) -> Result<Thing> {
        let mut thing = std::ptr::null_mut();
        let [n, c, h, w] = [int(dims.n)?, int(dims.c)?, int(dims.h)?, int(dims.w)?];
        // SAFETY: a place for a descriptor, and then that descriptor.
        unsafe {
            self.check((self.api.create_tensor)(&raw mut thing))?;
            self.check((self.api.set_tensor)(thing, NHWC, stored, n, c, h, w))?;
        }
        Ok(thing)
    }

    fn filter(&self, stored: i32, spec: &ConvSpec) -> Result<Thing> {
        let mut thing = std::ptr::null_mut();
        let (o, i) = (int(spec.out_channels)?, int(spec.in_channels)?);
        let [h, w] = [int(spec.kernel[0])?, int(spec.kernel[1])?];
        // SAFETY: as above.
        unsafe {
            self.check((self.api.create_filter)(&raw mut thing))?;
            self.check((self.api.set_filter)(thing, stored, NHWC, o, i, h, w))?;
        }
        Ok(thing)
    }

    fn conv(&self, spec: &ConvSpec, precision: Precision) -> Result<Thing> {
        let mut thing = std::ptr::null_mut();
        let pair = |p: [usize; 2]| -> Result<[i32; 2]> { Ok([int(p[0])?, int(p[1])?]) };
        let ([ph, pw], [sh, sw], [dh, dw]) = (pair(spec.padding)?, pair(spec.stride)?, pair(spec.dilation)?);
        let math = match precision {
            Precision::Fp32 => FMA_MATH,
            Precision::High => DEFAULT_MATH,
            Precision::Amp => TENSOR_OP_MATH,
        };
        // SAFETY: as above.
        unsafe {
            self.check((self.api.create_conv)(&raw mut thing))?;
            self.check((self.api.set_conv)(thing, ph, pw, sh, sw, dh, dw, CROSS_CORRELATION, FLOAT))?;
            self.check((self.api.set_math)(thing, math))?;
        }
        Ok(thing)
    }

    fn check(&self, code: i32) -> Result<()> {
        if code == 0 { Ok(()) } else { Err(out_of_words(format!("cuDNN: {}", words(&self.api, code)))) }
    }
}

/// cuDNN's own words for a code.
fn words(api: &Api, code: i32) -> String {
    // SAFETY: gives a text that lives for ever, for any code.
    let text = unsafe { (api.error_string)(code) };
    if text.is_null() {
        return format!("error {code}");
    }
    // SAFETY: as above.
    let text = unsafe { CStr::from_ptr(text) };
    format!("{} ({code})", text.to_string_lossy())
}
