//! The layers of the denoiser: one row of blocks down and one up, each counted through all sizes.
//!
//! Refuses: nothing; what a configuration may say was checked when it was read.

use super::Names;
use crate::unet::UNetConfig;

/// Layers outside of the blocks.
const OUTER: &[(&str, &str)] = &[
    ("input_blocks.0.0", "conv_in"),
    ("time_embed.0", "time_embedding.linear_1"),
    ("time_embed.2", "time_embedding.linear_2"),
    ("out.0", "conv_norm_out"),
    ("out.2", "conv_out"),
];

/// What SDXL is told of sizes.
const SIZES: &[(&str, &str)] =
    &[("label_emb.0.0", "add_embedding.linear_1"), ("label_emb.0.2", "add_embedding.linear_2")];

/// Layers of a residual block.
const RESIDUAL: &[(&str, &str)] = &[
    ("in_layers.0", "norm1"),
    ("in_layers.2", "conv1"),
    ("emb_layers.1", "time_emb_proj"),
    ("out_layers.0", "norm2"),
    ("out_layers.3", "conv2"),
    ("skip_connection", "conv_shortcut"),
];

impl Names {
    /// Those of a denoiser.
    pub(crate) fn of_unet(config: &UNetConfig) -> Self {
        let mut names = Self::default();
        let sizes = if config.size_condition.is_some() { SIZES } else { &[] };
        for (original, diffusers) in OUTER.iter().chain(sizes) {
            names.add(*original, *diffusers);
        }
        let last = config.channels.len() - 1;
        // The first of the row down is the layer that reads the latent.
        let mut input = 1;
        for at in 0..=last {
            let block = format!("down_blocks.{at}");
            for layer in 0..config.layers[at] {
                names.pair(&format!("input_blocks.{input}"), &block, layer, config.down_attention[at]);
                input += 1;
            }
            if at < last {
                names.add(format!("input_blocks.{input}.0.op"), format!("{block}.downsamplers.0.conv"));
                input += 1;
            }
        }
        names.block("middle_block.0", "mid_block.resnets.0", RESIDUAL);
        names.add("middle_block.1", "mid_block.attentions.0");
        names.block("middle_block.2", "mid_block.resnets.1", RESIDUAL);
        let mut output = 0;
        for at in 0..=last {
            let (block, attention) = (format!("up_blocks.{at}"), config.up_attention[at]);
            for layer in 0..=config.layers[last - at] {
                names.pair(&format!("output_blocks.{output}"), &block, layer, attention);
                output += 1;
            }
            // What makes a latent larger stands behind the last pair of its size, not in a place of its own.
            if at < last {
                let (pair, place) = (output - 1, 1 + usize::from(attention));
                let original = format!("output_blocks.{pair}.{place}.conv");
                names.add(original, format!("{block}.upsamplers.0.conv"));
            }
        }
        names
    }

    /// A residual block, and the attention behind it.
    fn pair(&mut self, original: &str, block: &str, layer: usize, attention: bool) {
        self.block(&format!("{original}.0"), &format!("{block}.resnets.{layer}"), RESIDUAL);
        if attention {
            self.add(format!("{original}.1"), format!("{block}.attentions.{layer}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(config: &str, pairs: &[(&str, &str)]) {
        let names = Names::of_unet(&UNetConfig::parse(config).unwrap());
        for (diffusers, original) in pairs {
            assert_eq!(names.original(diffusers).as_deref(), Some(*original), "{diffusers}");
            assert_eq!(names.diffusers(original).as_deref(), Some(*diffusers), "{original}");
        }
        for unknown in ["", "conv", "conv_input.weight", "down_blocks.9.resnets.0.conv1", "down_blocks"] {
            assert_eq!(names.original(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn blocks_are_counted_as_they_were_first() {
        check(
            r#"{"block_out_channels": [320, 640, 1280, 1280], "cross_attention_dim": 768,
                "down_block_types": ["CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D",
                                     "DownBlock2D"],
                "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"]}"#,
            &[
                ("conv_in.weight", "input_blocks.0.0.weight"),
                ("time_embedding.linear_2.bias", "time_embed.2.bias"),
                ("down_blocks.0.attentions.1.proj_in.weight", "input_blocks.2.1.proj_in.weight"),
                ("down_blocks.0.downsamplers.0.conv.bias", "input_blocks.3.0.op.bias"),
                ("down_blocks.1.resnets.0.conv_shortcut.weight", "input_blocks.4.0.skip_connection.weight"),
                ("down_blocks.3.resnets.1.norm2.weight", "input_blocks.11.0.out_layers.0.weight"),
                ("mid_block.resnets.1.time_emb_proj.bias", "middle_block.2.emb_layers.1.bias"),
                ("mid_block.attentions.0.norm.bias", "middle_block.1.norm.bias"),
                ("up_blocks.0.upsamplers.0.conv.weight", "output_blocks.2.1.conv.weight"),
                ("up_blocks.1.upsamplers.0.conv.weight", "output_blocks.5.2.conv.weight"),
                (
                    "up_blocks.3.attentions.2.transformer_blocks.0.attn2.to_k",
                    "output_blocks.11.1.transformer_blocks.0.attn2.to_k",
                ),
                ("conv_norm_out.weight", "out.0.weight"),
            ],
        );
        check(
            r#"{"block_out_channels": [320, 640, 1280], "cross_attention_dim": 2048,
                "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
                "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
                "layers_per_block": [1, 2, 3], "addition_embed_type": "text_time", "addition_time_embed_dim": 256,
                "projection_class_embeddings_input_dim": 2816}"#,
            &[
                ("add_embedding.linear_1.weight", "label_emb.0.0.weight"),
                ("down_blocks.1.resnets.0.norm1.bias", "input_blocks.3.0.in_layers.0.bias"),
                ("down_blocks.2.attentions.2.norm.bias", "input_blocks.8.1.norm.bias"),
                ("up_blocks.0.upsamplers.0.conv.bias", "output_blocks.3.2.conv.bias"),
                ("up_blocks.2.resnets.1.conv2.bias", "output_blocks.8.0.out_layers.3.bias"),
            ],
        );
    }
}
