//! `config.json` of a denoiser.
//!
//! Refuses, by key: everything that the reference's class can do and no model here asks for.

use serde_json::json;

use crate::error::PaintError;
use crate::model_config::ModelConfig;
use crate::resnet::Norms;

/// Most sizes of latents within the model.
const BLOCKS_MAX: usize = 8;

/// Most layers of one kind at one size.
const LAYERS_MAX: usize = 64;

/// Width and inputs of SDXL's size embedding.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct SizeWidths {
    /// Sines and cosines for each number.
    pub(crate) width: usize,
    /// Pooled text and all of them.
    pub(crate) inputs: usize,
}

/// What a denoiser is, from its `config.json`.
#[derive(Clone, Debug, PartialEq)]
pub struct UNetConfig {
    /// Channels of the latents it reads.
    pub in_channels: usize,
    /// Channels of its output.
    pub out_channels: usize,
    /// Numbers for each token of the text.
    pub text_width: usize,
    /// The side of the latents it was made for, where the file says.
    pub sample_size: Option<usize>,
    pub(crate) channels: Vec<usize>,
    /// Whether the blocks on the way down and on the way up have attention.
    pub(crate) down_attention: Vec<bool>,
    pub(crate) up_attention: Vec<bool>,
    pub(crate) layers: Vec<usize>,
    pub(crate) transformers: Vec<usize>,
    pub(crate) heads: Vec<usize>,
    pub(crate) norms: Norms,
    pub(crate) linear_projection: bool,
    pub(crate) flip_sin_to_cos: bool,
    pub(crate) freq_shift: f64,
    pub(crate) time_width: usize,
    pub(crate) size_condition: Option<SizeWidths>,
}

impl UNetConfig {
    /// Reads a `config.json`.
    ///
    /// # Errors
    /// `BadModel` with the key that is missing, unknown or asks for something that we do not do.
    pub fn parse(text: &str) -> Result<Self, PaintError> {
        let keys = ModelConfig::parse("config.json", text)?;
        refuse_what_we_do_not_do(&keys)?;
        let channels = keys.list("block_out_channels", BLOCKS_MAX)?;
        let count = channels.len();
        let head_sizes = keys.sizes("attention_head_dim", count, Some(8))?;
        // The key for heads came later; in files without it the other one is the number of heads, by an old mistake.
        let heads = match keys.optional_size("num_attention_heads") {
            Ok(None) => head_sizes,
            _ => keys.sizes("num_attention_heads", count, None)?,
        };
        let text_widths = keys.sizes("cross_attention_dim", count, Some(1_280))?;
        let norms =
            Norms { groups: keys.size("norm_num_groups", Some(32))?, eps: keys.number("norm_eps", Some(1e-5))? };
        let config = Self {
            in_channels: keys.size("in_channels", Some(4))?,
            out_channels: keys.size("out_channels", Some(4))?,
            text_width: text_widths[0],
            sample_size: keys.optional_size("sample_size")?,
            down_attention: attention(&keys, "down_block_types", "CrossAttnDownBlock2D", "DownBlock2D", count)?,
            up_attention: attention(&keys, "up_block_types", "CrossAttnUpBlock2D", "UpBlock2D", count)?,
            layers: keys.sizes("layers_per_block", count, Some(2))?,
            transformers: keys.sizes("transformer_layers_per_block", count, Some(1))?,
            heads,
            norms,
            linear_projection: keys.flag("use_linear_projection", false)?,
            flip_sin_to_cos: keys.flag("flip_sin_to_cos", true)?,
            freq_shift: keys.number("freq_shift", Some(0.0))?,
            time_width: keys.size("time_embedding_dim", Some(4 * channels[0]))?,
            size_condition: size_condition(&keys)?,
            channels,
        };
        keys.finish(&["addition_embed_type_num_heads", "dropout", "upcast_attention"])?;
        config.check(&keys, &text_widths)?;
        Ok(config)
    }

    /// Whether it is told the image's sizes and the pooled text beside the prompt, as SDXL is.
    #[must_use]
    pub fn takes_sizes(&self) -> bool {
        self.size_condition.is_some()
    }

    /// Numbers of the pooled text that it reads, where it reads one: what its size embedding has beside the six sizes.
    #[must_use]
    pub fn pooled_width(&self) -> Option<usize> {
        const SIZES: usize = 6;
        self.size_condition.map(|sizes| sizes.inputs.saturating_sub(SIZES * sizes.width))
    }

    /// Channels of the largest size within the model.
    #[must_use]
    pub fn first_channels(&self) -> usize {
        self.channels[0]
    }

    fn check(&self, keys: &ModelConfig, text_widths: &[usize]) -> Result<(), PaintError> {
        let few = |counts: &[usize]| counts.iter().all(|count| *count <= LAYERS_MAX);
        if !few(&self.layers) || !few(&self.transformers) {
            return Err(keys.wrong("a number of layers is out of range"));
        }
        if text_widths.iter().any(|width| *width != self.text_width) {
            return Err(keys.wrong("`cross_attention_dim` differs between blocks"));
        }
        if self.norms.eps <= 0.0 {
            return Err(keys.wrong("`norm_eps` is out of range"));
        }
        for (channels, heads) in self.channels.iter().zip(&self.heads) {
            if !channels.is_multiple_of(self.norms.groups) {
                return Err(keys.wrong("`block_out_channels` has no multiple of `norm_num_groups`"));
            }
            if !channels.is_multiple_of(*heads) {
                return Err(keys.wrong("`block_out_channels` cannot be divided into its heads"));
            }
        }
        Ok(())
    }
}

fn attention(
    keys: &ModelConfig,
    key: &str,
    with: &str,
    without: &str,
    count: usize,
) -> Result<Vec<bool>, PaintError> {
    let kinds = keys.words(key, BLOCKS_MAX)?;
    if kinds.len() != count {
        return Err(keys.wrong(format!("`{key}` has another length than `block_out_channels`")));
    }
    let kind = |kind: &&str| match *kind {
        kind if kind == with => Ok(true),
        kind if kind == without => Ok(false),
        other => Err(keys.wrong(format!("`{key}` has a {other}, which we do not do"))),
    };
    kinds.iter().map(kind).collect()
}

fn size_condition(keys: &ModelConfig) -> Result<Option<SizeWidths>, PaintError> {
    keys.only("addition_embed_type", &[json!("text_time")])?;
    let width = keys.optional_size("addition_time_embed_dim")?;
    let inputs = keys.optional_size("projection_class_embeddings_input_dim")?;
    match (keys.word("addition_embed_type")?, width, inputs) {
        (None, _, _) => Ok(None),
        (Some(_), Some(width), Some(inputs)) => Ok(Some(SizeWidths { width, inputs })),
        _ => Err(keys.wrong("`addition_embed_type` is there without the widths that it needs")),
    }
}

fn refuse_what_we_do_not_do(keys: &ModelConfig) -> Result<(), PaintError> {
    let (off, one, none) = (json!(false), json!(1.0), []);
    for (key, allowed) in [
        ("act_fn", vec![json!("silu"), json!("swish")]),
        ("attention_type", vec![json!("default")]),
        ("center_input_sample", vec![off.clone()]),
        ("class_embed_type", none.to_vec()),
        ("class_embeddings_concat", vec![off.clone()]),
        ("conv_in_kernel", vec![json!(3)]),
        ("conv_out_kernel", vec![json!(3)]),
        ("cross_attention_norm", none.to_vec()),
        ("downsample_padding", vec![json!(1)]),
        ("dual_cross_attention", vec![off.clone()]),
        ("encoder_hid_dim", none.to_vec()),
        ("encoder_hid_dim_type", none.to_vec()),
        ("mid_block_only_cross_attention", vec![off.clone()]),
        ("mid_block_scale_factor", vec![one.clone()]),
        ("mid_block_type", vec![json!("UNetMidBlock2DCrossAttn")]),
        ("num_class_embeds", none.to_vec()),
        ("only_cross_attention", vec![off.clone()]),
        ("resnet_out_scale_factor", vec![one]),
        ("resnet_skip_time_act", vec![off]),
        ("resnet_time_scale_shift", vec![json!("default")]),
        ("reverse_transformer_layers_per_block", none.to_vec()),
        ("time_cond_proj_dim", none.to_vec()),
        ("time_embedding_act_fn", none.to_vec()),
        ("time_embedding_type", vec![json!("positional")]),
        ("timestep_post_act", none.to_vec()),
    ] {
        keys.only(key, &allowed)?;
    }
    Ok(())
}
