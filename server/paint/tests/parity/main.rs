//! Comparison with recorded results of torch, diffusers and transformers. `make parity` makes the references anew.
//!
//! Refuses: weights and recorded model outputs on disk; both come from the integers of `tests/tiny`, which Python has
//! as well, so that only results are kept.

mod checkpoints;
mod flux;
mod flux_gguf;
mod folders;
mod loras;
mod models;
mod noise;
mod painter;
mod pipelines;
mod references;
mod schedulers;
mod sources;
mod tokenizer;
mod z_image;
