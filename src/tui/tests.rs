//! The screen driven by keys: `update` alone, and whole frames on a backend that keeps its cells.
