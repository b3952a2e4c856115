//! Retrieval metrics, the files an evaluation leaves, projections and pictures.
