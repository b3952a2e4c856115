//! NVML, the library behind nvidia-smi: what a card is doing and who holds its memory, asked without a context on it.
//!
//! A context costs half a gigabyte of the card and most of a second, so whoever only looks asks here. NVML counts all cards
//! there are; which of them a program sees, and in which order, `CUDA_VISIBLE_DEVICES` says.

use std::ffi::{CStr, CString, c_char, c_void};
use std::sync::OnceLock;

use super::super::device::{CardUse, Holder};
use super::library;

type Device = *mut c_void;

/// `nvmlMemory_v2_t`, of which the driver's own part is told apart from what is used.
#[repr(C)]
#[derive(Default)]
struct Memory {
    version: u32,
    total: u64,
    reserved: u64,
    free: u64,
    used: u64,
}
/// Its size, and that it is the second version.
const MEMORY_VERSION: u32 = size_of::<Memory>() as u32 | 2 << 24;

#[repr(C)]
#[derive(Default)]
struct Rates {
    gpu: u32,
    memory: u32,
}

/// `nvmlProcessInfo_t`, as the third version of the call fills it.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Process {
    pid: u32,
    memory: u64,
    instances: [u32; 2],
}
/// The memory of a process that NVML may not see, in a container for one.
const UNKNOWN: u64 = u64::MAX;
/// Processes listed at most.
const PROCESSES: usize = 64;

library::api! {
    NVML;
    init c"nvmlInit_v2" () -> i32;
    count c"nvmlDeviceGetCount_v2" (*mut u32) -> i32;
    by_index c"nvmlDeviceGetHandleByIndex_v2" (u32, *mut Device) -> i32;
    by_uuid c"nvmlDeviceGetHandleByUUID" (*const c_char, *mut Device) -> i32;
    name c"nvmlDeviceGetName" (Device, *mut c_char, u32) -> i32;
    rates c"nvmlDeviceGetUtilizationRates" (Device, *mut Rates) -> i32;
    memory c"nvmlDeviceGetMemoryInfo_v2" (Device, *mut Memory) -> i32;
    processes c"nvmlDeviceGetComputeRunningProcesses_v3" (Device, *mut u32, *mut Process) -> i32;
}

/// The library, opened once; none without a driver, or with one too old to have these calls.
fn nvml() -> Option<&'static Api> {
    static NVML: OnceLock<Option<Api>> = OnceLock::new();
    NVML.get_or_init(|| {
        let api = Api::load().ok()?;
        // SAFETY: takes nothing.
        (unsafe { (api.init)() } == 0).then_some(api)
    })
    .as_ref()
}

/// Where the card that CUDA calls `ordinal` is found.
#[derive(Debug, PartialEq, Eq)]
enum Place {
    Index(u32),
    Uuid(String),
}

/// The place of card `ordinal`, where `visible` is `CUDA_VISIBLE_DEVICES`. CUDA ends its list at the first card that is none.
fn place(ordinal: usize, visible: Option<&str>) -> Option<Place> {
    let Some(visible) = visible else { return u32::try_from(ordinal).ok().map(Place::Index) };
    let mut cards = visible.split(',').map(str::trim).map_while(|card| match card.parse() {
        Ok(index) => Some(Place::Index(index)),
        Err(_) if card.starts_with("GPU-") || card.starts_with("MIG-") => Some(Place::Uuid(card.to_owned())),
        Err(_) => None,
    });
    cards.nth(ordinal)
}

impl Api {
    fn card(&self, ordinal: usize) -> Option<Device> {
        let visible = std::env::var("CUDA_VISIBLE_DEVICES").ok();
        let mut device = std::ptr::null_mut();
        let code = match place(ordinal, visible.as_deref())? {
            Place::Index(index) => {
                let mut count = 0;
                // SAFETY: a place for a number.
                let counted = unsafe { (self.count)(&raw mut count) } == 0;
                if !counted || index >= count {
                    return None;
                }
                // SAFETY: the number of a card, and a place for its handle.
                unsafe { (self.by_index)(index, &raw mut device) }
            }
            Place::Uuid(uuid) => {
                let uuid = CString::new(uuid).ok()?;
                // SAFETY: a text that ends, and a place for a handle.
                unsafe { (self.by_uuid)(uuid.as_ptr(), &raw mut device) }
            }
        };
        (code == 0).then_some(device)
    }

    fn name(&self, device: Device) -> Option<String> {
        let mut text: [c_char; 96] = [0; 96];
        // SAFETY: a card's handle, and room for so many bytes.
        let code = unsafe { (self.name)(device, text.as_mut_ptr(), text.len() as u32 - 1) };
        // SAFETY: filled with zeros before, and its last byte was not given away.
        (code == 0).then(|| unsafe { CStr::from_ptr(text.as_ptr()) }.to_string_lossy().into_owned())
    }

    fn holders(&self, device: Device) -> Vec<Holder> {
        let mut found = [Process::default(); PROCESSES];
        let mut count = PROCESSES as u32;
        // SAFETY: a card's handle, and room for so many processes.
        if unsafe { (self.processes)(device, &raw mut count, found.as_mut_ptr()) } != 0 {
            return Vec::new();
        }
        let of = |p: &Process| Holder {
            pid: p.pid,
            name: std::fs::read_to_string(format!("/proc/{}/comm", p.pid)).ok().map(|name| name.trim().to_owned()),
            memory: (p.memory != UNKNOWN).then_some(p.memory),
        };
        found.iter().take(count as usize).map(of).collect()
    }
}

/// What card `ordinal` is doing.
pub(in crate::nn::ops) fn card(ordinal: usize) -> Option<CardUse> {
    let nvml = nvml()?;
    let device = nvml.card(ordinal)?;
    let mut memory = Memory { version: MEMORY_VERSION, ..Memory::default() };
    // SAFETY: a card's handle, and a place of the kind that its version says.
    if unsafe { (nvml.memory)(device, &raw mut memory) } != 0 {
        return None;
    }
    let mut rates = Rates::default();
    // SAFETY: a card's handle, and a place for two numbers.
    let known = unsafe { (nvml.rates)(device, &raw mut rates) } == 0;
    Some(CardUse {
        name: nvml.name(device)?,
        utilisation: known.then_some(rates.gpu),
        memory_used: memory.used,
        memory_total: memory.total,
    })
}

/// The processes with memory on card `ordinal`, this one included, as far as they can be seen from here.
pub(in crate::nn::ops) fn holders(ordinal: usize) -> Vec<Holder> {
    let found = nvml().and_then(|nvml| Some(nvml.holders(nvml.card(ordinal)?)));
    found.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cards_are_found_where_cuda_finds_them() {
        assert_eq!(place(1, None), Some(Place::Index(1)));
        assert_eq!(place(0, Some("3, 1")), Some(Place::Index(3)));
        assert_eq!(place(1, Some("3,1")), Some(Place::Index(1)));
        assert_eq!(place(0, Some("GPU-8a, 1")), Some(Place::Uuid("GPU-8a".into())));
        assert_eq!(place(1, Some("0,-1,2")), None);
        assert_eq!(place(0, Some("")), None);
    }
}
