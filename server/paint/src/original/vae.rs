//! The layers of the autoencoder: on the way up its blocks are counted from the last.
//!
//! Refuses: nothing; what a configuration may say was checked when it was read.

use super::Names;
use crate::vae::VaeConfig;

/// Layers of a residual block.
const RESIDUAL: &[(&str, &str)] = &[
    ("norm1", "norm1"),
    ("conv1", "conv1"),
    ("norm2", "norm2"),
    ("conv2", "conv2"),
    ("nin_shortcut", "conv_shortcut"),
];

/// Layers of attention, which were convolutions of one place.
const ATTENTION: &[(&str, &str)] =
    &[("norm", "group_norm"), ("q", "to_q"), ("k", "to_k"), ("v", "to_v"), ("proj_out", "to_out.0")];

impl Names {
    /// Those of an autoencoder.
    pub(crate) fn of_vae(config: &VaeConfig) -> Self {
        let mut names = Self::default();
        for both in ["quant_conv", "post_quant_conv"] {
            names.add(both, both);
        }
        for half in ["encoder", "decoder"] {
            for (original, diffusers) in
                [("conv_in", "conv_in"), ("norm_out", "conv_norm_out"), ("conv_out", "conv_out")]
            {
                names.add(format!("{half}.{original}"), format!("{half}.{diffusers}"));
            }
            let (from, to) = (format!("{half}.mid"), format!("{half}.mid_block"));
            names.block(&format!("{from}.block_1"), &format!("{to}.resnets.0"), RESIDUAL);
            names.block(&format!("{from}.attn_1"), &format!("{to}.attentions.0"), ATTENTION);
            names.block(&format!("{from}.block_2"), &format!("{to}.resnets.1"), RESIDUAL);
        }
        let last = config.channels.len() - 1;
        for at in 0..=last {
            let (down, down_blocks) = (format!("encoder.down.{at}"), format!("encoder.down_blocks.{at}"));
            let (up, up_blocks) = (format!("decoder.up.{}", last - at), format!("decoder.up_blocks.{at}"));
            for layer in 0..config.layers {
                names.block(&format!("{down}.block.{layer}"), &format!("{down_blocks}.resnets.{layer}"), RESIDUAL);
            }
            for layer in 0..=config.layers {
                names.block(&format!("{up}.block.{layer}"), &format!("{up_blocks}.resnets.{layer}"), RESIDUAL);
            }
            if at < last {
                names.add(format!("{down}.downsample.conv"), format!("{down_blocks}.downsamplers.0.conv"));
                names.add(format!("{up}.upsample.conv"), format!("{up_blocks}.upsamplers.0.conv"));
            }
        }
        names
    }
}
