//! The card of this process: its context, its compiled kernels, and the way from a dfdx tensor to its memory.
//!
//! dfdx keeps its own handle private, so this is a second one on the same context; all work goes to the default stream,
//! in the order in which it was asked for.

use std::ffi::c_void;
use std::fmt::Write;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use cudarc::driver::result::{self, DriverError};
use cudarc::driver::sys::{self, CUdevice_attribute as Attribute, CUresult};
use cudarc::driver::{CudaDevice, CudaSlice, DeviceSlice};
use dfdx::prelude::{Cuda, CudaError, HasShape, ZerosTensor};

use crate::nn::map::Flat;
use crate::nn::ops::Precision;

use super::cudnn::Dnn;
pub(super) use super::kernels::Kernel;
use super::kernels::compile;
use super::{Problem, library, nvml, out_of_words};

type Result<T, E = CudaError> = std::result::Result<T, E>;

/// Threads of a block; `kernels/common.cu` has the same number.
pub(super) const THREADS: u32 = 256;

/// Something that a kernel takes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arg(u64);

impl From<u64> for Arg {
    fn from(address: u64) -> Self {
        Arg(address)
    }
}
impl From<u32> for Arg {
    fn from(value: u32) -> Self {
        Arg(u64::from(value))
    }
}
impl From<i32> for Arg {
    fn from(value: i32) -> Self {
        Arg(u64::from(value.cast_unsigned()))
    }
}
impl From<f32> for Arg {
    fn from(value: f32) -> Self {
        Arg(u64::from(value.to_bits()))
    }
}

/// What the card is.
#[derive(Clone, Debug)]
pub struct Card {
    /// Its number.
    pub ordinal: usize,
    /// Its maker's name for it.
    pub name: String,
    /// Compute capability: major, minor.
    pub capability: [i32; 2],
    /// Bytes of its memory.
    pub memory: usize,
    /// Version of the driver: 13000 is 13.0.
    pub driver: i32,
    /// Version of cuDNN: 91900 is 9.19.
    pub cudnn: usize,
}

/// The card of this process.
pub(super) struct Engine {
    pub(super) card: Card,
    device: Arc<CudaDevice>,
    functions: Vec<sys::CUfunction>,
    /// Of the kernels for maps of bf16, which are compiled when they are first wanted.
    half: OnceLock<Result<Vec<sys::CUfunction>, String>>,
    /// Multiprocessors.
    pub(super) processors: usize,
    /// A [`Precision`]'s place among all.
    precision: AtomicU8,
    pub(super) dnn: Mutex<Dnn>,
    pub(super) pool: Pool,
    /// Bytes in use on the card before this process came, where NVML tells.
    pub(super) used_before: Option<u64>,
}

// SAFETY: functions of a module that is never unloaded, which the driver lets any thread launch; cuDNN's handle is behind
// a lock; the pool's is only asked.
unsafe impl Send for Engine {}
// SAFETY: as above.
unsafe impl Sync for Engine {}

static ENGINE: OnceLock<Engine> = OnceLock::new();
static OPENING: Mutex<()> = Mutex::new(());

/// The error of a driver's code.
pub(super) fn driver(code: CUresult) -> CudaError {
    CudaError::Driver(DriverError(code))
}

/// The engine, which [`open`] has set up: a tensor on a card exists only after that.
pub(super) fn engine() -> Result<&'static Engine> {
    ENGINE.get().ok_or_else(|| driver(CUresult::CUDA_ERROR_NOT_INITIALIZED))
}

/// Sets up card `ordinal` once, and makes its context this thread's.
pub(super) fn open(ordinal: usize) -> Result<&'static Engine, Problem> {
    let _one_at_a_time = OPENING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if ENGINE.get().is_none() {
        let engine = Engine::new(ordinal)?;
        let _ = ENGINE.set(engine);
    }
    let engine = ENGINE.get().ok_or(Problem::Driver { call: "open", code: -1 })?;
    if engine.card.ordinal != ordinal {
        return Err(Problem::OtherCard { open: engine.card.ordinal, asked: ordinal });
    }
    engine.device.bind_to_thread().map_err(|e| failed("cuCtxSetCurrent", e))?;
    Ok(engine)
}

pub(super) fn failed(call: &'static str, error: DriverError) -> Problem {
    Problem::Driver { call, code: error.0 as i32 }
}

/// A function of the driver that cudarc does not have.
macro_rules! extra {
    ($handle:expr, $name:literal, $type:ty) => {{
        let address = library::DRIVER.symbol($handle, $name)?;
        // SAFETY: the driver's function of that name, with the type of its documentation.
        unsafe { std::mem::transmute::<*mut c_void, $type>(address) }
    }};
}

impl Engine {
    fn new(ordinal: usize) -> Result<Engine, Problem> {
        library::load_driver()?;
        result::init().map_err(|e| match e.0 {
            CUresult::CUDA_ERROR_NO_DEVICE => Problem::NoCard { asked: ordinal, count: 0 },
            _ => failed("cuInit", e),
        })?;
        let count = result::device::get_count().map_err(|e| failed("cuDeviceGetCount", e))?;
        if i32::try_from(ordinal).is_ok_and(|n| n >= count) {
            return Err(Problem::NoCard { asked: ordinal, count: count.unsigned_abs() as usize });
        }
        library::load_toolkit()?;
        let handle = library::DRIVER.open()?;
        let (driver, toolkit) = (driver_version(handle)?, toolkit_version());
        // of a newer minor version only some kernels are refused, and the driver says so itself
        if driver / 1000 < toolkit / 1000 {
            return Err(Problem::OldDriver { driver, toolkit });
        }
        let used_before = nvml::card(ordinal).map(|card| card.memory_used);
        let device = CudaDevice::new(ordinal).map_err(|e| failed("cuDevicePrimaryCtxRetain", e))?;
        let attribute = |which: Attribute| device.attribute(which).map_err(|e| failed("cuDeviceGetAttribute", e));
        let capability = [
            attribute(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)?,
            attribute(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)?,
        ];
        let processors = attribute(Attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)?.max(1) as usize;
        let (_, memory) = result::mem_get_info().map_err(|e| failed("cuMemGetInfo", e))?;
        let pool = Pool::keeping(handle, ordinal)?;
        let functions = compile(capability, false)?;
        let dnn = Dnn::new()?;
        let card = Card { ordinal, name: name(handle, ordinal)?, capability, memory, driver, cudnn: dnn.version() };
        let (half, precision, dnn) = (OnceLock::new(), AtomicU8::new(Precision::High as u8), Mutex::new(dnn));
        Ok(Engine { card, device, functions, half, processors, precision, dnn, pool, used_before })
    }

    /// Makes its context this thread's.
    pub(super) fn bind(&self) -> Result<()> {
        Ok(self.device.bind_to_thread()?)
    }

    /// Bytes of memory that are free, and all.
    pub(super) fn memory(&self) -> Result<(usize, usize)> {
        self.device.bind_to_thread()?;
        Ok(result::mem_get_info()?)
    }

    /// Starts `kernel` on `grid` blocks of `threads`.
    ///
    /// # Safety
    /// `args` must be what the kernel takes, in its order, addresses good for what it reads and writes.
    pub(super) unsafe fn launch(&self, kernel: Kernel, grid: [u32; 3], threads: u32, args: &[Arg]) -> Result<()> {
        let mut values: Vec<u64> = args.iter().map(|arg| arg.0).collect();
        let function = self.functions()?[kernel as usize];
        let mut places: Vec<*mut c_void> = values.iter_mut().map(|value| std::ptr::from_mut(value).cast()).collect();
        // SAFETY: a function of this context; a value's low bytes are its first; the rest is the caller's.
        unsafe {
            result::launch_kernel(
                function,
                (grid[0], grid[1], grid[2]),
                (threads, 1, 1),
                0,
                std::ptr::null_mut(),
                &mut places,
            )?;
        }
        Ok(())
    }

    /// Starts `kernel` with a thread for each of `count` values; its first argument is that count.
    ///
    /// # Safety
    /// As [`Engine::launch`].
    pub(super) unsafe fn each(&self, kernel: Kernel, count: usize, args: &[Arg]) -> Result<()> {
        let count = word(count)?;
        let all: Vec<Arg> = std::iter::once(Arg::from(count)).chain(args.iter().copied()).collect();
        // SAFETY: the caller's.
        unsafe { self.launch(kernel, [count.div_ceil(THREADS), 1, 1], THREADS, &all) }
    }

    /// Starts `kernel`, the second step of a sum, on `count` columns.
    ///
    /// # Safety
    /// As [`Engine::each`].
    pub(super) unsafe fn finish(&self, kernel: Kernel, count: usize, args: &[Arg]) -> Result<()> {
        /// Columns that a block takes.
        const COLUMNS: u32 = 8;
        let count = word(count)?;
        let all: Vec<Arg> = std::iter::once(Arg::from(count)).chain(args.iter().copied()).collect();
        // SAFETY: the caller's.
        unsafe { self.launch(kernel, [count.div_ceil(COLUMNS), 1, 1], THREADS, &all) }
    }

    /// Memory of unknown content that is no tensor's.
    pub(super) fn scratch<T: cudarc::driver::DeviceRepr>(&self, count: usize) -> Result<CudaSlice<T>> {
        // SAFETY: plain numbers; whoever asks writes before it reads.
        Ok(unsafe { self.device.alloc(count) }?)
    }

    /// Copies numbers onto the card.
    pub(super) fn upload<T: cudarc::driver::DeviceRepr>(&self, values: &[T]) -> Result<CudaSlice<T>> {
        Ok(self.device.htod_sync_copy(values)?)
    }

    /// Copies the values at `slice` back.
    pub(super) fn download<T: Copy + Default + cudarc::driver::DeviceRepr>(
        &self,
        slice: &CudaSlice<T>,
    ) -> Result<Vec<T>> {
        let mut values = vec![T::default(); slice.len()];
        self.device.dtoh_sync_copy_into(slice, &mut values)?;
        Ok(values)
    }

    /// The values of a tensor.
    pub(super) fn values(&self, tensor: &Flat<Cuda>) -> Result<Vec<f32>> {
        let mut values = vec![0.0; tensor.shape().0];
        let from = address(tensor)?;
        self.device.bind_to_thread()?;
        // SAFETY: the tensor has so many values at its address; the wait ends before the borrow does.
        unsafe { result::memcpy_dtoh_async(&mut values, from, std::ptr::null_mut())? };
        self.device.synchronize()?;
        Ok(values)
    }

    /// Copies a tensor's values to another of its length.
    pub(super) fn copy(&self, from: &Flat<Cuda>, to: &Flat<Cuda>) -> Result<()> {
        let bytes = from.shape().0.min(to.shape().0) * size_of::<f32>();
        let (from, to) = (address(from)?, address(to)?);
        // SAFETY: both have so many bytes; the card works in order.
        Ok(unsafe { result::memcpy_dtod_async(to, from, bytes, std::ptr::null_mut()) }?)
    }

    /// The kernels for maps as they are stored now.
    fn functions(&self) -> Result<&[sys::CUfunction]> {
        if !self.has_half_maps() {
            return Ok(&self.functions);
        }
        let compiled = self.half.get_or_init(|| compile(self.card.capability, true).map_err(|e| e.to_string()));
        compiled.as_deref().map_err(|reason| out_of_words(reason.clone()))
    }

    /// Computes with `precision` from now on; a card from before bf16 takes amp as high.
    pub(super) fn set_precision(&self, precision: Precision) {
        let has_bf16 = self.card.capability[0] >= 8;
        let precision = if precision == Precision::Amp && !has_bf16 { Precision::High } else { precision };
        self.precision.store(precision as u8, Ordering::Relaxed);
    }

    /// How convolutions multiply.
    pub(super) fn precision(&self) -> Precision {
        Precision::ALL[usize::from(self.precision.load(Ordering::Relaxed)) % Precision::ALL.len()]
    }

    /// Whether maps are stored as bf16; else as f32.
    pub(super) fn has_half_maps(&self) -> bool {
        self.precision() == Precision::Amp
    }
}

/// Values of f32 whose memory a map of `count` values takes.
pub(super) fn stored(count: usize) -> Result<usize> {
    Ok(if engine()?.has_half_maps() { count.div_ceil(2) } else { count })
}

/// A map of `count` values that are still to be written.
pub(super) fn empty_map(device: &Cuda, count: usize) -> Result<Flat<Cuda>> {
    empty(device, stored(count)?)
}

/// Values that the memory of `map` holds: those of the map, and one more where their count is odd and they are of bf16.
pub(super) fn held(map: &Flat<Cuda>) -> Result<usize> {
    let length = map.shape().0;
    Ok(if engine()?.has_half_maps() { 2 * length } else { length })
}

/// A count that a kernel's indices hold.
pub(super) fn word(count: usize) -> Result<u32> {
    u32::try_from(count).ok().filter(|&n| n <= 1 << 31).ok_or_else(|| driver(CUresult::CUDA_ERROR_INVALID_VALUE))
}

/// A count as the kernels' sizes have it.
pub(super) fn int(count: usize) -> Result<i32> {
    i32::try_from(count).map_err(|_| driver(CUresult::CUDA_ERROR_INVALID_VALUE))
}

/// A tensor of `count` values that are still to be written.
pub(super) fn empty(device: &Cuda, count: usize) -> Result<Flat<Cuda>> {
    library::without_zeros(|| device.try_zeros_like(&(count,)))
}

/// The address of a tensor's values. dfdx shows it only in its `Debug`; what comes after it is not even formatted.
pub(super) fn address(tensor: &Flat<Cuda>) -> Result<u64> {
    const FIELD: &str = "cu_device_ptr: ";
    #[derive(Default)]
    struct Reader {
        text: String,
        address: Option<u64>,
    }
    impl Write for Reader {
        fn write_str(&mut self, part: &str) -> std::fmt::Result {
            self.text.push_str(part);
            if let Some(at) = self.text.find(FIELD) {
                let digits = &self.text[at + FIELD.len()..];
                if let Some(end) = digits.find(|c: char| !c.is_ascii_digit()) {
                    self.address = digits[..end].parse().ok();
                    return Err(std::fmt::Error);
                }
            }
            Ok(())
        }
    }
    let mut reader = Reader::default();
    let _ = write!(reader, "{tensor:?}");
    reader.address.ok_or_else(|| driver(CUresult::CUDA_ERROR_INVALID_HANDLE))
}

/// The driver's store of freed memory, from which every tensor comes.
pub(super) struct Pool {
    pool: *mut c_void,
    get: extern "C" fn(*mut c_void, i32, *mut c_void) -> i32,
}

impl Pool {
    /// The card's own, told to keep freed memory for the next step instead of giving it back at every wait.
    fn keeping(handle: library::Handle, ordinal: usize) -> Result<Pool, Problem> {
        /// `CU_MEMPOOL_ATTR_RELEASE_THRESHOLD`.
        const RELEASE_THRESHOLD: i32 = 4;
        let default_pool = extra!(handle, c"cuDeviceGetDefaultMemPool", extern "C" fn(*mut *mut c_void, i32) -> i32);
        let set = extra!(handle, c"cuMemPoolSetAttribute", extern "C" fn(*mut c_void, i32, *mut c_void) -> i32);
        let get = extra!(handle, c"cuMemPoolGetAttribute", extern "C" fn(*mut c_void, i32, *mut c_void) -> i32);
        let device = result::device::get(ordinal as i32).map_err(|e| failed("cuDeviceGet", e))?;
        let mut pool = std::ptr::null_mut();
        let code = default_pool(&raw mut pool, device);
        if code != 0 {
            return Err(Problem::Driver { call: "cuDeviceGetDefaultMemPool", code });
        }
        let mut threshold = u64::MAX;
        match set(pool, RELEASE_THRESHOLD, (&raw mut threshold).cast()) {
            0 => Ok(Pool { pool, get }),
            code => Err(Problem::Driver { call: "cuMemPoolSetAttribute", code }),
        }
    }

    /// Most bytes that were in use at once.
    pub(super) fn most_used(&self) -> Option<u64> {
        /// `CU_MEMPOOL_ATTR_USED_MEM_HIGH`.
        const USED_HIGH: i32 = 8;
        let mut bytes = 0u64;
        ((self.get)(self.pool, USED_HIGH, (&raw mut bytes).cast()) == 0).then_some(bytes)
    }
}

fn name(handle: library::Handle, ordinal: usize) -> Result<String, Problem> {
    let get = extra!(handle, c"cuDeviceGetName", extern "C" fn(*mut std::ffi::c_char, i32, i32) -> i32);
    let device = result::device::get(ordinal as i32).map_err(|e| failed("cuDeviceGet", e))?;
    let mut text = [0u8; 128];
    match get(text.as_mut_ptr().cast(), text.len() as i32 - 1, device) {
        0 => Ok(String::from_utf8_lossy(text.split(|b| *b == 0).next().unwrap_or_default()).into_owned()),
        code => Err(Problem::Driver { call: "cuDeviceGetName", code }),
    }
}

fn driver_version(handle: library::Handle) -> Result<i32, Problem> {
    let get = extra!(handle, c"cuDriverGetVersion", extern "C" fn(*mut i32) -> i32);
    let mut version = 0;
    match get(&raw mut version) {
        0 => Ok(version),
        code => Err(Problem::Driver { call: "cuDriverGetVersion", code }),
    }
}

/// The version of NVRTC, as the driver counts: 13000 is 13.0.
fn toolkit_version() -> i32 {
    let (mut major, mut minor) = (0, 0);
    // SAFETY: two places for numbers; the slot is filled.
    let code = unsafe { cudarc::nvrtc::sys::nvrtcVersion(&raw mut major, &raw mut minor) };
    if code as i32 == 0 { major * 1000 + minor * 10 } else { 0 }
}
