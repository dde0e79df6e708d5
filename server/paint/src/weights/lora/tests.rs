//! LoRA files of every spelling, and those that are refused.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::{Changes, Listed, Merged, Places, open, parse};
use crate::error::PaintError;
use crate::weights::tests::{file, reason, with_header};
use crate::weights::{SafetensorFiles, TensorSource};

/// A tensor of a file: its name, its shape and its numbers.
type Given<'a> = (&'a str, &'a [usize], &'a [f32]);

/// The model that is changed: a layer of attention, a convolution and a vector of the denoiser, and a layer of the text
/// encoder.
const MODEL: &[Given<'_>] = &[
    ("blocks.0.attn1.to_out.0.weight", &[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]),
    ("blocks.0.attn1.to_out.0.bias", &[2], &[0.0, 0.0]),
    ("blocks.0.conv1.weight", &[2, 1, 1, 2], &[1.0, 1.0, 1.0, 1.0]),
    ("blocks.0.norm.weight", &[2], &[1.0, 1.0]),
];
const TEXT: &[Given<'_>] = &[("encoder.layers.0.self_attn.q_proj.weight", &[1, 1], &[10.0])];

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("loras")).unwrap();
        fs::write(folder.path().join("unet.safetensors"), file(MODEL)).unwrap();
        fs::write(folder.path().join("text.safetensors"), file(TEXT)).unwrap();
        Self(folder)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path().join("loras").join(name), bytes).unwrap();
    }

    /// What these files change, each with its scale.
    fn changes(&self, listed: &[(&str, f64)]) -> Result<BTreeMap<String, Changes>, PaintError> {
        let mut places = Places::default();
        for (part, name) in [("unet", "unet.safetensors"), ("text_encoder", "text.safetensors")] {
            places.add(part, &SafetensorFiles::single(self.path(), name)?.names(), None);
        }
        let listed: Vec<Listed> =
            listed.iter().map(|(file, scale)| Listed { file: (*file).to_owned(), scale: *scale }).collect();
        open(self.path(), &listed, &places)
    }

    /// A tensor with all changes.
    fn merged(&self, listed: &[(&str, f64)], model: &[Given<'_>], at: usize) -> Result<Vec<f32>, PaintError> {
        let (part, name) =
            if model == TEXT { ("text_encoder", "text.safetensors") } else { ("unet", "unet.safetensors") };
        let changes = self.changes(listed)?.remove(part).unwrap_or_default();
        let source = SafetensorFiles::single(self.path(), name)?;
        Merged::new(Box::new(source), changes).read(model[at].0, model[at].1)
    }
}

const LAYER: &str = "unet.blocks.0.attn1.to_out.0";

/// A file for that layer, whose product is 1 to 3 in the first row and their tenfold in the second.
fn lora(down: &str, up: &str, alpha: Option<&str>) -> Vec<u8> {
    let mut tensors: Vec<Given<'_>> = vec![(down, &[1, 3], &[1.0, 2.0, 3.0]), (up, &[2, 1], &[1.0, 10.0])];
    tensors.extend(alpha.map(|name| (name, &[] as &[usize], &[0.5f32] as &[f32])));
    file(&tensors)
}

#[test]
fn a_product_is_added_times_scale_and_alpha_over_rank() {
    let folder = Folder::new();
    folder.write(
        "plain.safetensors",
        &lora(&format!("{LAYER}.lora_A.weight"), &format!("{LAYER}.lora_B.weight"), None),
    );
    let alpha = format!("{LAYER}.alpha");
    let half = lora(&format!("{LAYER}.lora_A.weight"), &format!("{LAYER}.lora_B.weight"), Some(&alpha));
    folder.write("half.safetensors", &half);
    let merged = |listed: &[(&str, f64)]| folder.merged(listed, MODEL, 0).unwrap();
    assert_eq!(merged(&[]), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    assert_eq!(merged(&[("plain.safetensors", 1.0)]), [2.0, 4.0, 6.0, 14.0, 25.0, 36.0]);
    assert_eq!(merged(&[("half.safetensors", 2.0)]), [2.0, 4.0, 6.0, 14.0, 25.0, 36.0]);
    assert_eq!(merged(&[("plain.safetensors", -1.0)]), [0.0, 0.0, 0.0, -6.0, -15.0, -24.0]);
    let both = [("plain.safetensors", 1.0), ("half.safetensors", -1.0)];
    assert_eq!(merged(&both), [1.5, 3.0, 4.5, 9.0, 15.0, 21.0]);
    // Of rank two, in half: 0.25 * (1 * 4 + 2 * 8), for each place of a convolution.
    let conv = "unet.blocks.0.conv1";
    let down: Given<'_> = (&format!("{conv}.lora_A.weight"), &[2, 1, 1, 2], &[4.0, 0.0, 8.0, 0.0]);
    let up: Given<'_> = (&format!("{conv}.lora_B.weight"), &[2, 2, 1, 1], &[1.0, 2.0, 0.0, 0.0]);
    folder.write("conv.safetensors", &file(&[down, up, (&format!("{conv}.alpha"), &[1], &[0.5])]));
    assert_eq!(folder.merged(&[("conv.safetensors", 1.0)], MODEL, 2).unwrap(), [6.0, 1.0, 1.0, 1.0]);
}

#[test]
fn what_diffusers_writes_beside_the_tensors_is_read() {
    let folder = Folder::new();
    let (down, up) = (format!("{LAYER}.lora_A.weight"), format!("{LAYER}.lora_B.weight"));
    let told = |metadata: serde_json::Value| {
        let header = serde_json::json!({
            "__metadata__": {"lora_adapter_metadata": metadata.to_string()},
            down.clone(): {"dtype": "F32", "shape": [1, 3], "data_offsets": [0, 12]},
            up.clone(): {"dtype": "F32", "shape": [2, 1], "data_offsets": [12, 20]},
        });
        let data: Vec<u8> = [1.0f32, 2.0, 3.0, 1.0, 10.0].into_iter().flat_map(f32::to_le_bytes).collect();
        folder.write("told.safetensors", &with_header(&header.to_string(), &data));
        folder.merged(&[("told.safetensors", 1.0)], MODEL, 0)
    };
    let sound =
        serde_json::json!({"unet.lora_alpha": 2, "unet.r": 1, "unet.alpha_pattern": {}, "unet.use_dora": false});
    assert_eq!(told(sound).unwrap(), [3.0, 6.0, 9.0, 24.0, 45.0, 66.0]);
    for (metadata, said) in [
        (serde_json::json!({"unet.alpha_pattern": {"to_q": 4}}), "unet.alpha_pattern"),
        (serde_json::json!({"unet.use_rslora": true}), "unet.use_rslora"),
        (serde_json::json!({"unet.use_dora": true}), "unet.use_dora"),
        (serde_json::json!({"unet.lora_alpha": "much"}), "unet.lora_alpha"),
        (serde_json::json!([1]), "lora_adapter_metadata"),
    ] {
        let got = reason(told(metadata));
        assert!(got.contains("loras/told.safetensors") && got.contains(said), "{said}: {got}");
    }
}

/// Some writers count ranks in whole numbers, and some have all numbers twice as long.
#[test]
fn an_alpha_may_be_of_another_type() {
    let folder = Folder::new();
    for (dtype, alpha) in [("I64", 2i64.to_le_bytes()), ("F64", 2.0f64.to_le_bytes())] {
        let header = serde_json::json!({
            format!("{LAYER}.lora_A.weight"): {"dtype": "F32", "shape": [1, 3], "data_offsets": [0, 12]},
            format!("{LAYER}.lora_B.weight"): {"dtype": "F32", "shape": [2, 1], "data_offsets": [12, 20]},
            format!("{LAYER}.alpha"): {"dtype": dtype, "shape": [], "data_offsets": [20, 28]},
        });
        let numbers = [1.0f32, 2.0, 3.0, 1.0, 10.0].into_iter().flat_map(f32::to_le_bytes);
        let data: Vec<u8> = numbers.chain(alpha).collect();
        folder.write("alpha.safetensors", &with_header(&header.to_string(), &data));
        let merged = folder.merged(&[("alpha.safetensors", 1.0)], MODEL, 0).unwrap();
        assert_eq!(merged, [3.0, 6.0, 9.0, 24.0, 45.0, 66.0], "{dtype}");
    }
}

#[test]
fn every_spelling_of_a_layer_is_that_layer() {
    let folder = Folder::new();
    for (down, up) in [
        ("unet.blocks.0.attn1.to_out.0.lora.down.weight", "unet.blocks.0.attn1.to_out.0.lora.up.weight"),
        (
            "unet.blocks.0.attn1.processor.to_out_lora.down.weight",
            "unet.blocks.0.attn1.processor.to_out_lora.up.weight",
        ),
        ("blocks.0.attn1.processor.to_out_lora.down.weight", "blocks.0.attn1.processor.to_out_lora.up.weight"),
        ("lora_unet_blocks_0_attn1_to_out_0.lora_down.weight", "lora_unet_blocks_0_attn1_to_out_0.lora_up.weight"),
    ] {
        folder.write("a.safetensors", &lora(down, up, None));
        let merged = folder.merged(&[("a.safetensors", 1.0)], MODEL, 0).unwrap();
        assert_eq!(merged, [2.0, 4.0, 6.0, 14.0, 25.0, 36.0], "{down}");
    }
    let layers = "layers.0.self_attn";
    for (down, up) in [
        (format!("text_encoder.encoder.{layers}.q_proj.lora_A"), "lora_B"),
        (format!("text_encoder.text_model.encoder.{layers}.q_proj.lora_A"), "lora_B"),
        (
            format!("text_encoder.text_model.encoder.{layers}.q_proj.lora_linear_layer.down"),
            "lora_linear_layer.up",
        ),
        (format!("text_encoder.text_model.encoder.{layers}.to_q_lora.down"), "to_q_lora.up"),
        ("lora_te_text_model_encoder_layers_0_self_attn_q_proj.lora_down".to_owned(), "lora_up"),
        ("lora_te1_text_model_encoder_layers_0_self_attn_q_proj.lora_down".to_owned(), "lora_up"),
    ] {
        let layer = down.strip_suffix(&up.replace("_B", "_A").replace("up", "down")).unwrap();
        let (down, up) = (format!("{down}.weight"), format!("{layer}{up}.weight"));
        folder.write("b.safetensors", &file(&[(&down, &[1, 1], &[3.0]), (&up, &[1, 1], &[2.0])]));
        assert_eq!(folder.merged(&[("b.safetensors", 1.0)], TEXT, 0).unwrap(), [16.0], "{down}");
    }
}

#[test]
fn what_cannot_be_merged_is_refused_by_name() {
    let folder = Folder::new();
    let named = |name: &str| format!("{LAYER}.{name}");
    let [down, up, alpha, hada, dora] =
        ["lora_A.weight", "lora_B.weight", "alpha", "hada_w1_a", "lora_magnitude_vector.weight"].map(named);
    let (sound_down, sound_up): (Given<'_>, Given<'_>) = ((&down, &[1, 3], &[1.0; 3]), (&up, &[2, 1], &[1.0; 2]));
    let bias = named("lora_B.bias");
    let conv = "lora_unet_blocks_0_conv1";
    let [lokr, mid, scale] = ["lokr_w1", "lora_mid.weight", "dora_scale"].map(|end| format!("{conv}.{end}"));
    let twice = named("lora.down.weight");
    let norm = ["unet.blocks.0.norm.lora_A.weight", "unet.blocks.0.norm.lora_B.weight"];
    let cases: &[(&[Given<'_>], &[&str])] = &[
        (&[], &["changes nothing"]),
        (&[sound_down, sound_up, (&hada, &[1], &[1.0])], &["LoHa", &hada]),
        (&[sound_down, sound_up, (&lokr, &[1], &[1.0])], &["LoKr", &lokr]),
        (&[sound_down, sound_up, (&scale, &[1], &[1.0])], &["DoRA", &scale]),
        (&[sound_down, sound_up, (&dora, &[1], &[1.0])], &["DoRA", &dora]),
        (&[sound_down, sound_up, (&mid, &[1], &[1.0])], &["three matrices", &mid]),
        (
            &[sound_down, sound_up, ("unet.odd.lora_A.weight", &[1], &[1.0])],
            &["no part", "unet.odd.lora_A.weight"],
        ),
        (&[sound_down, sound_up, (&bias, &[2], &[1.0; 2])], &["no part", &bias]),
        (&[sound_down, sound_up, ("emphasis", &[1], &[1.0])], &["no part", "emphasis"]),
        (&[sound_down, sound_up, (&twice, &[1, 3], &[1.0; 3])], &["are the same", &twice]),
        (&[sound_down], &["counterpart", &down]),
        (&[sound_up, (&alpha, &[], &[1.0])], &["counterpart", &up]),
        (&[(&alpha, &[], &[1.0])], &["counterpart", &alpha]),
        (&[sound_down, sound_up, (&alpha, &[2], &[1.0; 2])], &["no number", &alpha]),
        (&[sound_down, sound_up, (&alpha, &[], &[f32::NAN])], &["no number", &alpha]),
        (&[(&down, &[1, 2], &[1.0; 2]), sound_up], &["do not fit", "[1, 2]", "[2, 3]"]),
        (&[sound_down, (&up, &[3, 1], &[1.0; 3])], &["do not fit", "[3, 1]"]),
        (&[sound_down, (&up, &[2, 2], &[1.0; 4])], &["do not fit", "[2, 2]"]),
        (&[(&down, &[1, 3, 3], &[1.0; 9]), sound_up], &["do not fit", "[1, 3, 3]"]),
        (&[(&down, &[0, 3], &[]), sound_up], &["rank 0", &down]),
        (&[(&down, &[], &[1.0]), sound_up], &["rank 0", &down]),
        (&[(&down, &[5_000, 0], &[]), sound_up], &["rank 5000", &down]),
        (&[(&down, &[4_096, 0], &[]), (&up, &[0, 4_096], &[])], &["do not fit", "[4096, 0]"]),
        (&[(norm[0], &[1], &[1.0]), (norm[1], &[2, 1], &[1.0; 2])], &["do not fit", "blocks.0.norm.weight"]),
        (&[(&down, &[1, 3], &[1.0, f32::NAN, 1.0]), sound_up], &["not finite at place 1", &down]),
        (&[sound_down, (&up, &[2, 1], &[1.0, f32::INFINITY])], &["not finite at place 1", &up]),
    ];
    for (tensors, said) in cases {
        folder.write("odd.safetensors", &file(tensors));
        let at = if tensors.iter().any(|tensor| tensor.0 == norm[0]) { 3 } else { 0 };
        let got = reason(folder.merged(&[("odd.safetensors", 1.0)], MODEL, at));
        assert!(got.contains("loras/odd.safetensors: "), "{got}");
        assert!(said.iter().all(|said| got.contains(said)), "{said:?}: {got}");
    }
}

#[test]
fn damaged_and_hostile_files_are_errors() {
    let folder = Folder::new();
    let sound = lora(&format!("{LAYER}.lora_A.weight"), &format!("{LAYER}.lora_B.weight"), None);
    let entry = |shape: &str, dtype: &str| {
        let header = format!(
            r#"{{"{LAYER}.lora_A.weight": {{"dtype": "{dtype}", "shape": {shape}, "data_offsets": [0, 8]}},
                 "{LAYER}.lora_B.weight": {{"dtype": "F32", "shape": [2, 1], "data_offsets": [0, 8]}}}}"#
        );
        with_header(&header, &[0; 8])
    };
    let merged = |bytes: &[u8]| {
        folder.write("bad.safetensors", bytes);
        reason(folder.merged(&[("bad.safetensors", 1.0)], MODEL, 0))
    };
    assert!(reason(folder.changes(&[("absent.safetensors", 1.0)])).contains("loras/absent.safetensors"));
    for (bytes, said) in [
        (sound[..sound.len() - 1].to_vec(), "no part of the file"),
        (sound[..6].to_vec(), "too short"),
        (entry("[4294967296, 4294967296]", "F32"), "no part of the file"),
        (entry("[1, 18446744073709551615]", "F32"), "no part of the file"),
        (entry("[1, -3]", "F32"), "no part of the file"),
        // A type that no weight has may have any shape; only what fits is read.
        (entry("[18446744073709551615]", "I32"), "rank 18446744073709551615"),
        (entry("[1, 3]", "I32"), "of a type"),
        (entry("[1, 9223372036854775807]", "I32"), "do not fit"),
    ] {
        let got = merged(&bytes);
        assert!(got.contains("loras/bad.safetensors") && got.contains(said), "{said}: {got}");
    }
}

#[test]
fn lists_are_read_and_refused() {
    let listed =
        parse(r#"[{"file": "b.safetensors", "scale": 0.8}, {"file": "a.safetensors", "scale": -4}]"#).unwrap();
    let expected = [("b.safetensors", 0.8), ("a.safetensors", -4.0)];
    assert_eq!(listed, expected.map(|(file, scale)| Listed { file: file.to_owned(), scale }));
    assert_eq!(parse("[]").unwrap(), []);
    let many: Vec<String> = (0..9).map(|at| format!(r#"{{"file": "{at}.safetensors", "scale": 1}}"#)).collect();
    assert_eq!(parse(&format!("[{}]", many[..8].join(","))).unwrap().len(), 8);
    let of = |file: &str, scale: &str| format!(r#"[{{"file": "{file}", "scale": {scale}}}]"#);
    for (text, said) in [
        (format!("[{}]", many.join(",")), "takes 8"),
        (of("../a.safetensors", "1"), "no name"),
        (of("/a.safetensors", "1"), "no name"),
        (of("in\\\\a.safetensors", "1"), "no name"),
        (of("..", "1"), "no name"),
        (of("", "1"), "no name"),
        (of("a.bin", "1"), "no name"),
        (of("a.safetensors", "4.1"), "4.1"),
        (of("a.safetensors", "-5"), "-5"),
        (of("a.safetensors", "1e999"), "no list"),
        (of("a.safetensors", "null"), "no list"),
        (r#"[{"file": "a.safetensors"}]"#.to_owned(), "no list"),
        (r#"[{"file": "a.safetensors", "scale": 1, "odd": 1}]"#.to_owned(), "odd"),
        (r#"[{"file": "a.safetensors", "scale": 1}, {"file": "a.safetensors", "scale": 1}]"#.to_owned(), "twice"),
        ("{}".to_owned(), "no list"),
        ("[".to_owned(), "no list"),
    ] {
        let got = reason(parse(&text));
        assert!(got.contains("loras.json") && got.contains(said), "{said}: {got}");
    }
}
