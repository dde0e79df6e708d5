//! The layers of the text encoders that came from OpenCLIP (Ilharco et al., 2021): those of version 2, and SDXL's second.
//!
//! Refuses: nothing; what a configuration may say was checked when it was read.

use super::Names;

/// Layers outside of the blocks; some are single tensors.
const OUTER: &[(&str, &str)] = &[
    ("token_embedding", "text_model.embeddings.token_embedding"),
    ("positional_embedding", "text_model.embeddings.position_embedding.weight"),
    ("ln_final", "text_model.final_layer_norm"),
    ("text_projection", "text_projection.weight"),
];

/// Layers of a block. `attn` stands for query, key and value, which are one tensor there.
const BLOCK: &[(&str, &str)] = &[
    ("ln_1", "layer_norm1"),
    ("attn", "self_attn"),
    ("attn.out_proj", "self_attn.out_proj"),
    ("ln_2", "layer_norm2"),
    ("mlp.c_fc", "mlp.fc1"),
    ("mlp.c_proj", "mlp.fc2"),
];

/// The beginning of a block's names.
pub(super) fn block(at: usize) -> String {
    format!("transformer.resblocks.{at}")
}

impl Names {
    /// Those of a text encoder with so many layers.
    pub(crate) fn of_open_clip(layers: usize) -> Self {
        let mut names = Self::default();
        for (original, diffusers) in OUTER {
            names.add(*original, *diffusers);
        }
        for at in 0..layers {
            names.block(&block(at), &format!("text_model.encoder.layers.{at}"), BLOCK);
        }
        names
    }
}
