//! Weights from files, sound and not.

use std::fs;
use std::path::Path;

use candle_core::{DType, Device};

use super::{SafetensorFiles, Weights};
use crate::error::PaintError;

/// A safetensors file of f32 tensors.
pub(super) fn file(tensors: &[(&str, &[usize], &[f32])]) -> Vec<u8> {
    let mut header = serde_json::Map::new();
    let mut data = Vec::new();
    for (name, shape, numbers) in tensors {
        let start = data.len();
        data.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
        let entry = serde_json::json!({"dtype": "F32", "shape": shape, "data_offsets": [start, data.len()]});
        header.insert((*name).to_owned(), entry);
    }
    with_header(&serde_json::Value::Object(header).to_string(), &data)
}

pub(super) fn with_header(header: &str, data: &[u8]) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    bytes
}

fn open(folder: &Path) -> Result<Weights<'static>, PaintError> {
    Ok(Weights::new(SafetensorFiles::open(folder, "model")?, &Device::Cpu, DType::F32))
}

pub(super) fn reason<T>(result: Result<T, PaintError>) -> String {
    match result {
        Err(error @ PaintError::BadModel { .. }) => error.to_string(),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it was taken"),
    }
}

#[test]
fn tensors_come_by_name_and_all_of_them_count() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(
        folder.path().join("model.safetensors"),
        file(&[("a.weight", &[2, 1], &[1.0, 2.0]), ("a.bias", &[1], &[3.0]), ("b.weight", &[1], &[4.0])]),
    )
    .unwrap();
    let weights = open(folder.path()).unwrap();
    let tensor = weights.at("a").tensor("weight", &[2, 1]).unwrap();
    assert_eq!(tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap(), [1.0, 2.0]);
    assert!(reason(weights.at("a").tensor("bias", &[2])).contains("`a.bias` has the shape [1], not [2]"));
    weights.tensor("c.weight", &[7]).unwrap();
    let said = reason(weights.finish(|_| false));
    assert!(said.contains("1 tensor is missing: c.weight"), "{said}");
    assert!(said.contains("2 tensors belong to no part of it: a.bias, b.weight"), "{said}");
}

#[test]
fn shards_and_half_precision_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let half = with_header(
        r#"{"h": {"dtype": "F16", "shape": [1], "data_offsets": [0, 2]},
            "b": {"dtype": "BF16", "shape": [1], "data_offsets": [2, 4]}, "__metadata__": {"format": "pt"}}"#,
        &[0x00, 0x3e, 0xc0, 0x3f],
    );
    fs::write(folder.path().join("one.safetensors"), half).unwrap();
    fs::write(folder.path().join("two.safetensors"), file(&[("c", &[1], &[0.25])])).unwrap();
    let index = r#"{"weight_map": {"h": "one.safetensors", "b": "one.safetensors", "c": "two.safetensors"}}"#;
    fs::write(folder.path().join("model.safetensors.index.json"), index).unwrap();
    let weights = open(folder.path()).unwrap();
    let number = |name| weights.tensor(name, &[1]).unwrap().to_vec1::<f32>().unwrap()[0];
    assert_eq!([number("h"), number("b"), number("c")], [1.5, 1.5, 0.25]);
    weights.finish(|_| false).unwrap();
}

#[test]
fn damaged_and_hostile_files_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    assert!(reason(open(folder.path())).contains("model.safetensors"));
    let at = folder.path().join("model.safetensors");
    let entry = |text: &str| with_header(&format!(r#"{{"t": {text}}}"#), &[0; 8]);
    for (bytes, said) in [
        (vec![1, 2, 3], "too short"),
        (u64::MAX.to_le_bytes().to_vec(), "header does not fit"),
        (with_header("{}", &[])[..9].to_vec(), "header does not fit"),
        (with_header("not json", &[]), "no JSON"),
        (entry(r#"{"dtype": "F32", "shape": [3], "data_offsets": [0, 12]}"#), "`t`"),
        (entry(r#"{"dtype": "F32", "shape": [1], "data_offsets": [0, 8]}"#), "`t`"),
        (entry(r#"{"dtype": "F32", "shape": [2], "data_offsets": [8, 0]}"#), "`t`"),
        (entry(r#"{"dtype": "F32", "shape": [4294967296, 4294967296], "data_offsets": [0, 8]}"#), "`t`"),
        (entry(r#"{"dtype": "F32", "shape": [-1], "data_offsets": [0, 8]}"#), "`t`"),
        (entry(r#"{"shape": [2]}"#), "`t`"),
    ] {
        fs::write(&at, bytes).unwrap();
        let got = reason(open(folder.path()));
        assert!(got.contains(said), "{said}: {got}");
    }
    fs::write(&at, file(&[("t", &[2], &[0.0, f32::NAN])])).unwrap();
    assert!(reason(open(folder.path()).unwrap().tensor("t", &[2])).contains("not finite at place 1"));
    fs::write(&at, entry(r#"{"dtype": "I64", "shape": [1], "data_offsets": [0, 8]}"#)).unwrap();
    assert!(reason(open(folder.path()).unwrap().tensor("t", &[1])).contains("type"));
    fs::remove_file(&at).unwrap();
    for index in [r#"{"weight_map": {"a": "../secret.safetensors"}}"#, r#"{"weight_map": {}}"#, "[]", "{"] {
        fs::write(folder.path().join("model.safetensors.index.json"), index).unwrap();
        reason(open(folder.path()));
    }
}
