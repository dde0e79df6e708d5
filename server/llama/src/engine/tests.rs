//! Tests of the cache on the real starter model: scores, not words, so that near ties do not matter.

use std::path::{Path, PathBuf};

use super::*;
use crate::output::{Output, Step};

/// Kernels differ with the number of tokens; scores spread over some tens.
const SCORE_DIFFERENCE_MAX: f32 = 0.5;

fn engine() -> Engine {
    let path = std::env::var_os("FAMILIAR_TEST_MODEL").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/models/starter.gguf"),
        PathBuf::from,
    );
    let options = LlamaOptions { measure_speeds: false, threads: 1, ..LlamaOptions::new(path, "starter") };
    Engine::load(&options, &mut |_| {}, &CancelFlag::default()).expect("set-up brings the starter model").0
}

fn scores(engine: &mut Engine, prompt: &[Token]) -> (usize, Vec<f32>) {
    let kept = engine.read_prompt(prompt, &mut |_| {}, &CancelFlag::default()).unwrap();
    (kept, engine.context.logits().unwrap().to_vec())
}

/// Words from all over the vocabulary.
fn words(count: i32, seed: i32) -> Vec<Token> {
    (1..=count).map(|number| (number * 7919 + seed) % 49_000).collect()
}

#[test]
fn scores_after_a_kept_prefix_are_those_of_a_fresh_prompt() {
    let mut engine = engine();
    let base = words(150, 0);
    let longer = [words(150, 0), words(20, 5)].concat();
    let branched = [words(100, 0), words(40, 9)].concat();
    let other = words(90, 77);
    let cases = [(&base, 0), (&base, 149), (&longer, 150), (&branched, 100), (&other, 0), (&base, 0)];
    for (prompt, expected_kept) in cases {
        let (kept, with_cache) = scores(&mut engine, prompt);
        assert_eq!(kept, expected_kept);
        assert_eq!(&engine.cached, prompt);
        assert_eq!(engine.context.cached_tokens(), prompt.len());
        let mut fresh = self::engine();
        let (_, without) = scores(&mut fresh, prompt);
        let differs = with_cache.iter().zip(&without).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(differs < SCORE_DIFFERENCE_MAX, "scores differ by {differs} with {kept} tokens kept");
    }
}

#[test]
fn fresh_prompts_give_the_same_scores_whatever_the_speed() {
    let mut engine = engine();
    let prompt = words(333, 3);
    let mut seen = Vec::new();
    for tokens_per_s in [130.0, 300.0, 100_000.0] {
        engine.forget();
        engine.learn_chunk(tokens_per_s);
        seen.push(scores(&mut engine, &prompt).1);
    }
    assert!(seen.iter().all(|scores| scores == &seen[0]));
}

#[test]
fn chunks_end_at_cells_and_cover_the_prompt() {
    let mut engine = engine();
    let cases: [(f64, usize, usize, &[usize]); 6] = [
        (200.0, 0, 150, &[64, 128, 150]),
        (400.0, 0, 150, &[128, 150]),
        (400.0, 0, 128, &[128]),
        (1e9, 100, 1000, &[576, 960, 1000]),
        (200.0, 149, 150, &[150]),
        (1.0, 0, 40, &[16, 32, 40]),
    ];
    for (tokens_per_s, start, prompt_len, expected) in cases {
        engine.learn_chunk(tokens_per_s);
        let mut ends = Vec::new();
        let mut done = start;
        while done < prompt_len {
            done = engine.chunk_end(done, prompt_len);
            ends.push(done);
        }
        assert_eq!(ends, expected, "{tokens_per_s} {start} {prompt_len}");
    }
}

#[test]
fn characters_torn_over_tokens_come_out_whole() {
    let model = engine().model;
    let text = "日本語 😀 ñ Ж 𝔘 – the end";
    let tokens = model.tokenize(text, false).unwrap();
    let mut output = Output::new(&[]);
    let mut shown = String::new();
    let mut waited = 0;
    for token in tokens {
        let mut bytes = Vec::new();
        model.append_piece(token, &mut bytes);
        match output.push(&bytes) {
            Step::Text(piece) if piece.is_empty() => waited += 1,
            Step::Text(piece) => shown += &piece,
            Step::Stopped(_) => panic!("there is no stop text"),
        }
    }
    assert_eq!(shown + &output.finish(), text);
    assert!(waited > 0, "no character of the text is torn in this vocabulary");
}
