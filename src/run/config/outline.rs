//! What a list of runs shows of a configuration, read without the preset below it: a thousand are read at a glance.

use std::path::Path;

use serde::Deserialize;

use super::{Config, Method};
use crate::run::error::Result;

/// Four values of a configuration, by their keys.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Outline {
    /// `method`.
    pub method: Method,
    /// Of `[model]`.
    pub model: ModelOutline,
    /// Of `[data]`.
    pub data: DataOutline,
    /// Of `[train]`.
    pub train: TrainOutline,
}

/// Of `[model]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ModelOutline {
    /// `backbone`.
    pub backbone: String,
}

/// Of `[data]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct DataOutline {
    /// `dir`.
    pub dir: String,
}

/// Of `[train]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct TrainOutline {
    /// `epochs`.
    pub epochs: u32,
}

impl Outline {
    /// The outline of the file at `path`. A run's own file has every key; another is read whole, and told of whole.
    pub fn load(path: &Path) -> Result<Outline> {
        match toml::from_str(&Config::text(path)?) {
            Ok(outline) => Ok(outline),
            Err(_) => Config::load(path).map(Outline::from),
        }
    }
}

impl From<Config> for Outline {
    fn from(config: Config) -> Outline {
        Outline {
            method: config.method,
            model: ModelOutline { backbone: config.model.backbone },
            data: DataOutline { dir: config.data.dir },
            train: TrainOutline { epochs: config.train.epochs },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_file_and_one_that_leans_on_its_preset_give_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.toml");
        let mut config = Config::preset(Method::Triplet);
        config.data.dir = "photos/a".into();
        config.save(&path).unwrap();
        let outline = Outline::load(&path).unwrap();
        assert_eq!(outline, Outline::from(config));
        std::fs::write(&path, "method = \"triplet\"\n[data]\ndir = \"photos/a\"\n").unwrap();
        assert_eq!(Outline::load(&path).unwrap(), outline);
    }

    #[test]
    fn a_damaged_file_is_told_of_as_when_it_is_read_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.toml");
        for text in ["method = 3", "[model", "method = \"siamese\"\n[train]\nepochs = \"many\""] {
            std::fs::write(&path, text).unwrap();
            let whole = Config::load(&path).unwrap_err().to_string();
            assert_eq!(Outline::load(&path).unwrap_err().to_string(), whole);
        }
        assert!(Outline::load(&dir.path().join("none")).is_err());
    }
}
