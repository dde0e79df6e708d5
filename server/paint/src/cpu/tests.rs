//! The kernels against candle's own operations, at the sizes where they begin another block, strip or run.

use candle_core::{Device, Tensor};
use candle_nn::Module;

use super::{Attention, Conv, GroupNorm};

/// Numbers between -1 and 1 that repeat nowhere soon.
fn numbers(shape: &[usize]) -> Tensor {
    let count = shape.iter().product::<usize>();
    let number = |at: usize| ((at as u64).wrapping_mul(2_654_435_761) % 20_011) as f32 / 10_005.5 - 1.0;
    Tensor::from_vec((0..count).map(number).collect::<Vec<_>>(), shape, &Device::Cpu).expect("they fit")
}

/// The largest difference over the largest number.
fn off(got: &Tensor, expected: &Tensor) -> f32 {
    assert_eq!(got.dims(), expected.dims());
    let largest =
        |x: &Tensor| x.abs().and_then(|x| x.max_all()).and_then(|x| x.to_scalar::<f32>()).expect("a number");
    largest(&(got - expected).expect("one shape")) / largest(expected)
}

#[test]
fn convolutions_are_candles() {
    for (batch, inputs, outputs, [height, width], kernel, stride, padding) in [
        (1, 3, 5, [7, 6], 3, 1, 1),
        (2, 4, 3, [8, 8], 3, 2, 1),
        (1, 4, 3, [9, 7], 3, 2, 0),
        (2, 6, 7, [5, 9], 1, 1, 0),
        (1, 6, 7, [5, 9], 1, 2, 0),
        (1, 2, 2, [1, 4], 3, 1, 1),
        (1, 2, 2, [2, 1], 3, 2, 1),
        (0, 2, 2, [4, 4], 3, 1, 1),
        // In squares of 2 x 2: in whole ones, with halves at the ends, in strips and with kernels in blocks.
        (2, 16, 5, [16, 16], 3, 1, 1),
        (1, 19, 6, [17, 31], 3, 1, 1),
        (0, 16, 5, [16, 16], 3, 1, 1),
        (2, 320, 7, [31, 64], 3, 1, 1),
        (1, 2_100, 253, [16, 16], 3, 1, 1),
        // The matrix of its windows has more numbers than are held at once.
        (2, 64, 3, [96, 96], 3, 1, 1),
        (1, 64, 3, [140, 139], 3, 2, 1),
    ] {
        let x = numbers(&[batch, inputs, height, width]);
        let (weight, bias) = (numbers(&[outputs, inputs, kernel, kernel]), numbers(&[outputs]));
        let got = x.apply_op3_no_bwd(&weight, &bias, &Conv { stride, padding }).expect("it fits");
        let side = |side: usize| (side + 2 * padding - kernel) / stride + 1;
        assert_eq!(got.dims(), [batch, outputs, side(height), side(width)]);
        if batch > 0 {
            let expected = x.conv2d(&weight, padding, stride, 1, 1).expect("it fits");
            let expected =
                expected.broadcast_add(&bias.reshape((1, (), 1, 1)).expect("it fits")).expect("it fits");
            let off = off(&got, &expected);
            assert!(off <= 1e-5, "{height} x {width}, kernel {kernel}, stride {stride}: {off:e}");
        }
    }
    let (x, weight, bias) = (numbers(&[1, 2, 2, 2]), numbers(&[1, 2, 3, 3]), numbers(&[1]));
    let conv = Conv { stride: 1, padding: 0 };
    assert!(x.apply_op3_no_bwd(&weight, &bias, &conv).is_err(), "the kernel is larger than the image");
    assert!(numbers(&[1, 3, 4, 4]).apply_op3_no_bwd(&weight, &bias, &conv).is_err(), "other channels");
}

#[test]
fn attention_is_the_softmax_of_products() {
    for (batch, heads, queries, keys, size) in [
        (1, 1, 1, 1, 4),
        (2, 3, 5, 7, 8),
        (1, 2, 64, 33, 8),
        (2, 2, 130, 77, 16),
        (1, 1, 65, 300, 40),
        (0, 2, 3, 4, 8),
    ] {
        // As a split of heads lies: neighbours of a head apart from those of the next.
        let heads_of = |length: usize| {
            let rows = numbers(&[batch, length, heads, size]);
            (rows * 4.0).and_then(|rows| rows.transpose(1, 2)).expect("it fits")
        };
        let (query, key, value) = (heads_of(queries), heads_of(keys), heads_of(keys));
        let scale = 1.0 / (size as f64).sqrt();
        let got = query.apply_op3_no_bwd(&key, &value, &Attention { scale: scale as f32 }).expect("it fits");
        assert_eq!(got.dims(), [batch, queries, heads * size]);
        if batch > 0 {
            let plain = || -> candle_core::Result<Tensor> {
                let (query, key, value) = (query.contiguous()?, key.contiguous()?, value.contiguous()?);
                let scores = (query.matmul(&key.t()?.contiguous()?)? * scale)?;
                let mixed = candle_nn::ops::softmax_last_dim(&scores)?.matmul(&value)?;
                mixed.transpose(1, 2)?.reshape((batch, queries, heads * size))
            };
            let off = off(&got, &plain().expect("it fits"));
            assert!(off <= 1e-5, "{queries} of {keys}: {off:e}");
        }
    }
    let [query, key, value] = [[1, 2, 3, 8], [1, 2, 5, 8], [1, 2, 4, 8]].map(|shape| numbers(&shape));
    assert!(query.apply_op3_no_bwd(&key, &value, &Attention { scale: 1.0 }).is_err());
    let other = numbers(&[1, 1, 5, 8]);
    assert!(query.apply_op3_no_bwd(&other, &other, &Attention { scale: 1.0 }).is_err());
}

#[test]
fn normalised_groups_are_candles() {
    for (shape, groups) in [([1, 4, 3, 3], 2), ([2, 6, 5, 7], 3), ([1, 8, 40, 41], 2), ([2, 4, 1, 1], 4)] {
        // Far from zero, where a variance that is computed carelessly vanishes.
        let x = (numbers(&shape) + 30.0).expect("numbers");
        let (factors, offsets) = (numbers(&[shape[1]]), numbers(&[shape[1]]));
        let (eps, channels) = (1e-5, shape[1]);
        let own =
            candle_nn::GroupNorm::new(factors.clone(), offsets.clone(), channels, groups, eps).expect("a layer");
        let expected = own.forward(&x).expect("it fits");
        let norm = |silu| GroupNorm { groups, eps, silu };
        let got = x.apply_op3_no_bwd(&factors, &offsets, &norm(false)).expect("it fits");
        assert!(off(&got, &expected) <= 1e-4, "{shape:?}: {:e}", off(&got, &expected));
        let got = x.apply_op3_no_bwd(&factors, &offsets, &norm(true)).expect("it fits");
        assert!(off(&got, &expected.silu().expect("numbers")) <= 1e-4, "{shape:?}");
    }
    let x = numbers(&[1, 5, 2, 2]);
    let ones = numbers(&[5]);
    assert!(x.apply_op3_no_bwd(&ones, &ones, &GroupNorm { groups: 2, eps: 1e-5, silu: false }).is_err());
}
