//! Weights in files: ours are safetensors, torchvision's names and order, one line of JSON that says what they are.
//!
//! The header keeps one key only, because a map of several would be written in chance order and equal runs must have
//! equal bytes. Other people's files, PyTorch's among them, are read too; [`recognise`] says whose network they hold.

mod archive;
mod bias_table;
pub mod kinds;
pub mod names;
pub mod pickle;
pub mod published;
pub mod recognise;
pub mod torch;

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::io::Read;
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, View};
use sha2::{Digest, Sha256};

use super::error::{NnError, Result};
use super::network::Network;
use super::ops::{Backend, Normalisation};
use super::param::{Place, Shape};
use kinds::Kind;

/// The one key of the header.
const KEY: &str = "caretta";

/// Bytes of a file at most: it is read into memory, and a backbone known here takes a twentieth of that.
const MOST_BYTES: u64 = 4 << 30;

/// Sizes and values.
pub type Tensor = (Vec<usize>, Vec<f32>);

/// Named tensors of f32 with sizes in torchvision's order, and a line about them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WeightFile {
    /// What the tensors are, as JSON; empty when the file says nothing.
    pub about: String,
    /// Sizes and values by name.
    pub tensors: BTreeMap<String, Tensor>,
    /// What was otherwise in the file; not written.
    pub origin: Origin,
}

/// In what a file differed from ours.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// Keys of a training checkpoint under which the tensors lay, outermost first.
    pub unwrapped: Vec<String>,
    /// The formats that were brought to f32: "half", "bfloat16 and double".
    pub converted: Option<String>,
    /// Names of tensors of whole numbers, which are no weights and were not read.
    pub whole: Vec<String>,
}

struct Bytes<'a>(&'a [usize], &'a [f32]);

impl View for Bytes<'_> {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }
    fn shape(&self) -> &[usize] {
        self.0
    }
    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Owned(self.1.iter().flat_map(|v| v.to_le_bytes()).collect())
    }
    fn data_len(&self) -> usize {
        size_of_val(self.1)
    }
}

impl WeightFile {
    /// Adds a tensor in torchvision's order.
    pub fn insert(&mut self, name: String, shape: &Shape, values: Vec<f32>) {
        self.tensors.insert(name, (shape.sizes(), values));
    }

    /// Adds all parameters of a network.
    ///
    /// # Errors
    /// When the device fails.
    pub fn insert_network<D: Backend>(&mut self, network: &Network<D>) -> Result<()> {
        for id in network.store.ids() {
            let param = network.store.get(id);
            self.insert(param.name.clone(), &param.shape, network.store.export(id)?);
        }
        Ok(())
    }

    /// The bytes of the file; the same for the same content.
    ///
    /// # Errors
    /// When safetensors refuses, which it does not for what this type can hold.
    pub fn to_bytes(&self, path: &Path) -> Result<Vec<u8>> {
        let views = self.tensors.iter().map(|(name, (sizes, values))| (name, Bytes(sizes, values)));
        let about = HashMap::from([(KEY.to_owned(), self.about.clone())]);
        safetensors::serialize(views, Some(about)).map_err(|e| bad(path, e.to_string()))
    }

    /// Reads a file's bytes, safetensors or PyTorch's; `path` is for the errors.
    ///
    /// # Errors
    /// When the bytes are neither, are damaged, or ask for anything but tensors.
    pub fn from_bytes(path: &Path, bytes: &[u8]) -> Result<WeightFile> {
        // a safetensors file is the length of its header in eight bytes, then a brace
        if torch::is_torch(bytes) && bytes.get(8) != Some(&b'{') {
            let dict = torch::read(bytes).map_err(|e| bad(path, e.to_string()))?;
            let origin = Origin { unwrapped: dict.unwrapped, ..Origin::default() };
            return Ok(WeightFile { origin, ..WeightFile::default() }.filled(dict.tensors));
        }
        let none =
            |e: safetensors::SafeTensorError| bad(path, format!("neither a safetensors file ({e}) nor PyTorch's"));
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(none)?;
        let about = header.metadata().as_ref().and_then(|m| m.get(KEY).cloned()).unwrap_or_default();
        let file = SafeTensors::deserialize(bytes).map_err(none)?;
        let mut tensors = Vec::new();
        for (name, view) in file.iter() {
            let kind = match view.dtype() {
                Dtype::F64 => Kind::F64,
                Dtype::F32 => Kind::F32,
                Dtype::F16 => Kind::F16,
                Dtype::BF16 => Kind::Bf16,
                Dtype::I64 | Dtype::U64 => Kind::Whole(8),
                Dtype::I32 | Dtype::U32 => Kind::Whole(4),
                Dtype::I16 | Dtype::U16 => Kind::Whole(2),
                Dtype::I8 | Dtype::U8 | Dtype::BOOL => Kind::Whole(1),
                other => {
                    return Err(bad(path, format!("{} holds {other:?}, which cannot be read", printable(name))));
                }
            };
            let values = kind.widen(view.data());
            tensors.push((name.to_owned(), view.shape().to_vec(), values, kind));
        }
        Ok(WeightFile { about, ..WeightFile::default() }.filled(tensors))
    }

    /// With these tensors, those of whole numbers only named.
    fn filled(mut self, tensors: Vec<(String, Vec<usize>, Vec<f32>, Kind)>) -> WeightFile {
        self.origin.converted = kinds::told(tensors.iter().map(|(.., kind)| *kind));
        for (name, sizes, values, kind) in tensors {
            if matches!(kind, Kind::Whole(_)) {
                self.origin.whole.push(name);
            } else {
                self.tensors.insert(name, (sizes, values));
            }
        }
        self
    }

    /// Reads the file at `path`, safetensors or PyTorch's.
    ///
    /// # Errors
    /// When it cannot be read; see [`WeightFile::from_bytes`].
    pub fn read(path: &Path) -> Result<WeightFile> {
        WeightFile::from_bytes(path, &bytes(path)?)
    }

    /// Reads only what the safetensors file at `path` says of itself.
    ///
    /// # Errors
    /// When it cannot be read or is no such file.
    pub fn read_about(path: &Path) -> Result<String> {
        let none = |_| bad(path, "not a safetensors file".into());
        let mut file = std::fs::File::open(path).map_err(|source| NnError::Io { path: path.to_owned(), source })?;
        let mut length = [0; 8];
        file.read_exact(&mut length).map_err(none)?;
        let mut header = Vec::new();
        file.take(u64::from_le_bytes(length).min(MOST_BYTES)).read_to_end(&mut header).map_err(none)?;
        let header: serde_json::Value =
            serde_json::from_slice(&header).map_err(|_| bad(path, "not a safetensors file".into()))?;
        Ok(header["__metadata__"][KEY].as_str().unwrap_or_default().to_owned())
    }

    /// Takes the values of `name`, which must have the sizes of `shape`.
    ///
    /// # Errors
    /// When they are missing or of other sizes.
    pub fn take(&mut self, path: &Path, name: &str, shape: &Shape) -> Result<Vec<f32>> {
        let (sizes, values) =
            self.tensors.remove(name).ok_or_else(|| bad(path, format!("{name} is missing: not this network")))?;
        if sizes != shape.sizes() {
            return Err(bad(path, format!("{name} has sizes {sizes:?}, the network needs {:?}", shape.sizes())));
        }
        Ok(values)
    }

    /// Moves the values of every parameter of `network` into it.
    ///
    /// # Errors
    /// When one is missing or of other sizes; the network is then partly loaded and not to be used.
    pub fn load_network<D: Backend>(&mut self, path: &Path, network: &mut Network<D>) -> Result<()> {
        self.load(path, network, |_| true)
    }

    /// Moves the values of the backbone's parameters into `network`; the others keep theirs.
    ///
    /// # Errors
    /// As [`WeightFile::load_network`].
    pub fn load_backbone<D: Backend>(&mut self, path: &Path, network: &mut Network<D>) -> Result<()> {
        self.load(path, network, |place| place != Place::Head)
    }

    fn load<D: Backend>(
        &mut self,
        path: &Path,
        network: &mut Network<D>,
        is_wanted: impl Fn(Place) -> bool,
    ) -> Result<()> {
        for id in network.store.ids() {
            let param = network.store.get(id);
            if is_wanted(param.place) {
                let values = self.take(path, &param.name, &param.shape)?;
                network.store.import(id, values)?;
            }
        }
        Ok(())
    }
}

/// Identity of a network's weights: SHA-256 over names, sizes and values of all parameters, and over what photos are
/// normalised by where that is not ImageNet's, in hexadecimal.
///
/// # Errors
/// When the device fails.
pub fn identity<D: Backend>(network: &Network<D>) -> Result<String> {
    let mut hash = Sha256::new();
    for id in network.store.ids() {
        let param = network.store.get(id);
        absorb(&mut hash, &param.name, &param.shape.sizes(), &network.store.export(id)?);
    }
    absorb_normalisation(&mut hash, &network.normalisation);
    Ok(hex(hash.finalize().as_ref()))
}

/// Weights that see photos otherwise are others; most see them by ImageNet's, and their hash is that of their values.
fn absorb_normalisation(hash: &mut Sha256, by: &Normalisation) {
    if *by != Normalisation::IMAGENET {
        absorb(hash, "normalisation", &[2, 3], &[by.mean, by.deviation].concat());
    }
}

fn absorb(hash: &mut Sha256, name: &str, sizes: &[usize], values: &[f32]) {
    hash.update(name.as_bytes());
    sizes.iter().for_each(|s| hash.update((*s as u64).to_le_bytes()));
    values.iter().for_each(|v| hash.update(v.to_le_bytes()));
}

/// SHA-256 of bytes, in hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    hex(Sha256::digest(bytes).as_ref())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// The bytes of the file at `path`.
///
/// # Errors
/// When it cannot be read, or is larger than weights are.
pub fn bytes(path: &Path) -> Result<Vec<u8>> {
    let failed = |source| NnError::Io { path: path.to_owned(), source };
    if std::fs::metadata(path).map_err(failed)?.len() > MOST_BYTES {
        return Err(bad(path, "larger than 4 GiB: no weights of a backbone known here".into()));
    }
    std::fs::read(path).map_err(failed)
}

fn bad(path: &Path, reason: String) -> NnError {
    NnError::Weights { path: path.to_owned(), reason }
}

/// A name out of a foreign file, without control characters and not longer than a line.
fn printable(name: &str) -> String {
    name.chars().take(80).map(|c| if c.is_control() { '?' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::head::HeadKind;
    use crate::nn::network::Architecture;
    use dfdx::prelude::Cpu;
    use proptest::prelude::*;

    fn network(seed: u64) -> Network<Cpu> {
        let architecture = Architecture { backbone: "resnet18", head: HeadKind::LinearNorm, dimensions: 24 };
        Network::new(&Cpu::default(), architecture, seed).unwrap()
    }

    #[test]
    fn a_network_comes_back_and_equal_networks_have_equal_bytes() {
        let path = Path::new("a.safetensors");
        let first = network(1);
        let mut file = WeightFile { about: "{}".into(), ..WeightFile::default() };
        file.insert_network(&first).unwrap();
        let bytes = file.to_bytes(path).unwrap();
        assert_eq!(bytes, file.clone().to_bytes(path).unwrap());
        let mut read = WeightFile::from_bytes(path, &bytes).unwrap();
        assert_eq!(read, file);
        let mut second = network(2);
        assert_ne!(identity(&first).unwrap(), identity(&second).unwrap());
        read.load_network(path, &mut second).unwrap();
        assert_eq!(identity(&first).unwrap(), identity(&second).unwrap());
        assert!(read.tensors.is_empty());
        assert!(file.tensors.contains_key("layer1.0.conv1.weight") && file.tensors.contains_key("embedding.0.bias"));
    }

    #[test]
    fn a_missing_and_a_misshapen_tensor_are_named() {
        let path = Path::new("a.safetensors");
        let mut file = WeightFile::default();
        file.insert_network(&network(1)).unwrap();
        let mut missing = file.clone();
        missing.tensors.remove("bn1.weight");
        let error = missing.load_network(path, &mut network(2)).unwrap_err().to_string();
        assert!(error.contains("bn1.weight is missing"), "{error}");
        file.tensors.insert("bn1.weight".into(), (vec![2], vec![0.0; 2]));
        let error = file.load_network(path, &mut network(2)).unwrap_err().to_string();
        assert!(error.contains("[2]") && error.contains("[64]"), "{error}");
    }

    proptest! {
        #[test]
        fn foreign_bytes_are_an_error_and_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(WeightFile::from_bytes(Path::new("x"), &bytes).is_err());
        }

        #[test]
        fn a_damaged_header_is_an_error_or_another_file(at in 0usize..120, byte in any::<u8>()) {
            let mut file = WeightFile::default();
            file.insert("a".into(), &Shape::Channels(3), vec![1.0, 2.0, 3.0]);
            file.insert("b".into(), &Shape::Matrix(2, 2), vec![1.0; 4]);
            let mut bytes = file.to_bytes(Path::new("x")).unwrap();
            let at = at % bytes.len();
            bytes[at] = byte;
            let _ = WeightFile::from_bytes(Path::new("x"), &bytes);
        }
    }
}
