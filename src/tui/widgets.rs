//! What the tabs are drawn with: text, lists, charts, photos. Knows cells and numbers, nothing of runs or datasets.

pub(super) mod chart;
pub(super) mod list;
pub(super) mod photo;
pub(super) mod text;
