//! The libraries of CUDA, opened at first use, so that the program starts on a machine that has none of them.
//!
//! cudarc links them at build time. Here the functions that it calls are defined as jumps through slots, which wins
//! over the linked libraries, so that the binary needs none of them; [`load`] fills the slots with what `dlopen`
//! finds. Until then a slot answers "no device".

use std::cell::Cell;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicPtr, Ordering};

use super::Problem;

/// A library: what it is, and the names that it may have, the newest first.
pub(super) struct Library {
    what: &'static str,
    names: &'static [&'static str],
    /// What to install or set where it is missing or too old.
    remedy: &'static str,
}

/// Comes with the driver.
pub(super) static DRIVER: Library = Library {
    what: "the NVIDIA driver",
    names: &["libcuda.so.1"],
    remedy: "Install NVIDIA's driver 580 or newer; `nvidia-smi` then lists the card. In a container, start it with the \
             cards (docker: --gpus all)",
};
const TOOLKIT: &str =
    "Install the CUDA toolkit 13, and set CUDA_PATH to its folder or put its lib64 into LD_LIBRARY_PATH";
static CUBLAS: Library =
    Library { what: "cuBLAS", names: &["libcublas.so.13", "libcublas.so.12", "libcublas.so"], remedy: TOOLKIT };
static NVRTC: Library = Library {
    what: "NVRTC, CUDA's compiler",
    names: &["libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so"],
    remedy: TOOLKIT,
};
/// Not part of the toolkit.
pub(super) static CUDNN: Library = Library {
    what: "cuDNN",
    names: &["libcudnn.so.9", "libcudnn.so"],
    remedy: "Install cuDNN 9 for CUDA 13 (it is not part of the toolkit), and put the folder of its libraries into \
             LD_LIBRARY_PATH",
};

/// Comes with the driver too.
pub(super) static NVML: Library = Library { what: "NVML", names: &["libnvidia-ml.so.1"], remedy: DRIVER.remedy };

unsafe extern "C" {
    fn dlopen(name: *const c_char, flags: c_int) -> *mut c_void;
    fn dlsym(library: *mut c_void, name: *const c_char) -> *mut c_void;
}

/// `RTLD_NOW`.
const NOW: c_int = 2;

/// An opened library; never closed.
#[derive(Clone, Copy)]
pub(super) struct Handle(*mut c_void);

impl Library {
    /// Opens it: by the linker's own search, then in `CUDA_PATH` and the usual place of the toolkit.
    pub(super) fn open(&self) -> Result<Handle, Problem> {
        let toolkit = std::env::var_os("CUDA_PATH").map(PathBuf::from);
        let roots = toolkit.into_iter().chain([PathBuf::from("/usr/local/cuda")]);
        let folders: Vec<PathBuf> = roots.flat_map(|root| [root.join("lib64"), root.join("lib")]).collect();
        let plain = self.names.iter().map(|name| PathBuf::from(*name));
        let placed = folders.iter().flat_map(|folder| self.names.iter().map(move |name| folder.join(name)));
        for path in plain.chain(placed) {
            let Ok(path) = CString::new(path.into_os_string().into_encoded_bytes()) else { continue };
            // SAFETY: a string that ends; a library's own initialisers are trusted as any linked library's are.
            let handle = unsafe { dlopen(path.as_ptr(), NOW) };
            if !handle.is_null() {
                return Ok(Handle(handle));
            }
        }
        Err(Problem::NoLibrary {
            what: self.what,
            name: self.names.first().copied().unwrap_or_default(),
            remedy: self.remedy,
        })
    }

    /// The address of `name` in `handle`.
    pub(super) fn symbol(&self, handle: Handle, name: &'static CStr) -> Result<*mut c_void, Problem> {
        // SAFETY: an open library and a string that ends.
        let address = unsafe { dlsym(handle.0, name.as_ptr()) };
        if address.is_null() {
            let name = name.to_str().unwrap_or_default();
            return Err(Problem::TooOld { what: self.what, name, remedy: self.remedy });
        }
        Ok(address)
    }
}

/// Defines `Api`, the functions of one library that a module calls, each with the type of the library's documentation.
macro_rules! api {
    ($library:ident; $($field:ident $symbol:literal ($($arg:ty),*) $(-> $result:ty)?;)*) => {
        struct Api { $($field: unsafe extern "C" fn($($arg),*) $(-> $result)?,)* }
        impl Api {
            fn load() -> Result<Api, $crate::nn::ops::cuda::Problem> {
                let library = &$crate::nn::ops::cuda::library::$library;
                let handle = library.open()?;
                Ok(Api { $($field: {
                    let address = library.symbol(handle, $symbol)?;
                    // SAFETY: the library's function of that name, with the type of its documentation.
                    unsafe { std::mem::transmute::<*mut c_void, unsafe extern "C" fn($($arg),*) $(-> $result)?>(address) }
                },)* })
            }
        }
    };
}
pub(super) use api;

/// `CUDA_ERROR_NO_DEVICE`: what a slot answers before [`load`].
extern "C" fn absent() -> c_int {
    100
}

/// cudarc unwraps this one, so it must succeed.
extern "C" fn absent_string(_: c_int, text: *mut *const c_char) -> c_int {
    // SAFETY: the caller gives a place for a pointer.
    unsafe { *text = c"CUDA is not loaded".as_ptr() };
    0
}

/// Defines each function as a jump through a slot of its own.
macro_rules! slots {
    ($($library:ident $absent:ident: $($name:ident)*;)*) => {
        $($(
            #[allow(non_snake_case)]
            mod $name {
                use super::{AtomicPtr, c_void};
                pub(super) static SLOT: AtomicPtr<c_void> = AtomicPtr::new(super::$absent as *mut c_void);
                #[cfg(target_arch = "x86_64")]
                std::arch::global_asm!(
                    ".pushsection .text",
                    concat!(".globl ", stringify!($name)),
                    concat!(".type ", stringify!($name), ",@function"),
                    concat!(stringify!($name), ":"),
                    "jmp qword ptr [rip + {slot}]",
                    ".popsection",
                    slot = sym SLOT,
                );
                #[cfg(target_arch = "aarch64")]
                std::arch::global_asm!(
                    ".pushsection .text",
                    concat!(".globl ", stringify!($name)),
                    concat!(".type ", stringify!($name), ",@function"),
                    concat!(stringify!($name), ":"),
                    "adrp x16, {slot}",
                    "ldr x16, [x16, :lo12:{slot}]",
                    "br x16",
                    ".popsection",
                    slot = sym SLOT,
                );
            }
        )*)*
        /// Every slot with its library and its function's name.
        static SLOTS: &[(&Library, &AtomicPtr<c_void>, &str)] =
            &[$($((&$library, &$name::SLOT, stringify!($name)),)*)*];
    };
}

slots! {
    DRIVER absent_string: cuGetErrorString cuGetErrorName;
    DRIVER absent:
        cuCtxGetCurrent cuCtxSetCurrent cuDeviceGet cuDeviceGetAttribute cuDeviceGetCount cuDevicePrimaryCtxRelease_v2
        cuDevicePrimaryCtxRetain cuDeviceTotalMem_v2 cuEventCreate cuEventDestroy_v2 cuEventElapsedTime cuEventRecord
        cuInit cuLaunchKernel cuMemAllocAsync cuMemAlloc_v2 cuMemFreeAsync cuMemFree_v2 cuMemGetInfo_v2
        cuMemcpyDtoDAsync_v2 cuMemcpyDtoD_v2 cuMemcpyDtoHAsync_v2 cuMemcpyDtoH_v2 cuMemcpyHtoDAsync_v2 cuMemcpyHtoD_v2
        cuMemsetD8Async cuMemsetD8_v2 cuModuleGetFunction cuModuleLoad cuModuleLoadData cuModuleUnload cuStreamCreate
        cuStreamDestroy_v2 cuStreamSynchronize cuStreamWaitEvent;
    CUBLAS absent: cublasCreate_v2 cublasDestroy_v2 cublasSetStream_v2 cublasSgemmStridedBatched cublasSgemm_v2;
    NVRTC absent:
        nvrtcCompileProgram nvrtcCreateProgram nvrtcDestroyProgram nvrtcGetPTX nvrtcGetPTXSize nvrtcGetProgramLog
        nvrtcGetProgramLogSize nvrtcVersion;
}

/// Fills the slots of the driver.
pub(super) fn load_driver() -> Result<(), Problem> {
    static DONE: OnceLock<Result<(), Problem>> = OnceLock::new();
    DONE.get_or_init(|| fill(&DRIVER)).clone()
}

/// Fills all other slots.
pub(super) fn load_toolkit() -> Result<(), Problem> {
    static DONE: OnceLock<Result<(), Problem>> = OnceLock::new();
    DONE.get_or_init(|| fill(&CUBLAS).and_then(|()| fill(&NVRTC))).clone()
}

/// The libraries that are not there or too old, all of them.
pub(super) fn missing() -> Vec<Problem> {
    let cudnn = CUDNN.open().map(drop);
    [fill(&DRIVER), fill(&CUBLAS), fill(&NVRTC), cudnn].into_iter().filter_map(Result::err).collect()
}

fn fill(library: &'static Library) -> Result<(), Problem> {
    let handle = library.open()?;
    for (_, slot, name) in SLOTS.iter().filter(|(of, ..)| std::ptr::eq(*of, library)) {
        let text = CString::new(*name).unwrap_or_default();
        // SAFETY: an open library and a string that ends.
        let address = unsafe { dlsym(handle.0, text.as_ptr()) };
        if address.is_null() {
            return Err(Problem::TooOld { what: library.what, name, remedy: library.remedy });
        }
        let address = match *name {
            "cuMemsetD8Async" => keep(&MEMSET_ASYNC, address, memset_async as *mut c_void),
            "cuMemsetD8_v2" => keep(&MEMSET, address, memset as *mut c_void),
            _ => address,
        };
        slot.store(address, Ordering::Release);
    }
    Ok(())
}

fn keep(real: &AtomicPtr<c_void>, address: *mut c_void, ours: *mut c_void) -> *mut c_void {
    real.store(address, Ordering::Release);
    ours
}

// dfdx gives out no tensor that was not filled with zeros first, which would cost every map a pass over memory: within
// `without_zeros` that filling is left out.
static MEMSET: AtomicPtr<c_void> = AtomicPtr::new(std::ptr::null_mut());
static MEMSET_ASYNC: AtomicPtr<c_void> = AtomicPtr::new(std::ptr::null_mut());
thread_local! {
    static SKIP: Cell<bool> = const { Cell::new(false) };
}

extern "C" fn memset(at: u64, value: u8, count: usize) -> c_int {
    if SKIP.get() {
        return 0;
    }
    // SAFETY: the driver's own function, stored before this one could be reached.
    let real: extern "C" fn(u64, u8, usize) -> c_int = unsafe { std::mem::transmute(MEMSET.load(Ordering::Acquire)) };
    real(at, value, count)
}

extern "C" fn memset_async(at: u64, value: u8, count: usize, stream: *mut c_void) -> c_int {
    if SKIP.get() {
        return 0;
    }
    // SAFETY: as above.
    let real: extern "C" fn(u64, u8, usize, *mut c_void) -> c_int =
        unsafe { std::mem::transmute(MEMSET_ASYNC.load(Ordering::Acquire)) };
    real(at, value, count, stream)
}

/// Runs `allocate` on this thread with fresh memory left as it is.
pub(super) fn without_zeros<R>(allocate: impl FnOnce() -> R) -> R {
    struct Restore;
    impl Drop for Restore {
        fn drop(&mut self) {
            SKIP.set(false);
        }
    }
    SKIP.set(true);
    let _restore = Restore;
    allocate()
}
