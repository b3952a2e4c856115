//! Weights in files: safetensors, torchvision's names and order, one line of JSON that says what they are.
//!
//! The header keeps one key only, because a map of several would be written in chance order and equal runs must have
//! equal bytes.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, View};
use sha2::{Digest, Sha256};

use super::error::{NnError, Result};
use super::network::Network;
use super::ops::Backend;
use super::param::Shape;

/// The one key of the header.
const KEY: &str = "caretta";

/// Named tensors of f32 with sizes in torchvision's order, and a line about them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WeightFile {
    /// What the tensors are, as JSON; empty when the file says nothing.
    pub about: String,
    /// Sizes and values by name.
    pub tensors: BTreeMap<String, (Vec<usize>, Vec<f32>)>,
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

    /// Reads a file's bytes; `path` is for the errors.
    ///
    /// # Errors
    /// When the bytes are no safetensors file or hold something other than f32.
    pub fn from_bytes(path: &Path, bytes: &[u8]) -> Result<WeightFile> {
        let (_, header) =
            SafeTensors::read_metadata(bytes).map_err(|e| bad(path, format!("not a safetensors file: {e}")))?;
        let about = header.metadata().as_ref().and_then(|m| m.get(KEY).cloned()).unwrap_or_default();
        let file = SafeTensors::deserialize(bytes).map_err(|e| bad(path, format!("not a safetensors file: {e}")))?;
        let mut tensors = BTreeMap::new();
        for (name, view) in file.iter() {
            if view.dtype() == Dtype::I64 && name.ends_with("num_batches_tracked") {
                continue; // torch counts steps; nothing depends on it
            }
            if view.dtype() != Dtype::F32 {
                return Err(bad(path, format!("{} holds {:?}, only F32 can be read", printable(name), view.dtype())));
            }
            let values = view.data().as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
            tensors.insert(name.to_owned(), (view.shape().to_vec(), values));
        }
        Ok(WeightFile { about, tensors })
    }

    /// Reads the file at `path`.
    ///
    /// # Errors
    /// When it cannot be read; see [`WeightFile::from_bytes`].
    pub fn read(path: &Path) -> Result<WeightFile> {
        let bytes = std::fs::read(path).map_err(|source| NnError::Io { path: path.to_owned(), source })?;
        WeightFile::from_bytes(path, &bytes)
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
        for id in network.store.ids() {
            let (name, shape) = (network.store.get(id).name.clone(), network.store.get(id).shape);
            let values = self.take(path, &name, &shape)?;
            network.store.import(id, values)?;
        }
        Ok(())
    }
}

/// Identity of a network's weights: SHA-256 over names, sizes and values of all parameters, in hexadecimal.
///
/// # Errors
/// When the device fails.
pub fn identity<D: Backend>(network: &Network<D>) -> Result<String> {
    let mut hash = Sha256::new();
    for id in network.store.ids() {
        let param = network.store.get(id);
        hash.update(param.name.as_bytes());
        param.shape.sizes().iter().for_each(|s| hash.update((*s as u64).to_le_bytes()));
        network.store.export(id)?.iter().for_each(|v| hash.update(v.to_le_bytes()));
    }
    Ok(hash.finalize().iter().map(|b| format!("{b:02x}")).collect())
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
