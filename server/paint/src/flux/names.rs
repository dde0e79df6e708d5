//! The names of FLUX's tensors in the original layout, and those of diffusers that stand for the same numbers.
//!
//! Refuses: nothing. A name that is not known stays as it is, so that the load fails with it.

/// The first of some rows, and how many there are.
pub(crate) type Rows = (usize, usize);

/// A tensor under the name of diffusers: some rows of one in the original layout.
pub(crate) struct Part {
    pub(crate) name: String,
    pub(crate) rows: Vec<Rows>,
}

/// Layers outside of the blocks.
const OUTER: &[(&str, &str)] = &[
    ("img_in", "x_embedder"),
    ("txt_in", "context_embedder"),
    ("time_in.in_layer", "time_text_embed.timestep_embedder.linear_1"),
    ("time_in.out_layer", "time_text_embed.timestep_embedder.linear_2"),
    ("guidance_in.in_layer", "time_text_embed.guidance_embedder.linear_1"),
    ("guidance_in.out_layer", "time_text_embed.guidance_embedder.linear_2"),
    ("vector_in.in_layer", "time_text_embed.text_embedder.linear_1"),
    ("vector_in.out_layer", "time_text_embed.text_embedder.linear_2"),
    ("final_layer.linear", "proj_out"),
    ("final_layer.adaLN_modulation.1", "norm_out.linear"),
];

/// Layers within a block of two streams; three names stand for thirds of the rows.
const DOUBLE: &[(&str, &[&str])] = &[
    ("img_mod.lin", &["norm1.linear"]),
    ("txt_mod.lin", &["norm1_context.linear"]),
    ("img_attn.qkv", &["attn.to_q", "attn.to_k", "attn.to_v"]),
    ("txt_attn.qkv", &["attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj"]),
    ("img_attn.norm.query_norm", &["attn.norm_q"]),
    ("img_attn.norm.key_norm", &["attn.norm_k"]),
    ("txt_attn.norm.query_norm", &["attn.norm_added_q"]),
    ("txt_attn.norm.key_norm", &["attn.norm_added_k"]),
    ("img_attn.proj", &["attn.to_out.0"]),
    ("txt_attn.proj", &["attn.to_add_out"]),
    ("img_mlp.0", &["ff.net.0.proj"]),
    ("img_mlp.2", &["ff.net.2"]),
    ("txt_mlp.0", &["ff_context.net.0.proj"]),
    ("txt_mlp.2", &["ff_context.net.2"]),
];

/// Layers within a block of one stream; four names stand for one seventh each and the rest of the rows.
const SINGLE: &[(&str, &[&str])] = &[
    ("modulation.lin", &["norm.linear"]),
    ("linear1", &["attn.to_q", "attn.to_k", "attn.to_v", "proj_mlp"]),
    ("linear2", &["proj_out"]),
    ("norm.query_norm", &["attn.norm_q"]),
    ("norm.key_norm", &["attn.norm_k"]),
];

/// What a tensor of so many rows is in diffusers.
pub(crate) fn parts(original: &str, rows: usize) -> Vec<Part> {
    found(original, rows).unwrap_or_else(|| vec![Part { name: original.to_owned(), rows: vec![(0, rows)] }])
}

/// The layer of the original layout that has the numbers of one of diffusers.
pub(crate) fn original(layer: &str) -> Option<String> {
    if let Some((from, _)) = OUTER.iter().find(|(_, to)| *to == layer) {
        return Some((*from).to_owned());
    }
    let (blocks, rest) = layer.split_once('.')?;
    let (number, layer) = rest.split_once('.')?;
    let (blocks, table) = match blocks {
        "transformer_blocks" => ("double_blocks", DOUBLE),
        "single_transformer_blocks" => ("single_blocks", SINGLE),
        _ => return None,
    };
    let (from, _) = table.iter().find(|(_, names)| names.contains(&layer))?;
    Some(format!("{blocks}.{number}.{from}"))
}

fn found(original: &str, rows: usize) -> Option<Vec<Part>> {
    let (layer, end) = original.rsplit_once('.')?;
    let end = match end {
        "scale" | "weight" => "weight",
        "bias" => "bias",
        _ => return None,
    };
    if let Some((from, to)) = OUTER.iter().find(|(from, _)| *from == layer) {
        let half = rows / 2;
        // Scale and offset stand in the other order.
        let swapped = *from == "final_layer.adaLN_modulation.1";
        let rows = if swapped { vec![(half, rows - half), (0, half)] } else { vec![(0, rows)] };
        return Some(vec![Part { name: format!("{to}.{end}"), rows }]);
    }
    let (blocks, table) = match layer.split_once('.')? {
        ("double_blocks", _) => ("transformer_blocks", DOUBLE),
        ("single_blocks", _) => ("single_transformer_blocks", SINGLE),
        _ => return None,
    };
    let (_, rest) = layer.split_once('.')?;
    let (number, layer) = rest.split_once('.')?;
    let (_, names) = table.iter().find(|(from, _)| *from == layer)?;
    // Queries, keys and values are as wide as the model; what is within a layer is four times as wide.
    let each = match names.len() {
        1 => rows,
        3 => rows / 3,
        _ => rows / 7,
    };
    let part = |(at, name): (usize, &&str)| {
        let stop = if at + 1 == names.len() { rows } else { (at + 1) * each };
        Part { name: format!("{blocks}.{number}.{name}.{end}"), rows: vec![(at * each, stop - at * each)] }
    };
    Some(names.iter().enumerate().map(part).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(original: &str, rows: usize, expected: &[(&str, &[Rows])]) {
        let got: Vec<(String, Vec<Rows>)> =
            parts(original, rows).into_iter().map(|part| (part.name, part.rows)).collect();
        let expected: Vec<(String, Vec<Rows>)> =
            expected.iter().map(|(name, rows)| ((*name).to_owned(), rows.to_vec())).collect();
        assert_eq!(got, expected, "{original}");
    }

    #[test]
    fn layers_have_their_original_names() {
        for (layer, expected) in [
            ("x_embedder", Some("img_in")),
            ("norm_out.linear", Some("final_layer.adaLN_modulation.1")),
            ("transformer_blocks.3.attn.add_k_proj", Some("double_blocks.3.txt_attn.qkv")),
            ("transformer_blocks.18.ff.net.0.proj", Some("double_blocks.18.img_mlp.0")),
            ("single_transformer_blocks.37.proj_mlp", Some("single_blocks.37.linear1")),
            ("single_transformer_blocks.0.proj_out", Some("single_blocks.0.linear2")),
            ("single_transformer_blocks.0.ff.net.2", None),
            ("layers.0.attention.to_q", None),
            ("", None),
        ] {
            assert_eq!(original(layer).as_deref(), expected, "{layer}");
        }
    }

    #[test]
    fn names_and_rows() {
        check("img_in.weight", 8, &[("x_embedder.weight", &[(0, 8)])]);
        check("final_layer.adaLN_modulation.1.bias", 8, &[("norm_out.linear.bias", &[(4, 4), (0, 4)])]);
        check(
            "double_blocks.12.txt_attn.qkv.weight",
            9,
            &[
                ("transformer_blocks.12.attn.add_q_proj.weight", &[(0, 3)]),
                ("transformer_blocks.12.attn.add_k_proj.weight", &[(3, 3)]),
                ("transformer_blocks.12.attn.add_v_proj.weight", &[(6, 3)]),
            ],
        );
        check(
            "single_blocks.0.linear1.bias",
            14,
            &[
                ("single_transformer_blocks.0.attn.to_q.bias", &[(0, 2)]),
                ("single_transformer_blocks.0.attn.to_k.bias", &[(2, 2)]),
                ("single_transformer_blocks.0.attn.to_v.bias", &[(4, 2)]),
                ("single_transformer_blocks.0.proj_mlp.bias", &[(6, 8)]),
            ],
        );
        check(
            "double_blocks.0.img_attn.norm.key_norm.scale",
            4,
            &[("transformer_blocks.0.attn.norm_k.weight", &[(0, 4)])],
        );
        for unknown in ["", "bias", "img_in.other", "double_blocks.0", "double_blocks.0.odd.weight", "vae.weight"]
        {
            check(unknown, 3, &[(unknown, &[(0, 3)])]);
        }
    }
}
