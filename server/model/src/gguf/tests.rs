//! Tests of the checks on hand-made files, on every truncation of one, and on seeded damage.

use super::*;

const MUTATIONS: u64 = 500;

/// Writes a small file by the book.
struct Writer(Vec<u8>);

impl Writer {
    fn u32(mut self, value: u32) -> Self {
        self.0.extend(value.to_le_bytes());
        self
    }
    fn u64(mut self, value: u64) -> Self {
        self.0.extend(value.to_le_bytes());
        self
    }
    fn text(self, text: &str) -> Self {
        let mut out = self.u64(text.len() as u64);
        out.0.extend(text.as_bytes());
        out
    }
    fn key_text(self, key: &str, value: &str) -> Self {
        self.text(key).u32(8).text(value)
    }
    fn key_u32(self, key: &str, value: u32) -> Self {
        self.text(key).u32(4).u32(value)
    }
    fn key_texts(self, key: &str, values: &[&str]) -> Self {
        let head = self.text(key).u32(9).u32(8).u64(values.len() as u64);
        values.iter().fold(head, |out, value| out.text(value))
    }
    fn key_floats(self, key: &str, len: u64) -> Self {
        (0..len).fold(self.text(key).u32(9).u32(6).u64(len), |out, _| out.u32(0))
    }
    fn tensor(self, name: &str, dims: &[u64], type_id: u32, offset: u64) -> Self {
        let head = self.text(name).u32(u32::try_from(dims.len()).unwrap());
        dims.iter().fold(head, |out, dim| out.u64(*dim)).u32(type_id).u64(offset)
    }
}

/// What differs from a good file.
#[derive(Clone)]
struct Shape {
    version: u32,
    tensors: u64,
    blocks: u32,
    words: Vec<&'static str>,
    scores: u64,
    alignment: u32,
    dims: Vec<u64>,
    type_id: u32,
    offset: u64,
    extra_bytes: usize,
    template: String,
}

impl Default for Shape {
    fn default() -> Self {
        Self {
            version: 3,
            tensors: 2,
            blocks: 1,
            words: vec!["a", "b", "", ""],
            scores: 4,
            alignment: 32,
            dims: vec![32, 2],
            type_id: 3,
            offset: 64,
            extra_bytes: 0,
            template: "{{ messages }}".into(),
        }
    }
}

impl Shape {
    fn bytes(&self) -> Vec<u8> {
        let head = Writer(MAGIC.to_vec()).u32(self.version).u64(self.tensors).u64(10);
        let mut out = head
            .key_text("general.architecture", "tiny")
            .key_text("general.name", "Tiny")
            .key_u32("general.alignment", self.alignment)
            .key_u32("tiny.block_count", self.blocks)
            .key_u32("tiny.context_length", 128)
            .key_u32("tiny.embedding_length", 32)
            .key_texts("tokenizer.ggml.tokens", &self.words)
            .key_floats("tokenizer.ggml.scores", self.scores)
            .key_u32("tokenizer.ggml.eos_token_id", 1)
            .key_text("tokenizer.chat_template", &self.template)
            .tensor("first", &[9], 0, 0)
            .tensor("second", &self.dims, self.type_id, self.offset)
            .0;
        out.resize(out.len().next_multiple_of(32) + 64 + 40 + self.extra_bytes, 0);
        out
    }
}

fn check(bytes: &[u8]) -> Result<Summary, GgufError> {
    validate_head(bytes, bytes.len() as u64)
}

#[test]
fn a_good_file_is_summed_up() {
    let bytes = Shape::default().bytes();
    let expected = Summary {
        architecture: "tiny".into(),
        name: Some("Tiny".into()),
        context_length: 128,
        block_count: 1,
        vocab_len: 4,
        chat_template: Some("{{ messages }}".into()),
        bos_token: None,
        eos_token: Some(1),
        tensor_bytes: 104,
        file_bytes: bytes.len() as u64,
    };
    assert_eq!(check(&bytes).unwrap(), expected);
    // Padding after the last tensor may be there or not.
    assert!(check(&Shape { extra_bytes: 24, ..Shape::default() }.bytes()).is_ok());
}

#[test]
fn bad_files_are_refused_with_the_reason() {
    let good = Shape::default;
    let cases: Vec<(&str, Shape)> = vec![
        ("version 2 or 3", Shape { version: 1, ..good() }),
        ("version 2 or 3", Shape { version: 0x0300_0000, ..good() }),
        ("too many tensors", Shape { tensors: u64::MAX, ..good() }),
        ("too many tensors", Shape { tensors: 0, ..good() }),
        ("number of layers", Shape { blocks: 0, ..good() }),
        ("number of layers", Shape { blocks: 513, ..good() }),
        ("appears twice", Shape { words: vec!["a", "a", "b", "c"], ..good() }),
        ("vocabulary is missing", Shape { words: Vec::new(), ..good() }),
        ("differ in length", Shape { scores: 3, ..good() }),
        ("alignment", Shape { alignment: 48, ..good() }),
        ("alignment", Shape { alignment: 1 << 20, ..good() }),
        ("empty or too large", Shape { dims: vec![32, u64::MAX / 2], ..good() }),
        ("empty or too large", Shape { dims: vec![1 << 33, 1 << 33], ..good() }),
        ("empty or too large", Shape { dims: vec![0], ..good() }),
        ("no dimension or too many", Shape { dims: vec![32, 1, 1, 1, 2], ..good() }),
        ("whole blocks", Shape { dims: vec![33, 2], ..good() }),
        ("type we do not know", Shape { type_id: 4, ..good() }),
        ("where the one before it ends", Shape { offset: 36, ..good() }),
        ("incomplete", Shape { dims: vec![32, 1 << 20], ..good() }),
        ("longer than its tensors", Shape { extra_bytes: 25, ..good() }),
        ("text is too long", Shape { template: "x".repeat(256 * 1024 + 1), ..good() }),
    ];
    for (reason, shape) in cases {
        let error = check(&shape.bytes()).expect_err(reason).to_string();
        assert!(error.contains(reason), "expected '{reason}', got '{error}'");
    }
    assert!(matches!(check(b"GG"), Err(GgufError::NotGguf)));
    assert!(matches!(check(b"<html>not a model</html>"), Err(GgufError::NotGguf)));
}

#[test]
fn every_truncation_is_refused() {
    let bytes = Shape::default().bytes();
    for len in 0..bytes.len() {
        assert!(check(&bytes[..len]).is_err(), "a file cut to {len} bytes was accepted");
    }
}

#[test]
fn seeded_damage_never_panics() {
    let good = Shape::default().bytes();
    let mut refused = 0;
    for seed in 0..MUTATIONS {
        // A xorshift generator: the same seeds give the same files everywhere.
        let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        let mut bytes = good.clone();
        for _ in 0..=next() % 4 {
            let at = usize::try_from(next() % bytes.len() as u64).unwrap();
            match next() % 3 {
                0 => bytes[at] = u8::try_from(next() % 256).unwrap(),
                1 => bytes[at] = 0xFF,
                _ => bytes.truncate(at.max(1)),
            }
        }
        refused += u64::from(check(&bytes).is_err());
    }
    assert!(refused > MUTATIONS / 2, "only {refused} of {MUTATIONS} damaged files were refused");
}
