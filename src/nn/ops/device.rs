//! The devices that this program can compute on, by their names: `cpu`, `cuda:N`, and `auto` for a card where one works.

use dfdx::prelude::Cpu;

use super::Precision;

/// A device, of whichever type it is; [`on_device`] runs generic code on it.
pub enum AnyDevice {
    /// The processor.
    Cpu(Cpu),
    /// A card.
    #[cfg(feature = "cuda")]
    Cuda(dfdx::prelude::Cuda),
}

/// Runs `$body` with `$name` as the device that `$device` is, once for each type.
macro_rules! on_device {
    ($device:expr, $name:ident => $body:expr) => {
        match $device {
            $crate::nn::ops::device::AnyDevice::Cpu($name) => $body,
            #[cfg(feature = "cuda")]
            $crate::nn::ops::device::AnyDevice::Cuda($name) => $body,
        }
    };
}
pub(crate) use on_device;

/// What a card is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CardUse {
    /// Its maker's name for it.
    pub name: String,
    /// Share of the last moments in which it computed, in percent; none where a card does not tell.
    pub utilisation: Option<u32>,
    /// Bytes of its memory that programs hold.
    pub memory_used: u64,
    /// All its bytes.
    pub memory_total: u64,
}

/// A process with memory on a card.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Holder {
    /// Its number; where this program runs in a container, perhaps the host's.
    pub pid: u32,
    /// The program's name, where it can be seen.
    pub name: Option<String>,
    /// Bytes, where they are told.
    pub memory: Option<u64>,
}

/// What the card that `auto` would take is doing; none without a card, or in a program built for the CPU only.
pub fn card() -> Option<CardUse> {
    card_at(0)
}

/// What card `ordinal` is doing. It opens nothing on the card, and takes microseconds after the first call.
pub fn card_at(ordinal: usize) -> Option<CardUse> {
    #[cfg(feature = "cuda")]
    return super::cuda::nvml::card(ordinal);
    #[cfg(not(feature = "cuda"))]
    {
        let _ = ordinal;
        None
    }
}

/// Where a run for the device of that name could compute: every card there is for `auto`, or the processor where there
/// is none. It opens nothing.
pub fn places(name: &str) -> Vec<String> {
    let number = |name: &str| name.strip_prefix("cuda:").and_then(|n| n.parse::<usize>().ok());
    match name {
        "auto" => match (0..).map_while(|n| card_at(n).map(|_| format!("cuda:{n}"))).collect::<Vec<_>>() {
            none if none.is_empty() => vec!["cpu".to_owned()],
            cards => cards,
        },
        "cuda" => vec!["cuda:0".to_owned()],
        _ => vec![number(name).map_or_else(|| name.to_owned(), |n| format!("cuda:{n}"))],
    }
}

/// Most bytes that tensors of this process have held on its card at once; none where it has none open.
pub fn most_used() -> Option<u64> {
    #[cfg(feature = "cuda")]
    return super::cuda::peak();
    #[cfg(not(feature = "cuda"))]
    None
}

/// Whether a card is open in this process, so that [`distances`] finds one.
pub fn has_card() -> bool {
    #[cfg(feature = "cuda")]
    return super::cuda::card().is_some();
    #[cfg(not(feature = "cuda"))]
    false
}

/// Euclidean distances of each query to each row on the card that is open, query by query; `queries` and `rows` hold `width`
/// values each. None without a card, or where it cannot.
pub fn distances(queries: &[f32], rows: &[f32], width: usize) -> Option<Vec<f64>> {
    #[cfg(feature = "cuda")]
    return super::cuda::retrieval::distances(queries, rows, width);
    #[cfg(not(feature = "cuda"))]
    {
        let _ = (queries, rows, width);
        None
    }
}

/// As [`distances`], on the calling thread.
pub fn distances_on_cpu(queries: &[f32], rows: &[f32], width: usize) -> Vec<f64> {
    let mut found = vec![0.0; queries.len() / width.max(1) * (rows.len() / width.max(1))];
    super::cpu::distances(queries, rows, width, &mut found);
    found
}

/// The distance of two embeddings of equal width, to the byte as [`distances`] has it; symmetric, 0 for equal ones.
pub fn distance_on_cpu(a: &[f32], b: &[f32]) -> f64 {
    super::cpu::distance(a, b)
}

/// Bytes of a record of [`scan`] before its codes.
pub const SCAN_FACTOR: usize = super::cpu::SCAN_FACTOR;
/// A row of [`scan`] is a multiple of so many numbers.
pub const SCAN_STEP: usize = super::cpu::SCAN_STEP;

/// Of each of `records`, on the calling thread, its factor times the sum of its codes times `query`, less `shift`, into `out`: a
/// record is a factor (f32, little-endian) and four bits for each number of `query`, which are from -127 to 127; the first half of a row
/// has the low four.
pub fn scan(records: &[u8], query: &[i8], shift: f32, out: &mut [f32]) {
    super::cpu::scan(records, query, shift, out);
}

/// As [`distances`], in tiles of so many rows, with the card's own error.
pub fn distances_in_tiles(
    queries: &[f32],
    rows: &[f32],
    width: usize,
    tile: usize,
) -> Option<Result<Vec<f64>, crate::nn::error::NnError>> {
    #[cfg(feature = "cuda")]
    return super::cuda::retrieval::in_tiles(queries, rows, width, tile)
        .map(|found| found.map_err(|e| crate::nn::error::NnError::device("distances", e)));
    #[cfg(not(feature = "cuda"))]
    {
        let _ = (queries, rows, width, tile);
        None
    }
}

/// The processes with memory on card `ordinal`, this one included, as far as they can be seen from here.
pub fn holders(ordinal: usize) -> Vec<Holder> {
    #[cfg(feature = "cuda")]
    return super::cuda::nvml::holders(ordinal);
    #[cfg(not(feature = "cuda"))]
    {
        let _ = ordinal;
        Vec::new()
    }
}

/// Why a device cannot be used, and the way out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeviceError {
    /// No device has such a name.
    #[error("it must be auto, cpu, or cuda:N with the number of a card")]
    Unknown,
    /// This program has no code for cards.
    #[error(
        "this program was built for the CPU only. On a machine with the CUDA toolkit, build one for cards with \
         `cargo build --release --features cuda`; or leave --device out"
    )]
    NotBuilt,
    /// The card cannot be used.
    #[cfg(feature = "cuda")]
    #[error(transparent)]
    Cuda(#[from] super::cuda::Problem),
}

impl AnyDevice {
    /// Says how exactly to compute from now on; what was made before is of no use on a card.
    pub fn set_precision(&self, precision: Precision) {
        match self {
            AnyDevice::Cpu(_) => super::cpu::set_precision(precision),
            #[cfg(feature = "cuda")]
            AnyDevice::Cuda(_) => super::cuda::set_precision(precision),
        }
    }

    /// The name that [`open`] knows it by.
    pub fn name(&self) -> String {
        match self {
            AnyDevice::Cpu(_) => "cpu".to_owned(),
            #[cfg(feature = "cuda")]
            AnyDevice::Cuda(_) => super::cuda::card().map_or_else(String::new, |card| format!("cuda:{}", card.ordinal)),
        }
    }

    /// What it is, for a log.
    pub fn describe(&self) -> String {
        match self {
            AnyDevice::Cpu(_) => {
                format!("kernels {} on {} threads", super::cpu::kernels(), super::cpu::thread_count())
            }
            #[cfg(feature = "cuda")]
            AnyDevice::Cuda(_) => super::cuda::card().map_or_else(String::new, |card| {
                let [major, minor] = card.capability;
                let maps = if super::cuda::has_half_maps() { ", maps in bf16" } else { "" };
                format!("card {}: {}, compute capability {major}.{minor}{maps}", card.ordinal, card.name)
            }),
        }
    }
}

/// The device of that name; for `auto` also why it is no card, where this program could use one.
///
/// # Errors
/// When there is no such device or it does not work; never for `auto` and `cpu`.
pub fn open(name: &str) -> Result<(AnyDevice, Option<String>), DeviceError> {
    match name {
        "cpu" => Ok((AnyDevice::Cpu(Cpu::default()), None)),
        "auto" => Ok(automatic(0)),
        _ => {
            let number = if name == "cuda" { Some("0") } else { name.strip_prefix("cuda:") };
            let ordinal = number.and_then(|n| n.parse().ok()).ok_or(DeviceError::Unknown)?;
            open_card(ordinal).map(|device| (device, None))
        }
    }
}

/// As [`open`], with `place`, one of [`places`], for `auto`.
///
/// # Errors
/// As [`open`].
pub fn open_at(name: &str, place: &str) -> Result<(AnyDevice, Option<String>), DeviceError> {
    match place.strip_prefix("cuda:").and_then(|n| n.parse().ok()) {
        Some(ordinal) if name == "auto" => Ok(automatic(ordinal)),
        _ => open(name),
    }
}

#[cfg(not(feature = "cuda"))]
fn automatic(_: usize) -> (AnyDevice, Option<String>) {
    (AnyDevice::Cpu(Cpu::default()), None)
}

#[cfg(feature = "cuda")]
fn automatic(ordinal: usize) -> (AnyDevice, Option<String>) {
    match open_card(ordinal) {
        Ok(device) => (device, None),
        Err(why) => (AnyDevice::Cpu(Cpu::default()), Some(format!("no card is used: {why}"))),
    }
}

#[cfg(not(feature = "cuda"))]
fn open_card(_: usize) -> Result<AnyDevice, DeviceError> {
    Err(DeviceError::NotBuilt)
}

#[cfg(feature = "cuda")]
fn open_card(ordinal: usize) -> Result<AnyDevice, DeviceError> {
    Ok(AnyDevice::Cuda(super::cuda::open(ordinal)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_understood() {
        assert!(matches!(open("cpu"), Ok((AnyDevice::Cpu(_), None))));
        assert!(open("auto").is_ok() && open_at("auto", "cuda:0").is_ok());
        assert_eq!(places("cpu"), ["cpu"]);
        assert_eq!((places("cuda"), places("cuda:01")), (vec!["cuda:0".to_owned()], vec!["cuda:1".to_owned()]));
        #[cfg(not(feature = "cuda"))]
        assert_eq!(places("auto"), ["cpu"]);
        assert_eq!(open("gpu").err(), Some(DeviceError::Unknown));
        assert_eq!(open("cuda:x").err(), Some(DeviceError::Unknown));
        #[cfg(not(feature = "cuda"))]
        assert!(card().is_none() && holders(0).is_empty());
        #[cfg(not(feature = "cuda"))]
        assert!(open("cuda:0").err().is_some_and(|e| e.to_string().contains("--features cuda")));
    }
}
