//! Files that `torch.save` wrote: a zip archive (since torch 1.6), or a row of pickles with the numbers after them.

use std::collections::HashMap;

use super::archive::Archive;
use super::kinds::Kind;
use super::pickle::{self, Heap, PickleError, Ref, Value, View};

/// torch's mark at the beginning of a file that is no archive.
const MAGIC: i128 = 0x1950_a86a_20f9_469c_fc6c;

/// The only layout there ever was beside archives.
const PROTOCOL: i128 = 1001;

/// Keys under which training programs keep the weights of a checkpoint, the usual first.
const WRAPPERS: &[&str] =
    &["state_dict", "model_state_dict", "model", "state_dict_ema", "net", "network", "backbone", "weights"];

/// Why a file was refused.
#[derive(Debug, thiserror::Error)]
pub enum TorchError {
    /// Its pickle.
    #[error("{0}")]
    Pickle(#[from] PickleError),
    /// Its archive or its layout.
    #[error("{0}")]
    Layout(String),
}

type Result<T> = std::result::Result<T, TorchError>;

/// Tensors by name, as a file has them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StateDict {
    /// Sizes, numbers and their format in the file, in the file's order.
    pub tensors: Vec<(String, Vec<usize>, Vec<f32>, Kind)>,
    /// Under which keys the tensors lay, outermost first.
    pub unwrapped: Vec<String>,
}

/// Whether the bytes begin like a file of torch's.
pub fn is_torch(bytes: &[u8]) -> bool {
    Archive::is_one(bytes) || bytes.starts_with(&[0x80])
}

/// Reads a file of torch's.
///
/// # Errors
/// When it is damaged, holds anything but tensors in dictionaries, or its tensors look beyond their numbers.
pub fn read(bytes: &[u8]) -> Result<StateDict> {
    let file = if Archive::is_one(bytes) { Source::archive(bytes)? } else { Source::legacy(bytes)? };
    let mut dict = StateDict::default();
    let mut at = file.root;
    // {"epoch": 3, "state_dict": {...}}; deeper than this nobody packs
    for _ in 0..4 {
        let entries = file.entries(at).ok_or_else(|| layout("it holds no dictionary of tensors"))?;
        if entries.iter().any(|(_, value)| matches!(file.heap.get(*value), Value::Tensor(_))) {
            // shared numbers count each time, and a tensor may repeat one
            let mut budget = bytes.len();
            for (name, value) in &entries {
                if let Value::Tensor(view) = file.heap.get(*value) {
                    let numbers = file
                        .numbers(view, &mut budget)
                        .map_err(|e| layout(format!("{}: {e}", super::printable(name))))?;
                    dict.tensors.push(((*name).to_owned(), view.sizes.clone(), numbers, view.storage.kind));
                }
            }
            return Ok(dict);
        }
        let is_dict = |value: Ref| matches!(file.heap.get(value), Value::Dict(_));
        let inner = WRAPPERS.iter().find_map(|&w| entries.iter().find(|(name, value)| *name == w && is_dict(*value)));
        let Some((name, value)) = inner else { break };
        dict.unwrapped.push((*name).to_owned());
        at = *value;
    }
    Err(layout(format!("it holds no tensors, alone or under one of the usual names ({})", WRAPPERS.join(", "))))
}

fn layout(reason: impl Into<String>) -> TorchError {
    TorchError::Layout(reason.into())
}

/// A file's values, and where its numbers lie.
struct Source<'a> {
    heap: Heap,
    root: Ref,
    storages: HashMap<String, &'a [u8]>,
}

impl<'a> Source<'a> {
    fn archive(bytes: &'a [u8]) -> Result<Self> {
        let archive = Archive::open(bytes).map_err(layout)?;
        let pickle = archive.names().find(|n| *n == "data.pkl" || n.ends_with("/data.pkl")).map(str::to_owned);
        let pickle = pickle.ok_or_else(|| layout("an archive without data.pkl: not one of torch.save"))?;
        let folder = pickle.trim_end_matches("data.pkl");
        if archive.get(&format!("{folder}byteorder")).map_err(layout)?.is_some_and(|order| order != b"little") {
            return Err(layout("its numbers are big-endian; save it on a usual machine"));
        }
        let program = archive.get(&pickle).map_err(layout)?.unwrap_or_default();
        let (heap, root, _) = pickle::load(program)?;
        let mut storages = HashMap::new();
        let data = format!("{folder}data/");
        for name in archive.names() {
            if let Some(key) = name.strip_prefix(&data) {
                storages.insert(key.to_owned(), archive.get(name).map_err(layout)?.unwrap_or_default());
            }
        }
        Ok(Source { heap, root, storages })
    }

    fn legacy(bytes: &'a [u8]) -> Result<Self> {
        let number = |bytes: &'a [u8]| -> Result<(i128, &'a [u8])> {
            let (heap, at, rest) = pickle::load(bytes)?;
            let Value::Int(number) = heap.get(at) else { return Err(layout("not a file of torch.save")) };
            Ok((*number, rest))
        };
        let (magic, rest) = number(bytes)?;
        let (protocol, rest) = number(rest)?;
        if magic != MAGIC || protocol != PROTOCOL {
            return Err(layout("a pickle, but not one of torch.save"));
        }
        let (system, at, rest) = pickle::load(rest)?;
        if let Value::Dict(entries) = system.get(at)
            && entries.iter().any(|&(k, v)| system.text(k) == Some("little_endian") && *system.get(v) != Value::Int(1))
        {
            return Err(layout("its numbers are big-endian; save it on a usual machine"));
        }
        let (heap, root, rest) = pickle::load(rest)?;
        let (keys, at, mut rest) = pickle::load(rest)?;
        let Value::List(keys_at) = keys.get(at) else { return Err(layout("the list of its numbers is missing")) };
        // how many bytes a number has is said where a tensor looks at it
        let kinds = heap.storage_kinds();
        let mut storages = HashMap::new();
        for &key in keys_at {
            let key = keys.text(key).ok_or_else(|| layout("the list of its numbers is damaged"))?;
            let (count, after) = rest.split_first_chunk::<8>().ok_or(PickleError::Short)?;
            let kind = kinds.get(key).ok_or_else(|| layout("numbers that no tensor looks at"))?;
            let length = usize::try_from(u64::from_le_bytes(*count)).ok().and_then(|n| n.checked_mul(kind.bytes()));
            let (numbers, after) = length.and_then(|n| after.split_at_checked(n)).ok_or(PickleError::Short)?;
            storages.insert(key.to_owned(), numbers);
            rest = after;
        }
        Ok(Source { heap, root, storages })
    }

    /// Entries of a dictionary whose keys are texts; none where it is something else. Of equal keys the later counts.
    fn entries(&self, at: Ref) -> Option<Vec<(&str, Ref)>> {
        let Value::Dict(entries) = self.heap.get(at) else { return None };
        let mut places = HashMap::new();
        let mut found: Vec<(&str, Ref)> = Vec::new();
        for &(key, value) in entries {
            // other keys (an optimiser numbers its moments) name no weights
            let Some(key) = self.heap.text(key) else { continue };
            let place = *places.entry(key).or_insert_with(|| {
                found.push((key, value));
                found.len() - 1
            });
            found[place].1 = value;
        }
        Some(found)
    }

    /// The numbers that `view` looks at, in its own order. Whole numbers are no weights: none are read.
    fn numbers(&self, view: &View, budget: &mut usize) -> std::result::Result<Vec<f32>, &'static str> {
        let View { storage, offset, sizes, strides } = view;
        if sizes.len() != strides.len() {
            return Err("as many sizes as strides are needed");
        }
        let too_many = "larger than its file";
        let count = sizes.iter().try_fold(1usize, |n, &s| n.checked_mul(s)).ok_or(too_many)?;
        if matches!(storage.kind, Kind::Whole(_)) || count == 0 {
            return Ok(Vec::new());
        }
        *budget = budget.checked_sub(count).ok_or(too_many)?;
        let bytes = self.storages.get(&storage.key).ok_or("its numbers are not in the file")?;
        let beyond = "it looks beyond its numbers";
        let last = sizes.iter().zip(strides).try_fold(*offset, |at, (&size, &stride)| {
            stride.checked_mul(size - 1).and_then(|step| at.checked_add(step))
        });
        let held = bytes.len() / storage.kind.bytes();
        if last.is_none_or(|last| last >= held.min(storage.count)) {
            return Err(beyond);
        }
        let contiguous = sizes.iter().zip(strides).rev().scan(1, |expected, (&size, &stride)| {
            let fits = size == 1 || stride == *expected;
            *expected *= size;
            Some(fits)
        });
        if contiguous.into_iter().all(|fits| fits) {
            let size = storage.kind.bytes();
            return bytes.get(offset * size..(offset + count) * size).map(|b| storage.kind.widen(b)).ok_or(beyond);
        }
        let place = |mut index: usize| {
            sizes.iter().zip(strides).rev().fold(*offset, |at, (&size, &stride)| {
                let here = index % size;
                index /= size;
                at + here * stride
            })
        };
        storage.kind.gather(bytes, (0..count).map(place)).ok_or(beyond)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::path::{Path, PathBuf};

    fn fixture(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/weights").join(name)
    }

    fn bytes(name: &str) -> Vec<u8> {
        std::fs::read(fixture(name)).unwrap()
    }

    #[test]
    fn both_layouts_hold_what_torch_put_in() {
        let expected: serde_json::Value = serde_json::from_slice(&bytes("expected.json")).unwrap();
        let expected = expected.as_object().unwrap();
        for file in ["zip.pth", "legacy.pth"] {
            let dict = read(&bytes(file)).unwrap();
            let (counters, tensors): (Vec<_>, Vec<_>) =
                dict.tensors.iter().partition(|(.., kind)| matches!(kind, Kind::Whole(_)));
            assert_eq!(counters.iter().map(|t| t.0.as_str()).collect::<Vec<_>>(), ["norm.num_batches_tracked"]);
            assert_eq!(tensors.len(), expected.len(), "{file}");
            for (name, sizes, values, _) in tensors {
                let of: (Vec<usize>, Vec<f64>) = (
                    serde_json::from_value(expected[name]["sizes"].clone()).unwrap(),
                    serde_json::from_value(expected[name]["values"].clone()).unwrap(),
                );
                let narrowed: Vec<f32> = of.1.iter().map(|&v| v as f32).collect();
                assert_eq!((sizes, values), (&of.0, &narrowed), "{file}: {name}");
            }
        }
    }

    #[test]
    fn training_checkpoints_are_unwrapped_and_say_so() {
        let names = |dict: &StateDict| dict.tensors.iter().map(|t| t.0.clone()).collect::<Vec<_>>();
        let plain = read(&bytes("protocol4.pth")).unwrap();
        assert_eq!(plain.unwrapped, [""; 0]);
        let lightning = read(&bytes("lightning.ckpt")).unwrap();
        assert_eq!(lightning.unwrapped, ["state_dict"]);
        assert_eq!(names(&lightning), names(&plain).iter().map(|n| format!("model.{n}")).collect::<Vec<_>>());
        let wrapped = read(&bytes("wrapped.pt")).unwrap();
        assert_eq!((wrapped.unwrapped.join("/").as_str(), names(&wrapped)), ("model/state_dict", names(&plain)));
    }

    #[test]
    fn hostile_files_are_errors_and_run_nothing() {
        let mark = Path::new("/tmp/caretta-was-here");
        assert!(!mark.exists(), "remove {} first", mark.display());
        for (file, expected) in [
            ("hostile_global.pth", "asks for posix.system"),
            ("hostile_stack_global.pth", "asks for posix.system"),
            ("hostile_inst.pth", "INST"),
            ("hostile_build.pth", "asks for __main__.Tiny"),
            ("hostile_ext.pth", "EXT"),
            ("hostile_eval.pth", "__builtin__.eval"),
            ("hostile_legacy.pth", "asks for posix.system"),
            ("hostile_beyond.pth", "a: it looks beyond its numbers"),
            ("hostile_offset.pth", "a: it looks beyond its numbers"),
            ("hostile_negative.pth", "below zero"),
            ("hostile_huge.pth", "larger than its file"),
            ("hostile_repeated.pth", "larger than its file"),
            ("hostile_recursion.pth", "no dictionary"),
        ] {
            let error = read(&bytes(file)).unwrap_err().to_string();
            assert!(error.contains(expected), "{file}: {error}");
        }
        assert!(!mark.exists());
    }

    #[test]
    fn a_damaged_file_is_an_error() {
        for file in ["zip.pth", "legacy.pth"] {
            let whole = bytes(file);
            for cut in [1, 60, whole.len() / 2, whole.len() - 1] {
                assert!(read(&whole[..cut]).is_err(), "{file} cut to {cut}");
            }
        }
        // a number changed: the archive's checksum tells
        let mut damaged = bytes("zip.pth");
        let at = damaged.windows(4).position(|w| w == 2.875f32.to_le_bytes()).unwrap();
        damaged[at] ^= 1;
        assert!(read(&damaged).unwrap_err().to_string().contains("checksum"));
    }

    proptest! {
        #[test]
        fn a_changed_byte_is_an_error_or_another_file(file in prop::sample::select(&["zip.pth", "legacy.pth", "lightning.ckpt"][..]), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
            let mut bytes = bytes(file);
            let at = at.index(bytes.len());
            bytes[at] = byte;
            if let Ok(dict) = read(&bytes) {
                for (_, sizes, values, kind) in dict.tensors {
                    prop_assert!(matches!(kind, Kind::Whole(_)) || sizes.iter().product::<usize>() == values.len());
                }
            }
        }
    }
}
