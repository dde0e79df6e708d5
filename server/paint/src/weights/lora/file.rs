//! One LoRA file: which of its tensors belong together, and which tensor of the model they change.
//!
//! Refuses, by name: what has no place, no counterpart or no known kind.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;

use serde_json::{Map, Value};

use super::places::{Place, Places};
use super::{Change, Changes, Listed};
use crate::error::PaintError;
use crate::flux::names::Rows;
use crate::weights::{SafetensorFiles, TensorSource};

/// The folder of the files.
const FOLDER: &str = "loras";

/// Largest rank; those that are published go to a few hundred.
const RANK_MAX: usize = 4_096;

/// Where diffusers writes what a LoRA was made with.
const METADATA: &str = "lora_adapter_metadata";

/// Parts of names that tell of a change that is no product of two matrices, and what it is called.
const OTHER_KINDS: &[(&str, &str)] = &[
    ("hada_", "LoHa"),
    ("lokr_", "LoKr"),
    ("dora_scale", "DoRA"),
    ("lora_magnitude_vector", "DoRA"),
    ("lora_mid", "a LoCon of three matrices"),
    ("oft_", "OFT"),
];

#[derive(Clone, Copy)]
enum Piece {
    Down,
    Up,
    Alpha,
}

/// How names go on behind the layer's.
const PIECES: &[(&str, Piece)] = &[
    (".lora_down.weight", Piece::Down),
    (".lora_up.weight", Piece::Up),
    (".lora_A.weight", Piece::Down),
    (".lora_B.weight", Piece::Up),
    (".lora.down.weight", Piece::Down),
    (".lora.up.weight", Piece::Up),
    (".lora_linear_layer.down.weight", Piece::Down),
    (".lora_linear_layer.up.weight", Piece::Up),
    ("_lora.down.weight", Piece::Down),
    ("_lora.up.weight", Piece::Up),
    (".alpha", Piece::Alpha),
];

/// The tensors of a file for one tensor of the model.
#[derive(Default)]
struct Pieces {
    down: Option<String>,
    up: Option<String>,
    /// Rows of `up` that are for this tensor, where it has others as well.
    rows: Option<Vec<Rows>>,
    alpha: Option<String>,
}

/// Opens the listed files, of which the headers are read, and finds what they change in each part.
///
/// # Errors
/// `BadModel` with the file and the tensor that cannot be used.
pub(crate) fn open(
    folder: &Path,
    listed: &[Listed],
    places: &Places,
) -> Result<BTreeMap<String, Changes>, PaintError> {
    let mut changes: BTreeMap<String, Changes> = BTreeMap::new();
    for Listed { file, scale } in listed {
        let file = SafetensorFiles::single(folder, &format!("{FOLDER}/{file}"))?;
        let pieces = pieces(&file, places)?;
        let alphas = alphas(&file)?;
        let file = Rc::new(RefCell::new(file));
        for (Place { part, tensor }, pieces) in pieces {
            let change = change(&file, pieces, alphas.get(&part).copied(), *scale)?;
            changes.entry(part).or_default().entry(tensor).or_default().push(change);
        }
    }
    Ok(changes)
}

/// The tensors of a file by the tensor of the model that they change.
fn pieces(file: &SafetensorFiles, places: &Places) -> Result<BTreeMap<Place, Pieces>, PaintError> {
    let wrong = |reason: String| PaintError::bad_model(&file.place(), reason);
    let mut found: BTreeMap<Place, Pieces> = BTreeMap::new();
    for name in file.names() {
        if let Some((_, kind)) = OTHER_KINDS.iter().find(|(part, _)| name.contains(part)) {
            return Err(wrong(format!("`{name}` is of {kind}, which we do not do")));
        }
        let piece = PIECES.iter().find_map(|(end, piece)| Some((name.strip_suffix(end)?, piece)));
        let rows = file.shape(&name).first().copied().unwrap_or(0);
        let placed = piece.map(|(layer, piece)| (places.of(&today(layer), rows), piece));
        let (placed, piece) = placed
            .filter(|(placed, _)| !placed.is_empty())
            .ok_or_else(|| wrong(format!("`{name}` belongs to no part of the model")))?;
        for (place, rows) in placed {
            let tensor = place.tensor.clone();
            let pieces = found.entry(place).or_default();
            let slot = match piece {
                Piece::Down => &mut pieces.down,
                Piece::Up => {
                    pieces.rows = rows;
                    &mut pieces.up
                }
                Piece::Alpha => &mut pieces.alpha,
            };
            if let Some(other) = slot.replace(name.clone()) {
                return Err(wrong(format!("`{name}` and `{other}` are the same for `{tensor}`")));
            }
        }
    }
    if found.is_empty() {
        return Err(wrong("it changes nothing".to_owned()));
    }
    Ok(found)
}

/// A layer's name as it is now. It was once named after what attention was replaced by.
fn today(layer: &str) -> String {
    let layer = layer.replace(".processor.", ".");
    let Some((attention, name)) = layer.rsplit_once('.') else { return layer };
    let name = match (attention.ends_with("self_attn"), name) {
        (false, "to_out") => "to_out.0",
        (true, "to_q") => "q_proj",
        (true, "to_k") => "k_proj",
        (true, "to_v") => "v_proj",
        (true, "to_out") => "out_proj",
        _ => return layer,
    };
    format!("{attention}.{name}")
}

/// What diffusers says of each part instead of a tensor.
fn alphas(file: &SafetensorFiles) -> Result<BTreeMap<String, f64>, PaintError> {
    let wrong = |reason: String| PaintError::bad_model(&file.place(), reason);
    let Some(text) = file.metadata(METADATA) else { return Ok(BTreeMap::new()) };
    let map: Map<String, Value> =
        serde_json::from_str(text).map_err(|_| wrong(format!("`{METADATA}` is no JSON object")))?;
    let mut alphas = BTreeMap::new();
    for (key, value) in &map {
        let Some((part, key)) = key.split_once('.') else { continue };
        match (key, value) {
            ("lora_alpha", value) => {
                let alpha = value.as_f64().ok_or_else(|| wrong(format!("`{part}.lora_alpha` is no number")))?;
                alphas.insert(part.to_owned(), alpha);
            }
            ("alpha_pattern", Value::Object(patterns)) if !patterns.is_empty() => {
                return Err(wrong(format!("`{METADATA}` has `{part}.alpha_pattern`, which we do not do")));
            }
            ("use_rslora" | "use_dora", Value::Bool(true)) => {
                return Err(wrong(format!("`{METADATA}` has `{part}.{key}`, which we do not do")));
            }
            _ => {}
        }
    }
    Ok(alphas)
}

fn change(
    file: &Rc<RefCell<SafetensorFiles>>,
    pieces: Pieces,
    told: Option<f64>,
    scale: f64,
) -> Result<Change, PaintError> {
    let opened = &mut *file.borrow_mut();
    let place = opened.place();
    let wrong = |reason: String| PaintError::bad_model(&place, reason);
    let (down, up, rows, alpha) = match pieces {
        Pieces { down: Some(down), up: Some(up), rows, alpha } => (down, up, rows, alpha),
        Pieces { down, up, alpha, .. } => {
            let name = down.or(up).or(alpha).unwrap_or_default();
            return Err(wrong(format!("`{name}` is there without its counterpart")));
        }
    };
    let rank = opened.shape(&down).first().copied().unwrap_or(0);
    if !(1..=RANK_MAX).contains(&rank) {
        return Err(wrong(format!("`{down}` has the rank {rank}; 1 to {RANK_MAX} can be")));
    }
    let alpha = match &alpha {
        Some(name) => {
            let number = opened.number(name)?.filter(|number| number.is_finite());
            number.ok_or_else(|| wrong(format!("`{name}` is no number")))?
        }
        None => told.unwrap_or(rank as f64),
    };
    let factor = (scale * alpha / rank as f64) as f32;
    if !factor.is_finite() {
        return Err(wrong(format!("the alpha of `{down}` is out of range")));
    }
    Ok(Change { file: Rc::clone(file), down, up, rows, rank, factor })
}
