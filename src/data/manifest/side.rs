//! The side of an animal that a photo shows.

use serde::{Deserialize, Serialize};

/// Left or right. A turtle's two profiles differ, and yet resemble each other's mirror images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// The animal's left.
    Left,
    /// Its right.
    Right,
}

impl Side {
    /// The side that a table's word names, as wildlife-datasets' column `orientation` has them (`left`, `topright`); none
    /// for other views and blanks.
    pub fn parse(word: &str) -> Option<Side> {
        match word.trim().to_ascii_lowercase().as_str() {
            "left" | "l" | "topleft" => Some(Side::Left),
            "right" | "r" | "topright" => Some(Side::Right),
            _ => None,
        }
    }

    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Side::Left => "left",
            Side::Right => "right",
        }
    }
}
