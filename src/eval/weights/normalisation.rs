//! What photos are normalised by where weights come from: the file itself says so, or a configuration beside it, as they lie
//! in the folders of Hugging Face.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::nn::ops::Normalisation;
use crate::nn::weights::WeightFile;

use super::super::Result;
use super::super::model::{About, Preprocessing};

/// What photos are normalised by, and what said so.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// Mean and deviation.
    pub by: Normalisation,
    /// Half a sentence: "as config.json says".
    pub source: String,
}

/// Files that lie beside weights, and where in them mean and deviation stand: timm's, timm's before 0.9, transformers'.
const BESIDE: [(&str, &str, [&str; 2]); 3] = [
    ("config.json", "/pretrained_cfg", ["mean", "std"]),
    ("config.json", "", ["mean", "std"]),
    ("preprocessor_config.json", "", ["image_mean", "image_std"]),
];

/// A configuration is some kilobytes; what is much larger is none.
const MOST_BYTES: u64 = 1 << 20;

/// What the weights in `file`, which was read from `path`, are said to want; none where nothing says so.
///
/// # Errors
/// When the file was written by this program and wants what this version does not do.
pub fn of(path: &Path, file: &WeightFile) -> Result<Option<Told>> {
    if let Some(told) = Bare::of(path, &file.about)? {
        return Ok(Some(told));
    }
    // a line that is not about a network, as some other program's under our key might be, tells nothing
    let Ok(about) = serde_json::from_str::<About>(&file.about) else { return Ok(beside(path)) };
    let by = about.preprocessing.normalisation(path)?;
    Ok(Some(Told { by, source: "as the file says".into() }))
}

/// What a file by a library's names says of itself: how its photos are prepared, not whose network it is.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bare {
    preprocessing: Preprocessing,
}

impl Bare {
    /// The line of a file whose photos are prepared so.
    pub fn line(preprocessing: &Preprocessing) -> serde_json::Result<String> {
        serde_json::to_string(&Bare { preprocessing: preprocessing.clone() })
    }

    /// What the line `about` of the file at `path` tells; none where it is another line.
    ///
    /// # Errors
    /// When it wants what this version does not do.
    pub fn of(path: &Path, about: &str) -> Result<Option<Told>> {
        let Ok(bare) = serde_json::from_str::<Bare>(about) else { return Ok(None) };
        let by = bare.preprocessing.normalisation(path)?;
        Ok(Some(Told { by, source: "as the file says".into() }))
    }
}

/// What the files beside `path` say; what they say of no three colours is passed over.
pub fn beside(path: &Path) -> Option<Told> {
    BESIDE.iter().find_map(|(name, place, keys)| {
        let config = path.with_file_name(name);
        if config.metadata().ok()?.len() > MOST_BYTES {
            return None;
        }
        let config: Value = serde_json::from_slice(&std::fs::read(config).ok()?).ok()?;
        let config = config.pointer(place)?;
        let [mean, deviation] = keys.map(|key| colours(&config[key]));
        let by = Normalisation { mean: mean?, deviation: deviation? };
        by.is_usable().then(|| Told { by, source: format!("as {name} beside it says") })
    })
}

fn colours(value: &Value) -> Option<[f32; 3]> {
    serde_json::from_value(value.clone()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_beside_weights_tells() {
        let dir = tempfile::tempdir().unwrap();
        let weights = dir.path().join("pytorch_model.bin");
        let says = |name: &str, text: &str| {
            std::fs::write(dir.path().join(name), text).unwrap();
            beside(&weights)
        };
        assert_eq!(beside(&weights), None);
        let half = Normalisation { mean: [0.5; 3], deviation: [0.5; 3] };
        let timm = r#"{"architecture": "swin_t", "pretrained_cfg": {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]}}"#;
        assert_eq!(says("config.json", timm), Some(Told { by: half, source: "as config.json beside it says".into() }));
        assert_eq!(says("config.json", r#"{"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]}"#).unwrap().by, half);
        for nonsense in
            ["{", "[]", r#"{"mean": [0.5], "std": [0.5]}"#, r#"{"mean": [127, 127, 127], "std": [1, 1, 1]}"#]
        {
            assert_eq!(says("config.json", nonsense), None, "{nonsense}");
        }
        let transformers = r#"{"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5], "size": 224}"#;
        assert_eq!(says("preprocessor_config.json", transformers).unwrap().by, half);
    }
}
