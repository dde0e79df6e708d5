//! Noise against `torch.randn`, bit for bit.

use paint::noise::Generator;
use tiny::integers::fnv;

use crate::references::{References, description};

#[test]
fn every_seed_gives_torchs_numbers_to_the_bit() {
    let (references, description) = (References::open("noise"), description("noise"));
    let sizes: Vec<usize> = serde_json::from_value(description["sizes"].clone()).unwrap();
    let seeds = [
        0,
        1,
        2,
        3,
        7,
        42,
        123,
        1234,
        31_337,
        65_535,
        65_536,
        99_999,
        1 << 20,
        123_456_789,
        (1 << 31) - 1,
        1 << 31,
        (1 << 32) - 1,
        (1 << 32) + 5,
        (1 << 53) + 1,
        (1 << 63) + 11,
    ];
    for seed in seeds {
        let mut generator = Generator::new(seed);
        let got: Vec<u32> =
            sizes.iter().flat_map(|size| generator.normal(*size).unwrap()).map(f32::to_bits).collect();
        let expected: Vec<u32> = references.numbers(&seed.to_string()).into_iter().map(f32::to_bits).collect();
        let first = got.iter().zip(&expected).position(|(got, expected)| got != expected);
        assert_eq!(first, None, "seed {seed}");
        assert_eq!(got.len(), expected.len());
    }
}

#[test]
fn large_noise_is_torchs_to_the_bit() {
    let description = description("noise");
    for case in description["large"].as_array().unwrap() {
        let size = usize::try_from(case["size"].as_u64().unwrap()).unwrap();
        let numbers = Generator::new(case["seed"].as_u64().unwrap()).normal(size).unwrap();
        let bytes: Vec<u8> = numbers.into_iter().flat_map(f32::to_le_bytes).collect();
        assert_eq!(fnv(&bytes).to_string(), case["fnv"].as_str().unwrap(), "{case}");
    }
}
