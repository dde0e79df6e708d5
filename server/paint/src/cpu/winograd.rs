//! Convolution with kernels of 3 x 3 for squares of 2 x 2 results at once, in 16 multiplications instead of 36 (Lavin and
//! Gray, 2016, F(2 x 2, 3 x 3)): sums of neighbours, a product of matrices for each of 16 places, and sums again.
//!
//! Refuses: other kernels, steps and borders, and what it would not be faster for; that goes the plain way.

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::product::{Matrix, Workers, product};

/// Numbers that a square of 4 x 4 on the way in, or a kernel that was made ready, has.
const SQUARE: usize = 16;
/// Numbers of a kernel.
const KERNEL: usize = 9;
/// Fewer places than this do not earn back what it takes to make the kernels ready.
const PLACES_MIN: usize = 256;
/// With fewer channels the sums take longer than the products.
const CHANNELS_MIN: usize = 16;
/// Most numbers of kernels that are ready at once: 32 MiB.
const KERNEL_NUMBERS_MAX: usize = 8 << 20;
/// Most numbers of squares, and of their products: 8 MiB each, which caches hold.
const SQUARE_NUMBERS_MAX: usize = 2 << 20;
/// Up to so many threads each takes whole products; more share each of them.
const OWN_PRODUCTS_THREADS_MAX: usize = 8;
/// Kernels are made ready for so many channels side by side.
const LANES: usize = 16;

/// What is convolved.
#[derive(Clone, Copy)]
pub(super) struct Images {
    pub(super) inputs: usize,
    pub(super) height: usize,
    pub(super) width: usize,
}

impl Images {
    /// Whether this is the faster way for kernels of 3 x 3 that go one place at a time over images with a border of one.
    pub(super) fn are_worth_it(self) -> bool {
        self.height * self.width >= PLACES_MIN && self.inputs >= CHANNELS_MIN
    }

    /// Squares along the width.
    fn columns(self) -> usize {
        self.width.div_ceil(2)
    }
}

/// `out = weight over x, plus bias`, for all images of `x`.
pub(super) fn convolve(images: Images, x: &[f32], weight: &[f32], bias: &[f32], out: &mut [f32]) {
    let Images { inputs, height, width } = images;
    let (outputs, places, columns, rows) = (bias.len(), height * width, images.columns(), height.div_ceil(2));
    let block = (KERNEL_NUMBERS_MAX / (SQUARE * inputs)).clamp(1, outputs.max(1));
    let strip = (SQUARE_NUMBERS_MAX / (SQUARE * inputs.max(block) * columns)).clamp(1, rows);
    let mut kernels = vec![0.0; block * SQUARE * inputs];
    let mut squares = vec![0.0; inputs * SQUARE * strip * columns];
    let mut products = vec![0.0; SQUARE * block * strip * columns];
    let arch = Arch::new();
    for output in (0..outputs).step_by(block) {
        let block = block.min(outputs - output);
        let kernels = &mut kernels[..block * SQUARE * inputs];
        let weight = weight[output * inputs * KERNEL..].par_chunks(inputs * KERNEL);
        let ready = kernels.par_chunks_mut(SQUARE * inputs).zip(weight);
        ready.for_each(|(into, weight)| arch.dispatch(Kernels { weight, into }));
        for (x, out) in x.chunks(inputs * places).zip(out.chunks_mut(outputs * places)) {
            for first in (0..rows).step_by(strip) {
                let rows = strip.min(rows - first);
                let count = rows * columns;
                let squares = &mut squares[..inputs * SQUARE * count];
                let channels = squares.par_chunks_mut(SQUARE * count).zip(x.par_chunks(places));
                channels.for_each_init(Vec::new, |lines, (into, channel)| {
                    arch.dispatch(Squares { images, channel, first, rows, lines, into });
                });
                let products = &mut products[..SQUARE * block * count];
                multiply(kernels, squares, products, [block, inputs, count]);
                let channels = out[output * places..].par_chunks_mut(places).zip(&bias[output..][..block]);
                channels.enumerate().for_each_init(Vec::new, |lines, (at, (channel, bias))| {
                    let products = &products[at * count..];
                    let sums =
                        Sums { images, products, step: block * count, first, rows, bias: *bias, lines, channel };
                    arch.dispatch(sums);
                });
            }
        }
    }
}

/// The products for each of the 16 places.
fn multiply(kernels: &[f32], squares: &[f32], products: &mut [f32], [outputs, inputs, count]: [usize; 3]) {
    let one = |at: usize, into: &mut [f32], workers: Workers| {
        let kernels = (&kernels[at * inputs..], Matrix::of_rows(outputs, inputs, SQUARE * inputs));
        let squares = (&squares[at * count..], Matrix::of_rows(inputs, count, SQUARE * count));
        product((into, Matrix::of_rows(outputs, count, count)), false, 1.0, kernels, squares, workers);
    };
    if rayon::current_num_threads() <= OWN_PRODUCTS_THREADS_MAX {
        let all = products.par_chunks_mut(outputs * count).enumerate();
        all.for_each(|(at, into)| one(at, into, Workers::One));
    } else {
        let all = products.chunks_mut(outputs * count).enumerate();
        all.for_each(|(at, into)| one(at, into, Workers::All));
    }
}

/// Makes the kernels of one output ready: the numbers of all inputs for the first of 16 places, then for the next.
struct Kernels<'a> {
    weight: &'a [f32],
    into: &'a mut [f32],
}

impl WithSimd for Kernels<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { weight, into } = self;
        let inputs = into.len() / SQUARE;
        for first in (0..inputs).step_by(LANES) {
            let count = LANES.min(inputs - first);
            let mut given = [[0.0; LANES]; KERNEL];
            for (lane, kernel) in weight[first * KERNEL..].chunks_exact(KERNEL).take(count).enumerate() {
                given.iter_mut().zip(kernel).for_each(|(given, number)| given[lane] = *number);
            }
            let columns: [[[f32; LANES]; 4]; 3] =
                [0, 1, 2].map(|column| spread(given[column], given[3 + column], given[6 + column]));
            for row in 0..4 {
                let made = spread(columns[0][row], columns[1][row], columns[2][row]);
                for (column, made) in made.iter().enumerate() {
                    into[(4 * row + column) * inputs + first..][..count].copy_from_slice(&made[..count]);
                }
            }
        }
    }
}

/// Three numbers of a kernel as four: the first, half of the sum, half of the sum with the second taken off, and the last.
#[inline(always)]
fn spread(a: [f32; LANES], b: [f32; LANES], c: [f32; LANES]) -> [[f32; LANES]; 4] {
    let mut made = [a, [0.0; LANES], [0.0; LANES], c];
    for lane in 0..LANES {
        let outer = a[lane] + c[lane];
        made[1][lane] = 0.5 * (outer + b[lane]);
        made[2][lane] = 0.5 * (outer - b[lane]);
    }
    made
}

/// Makes the squares of one channel ready: the numbers of all squares for the first of 16 places, then for the next.
struct Squares<'a> {
    images: Images,
    channel: &'a [f32],
    /// The first row of squares.
    first: usize,
    rows: usize,
    lines: &'a mut Vec<f32>,
    into: &'a mut [f32],
}

impl WithSimd for Squares<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { images, channel, first, rows, lines, into } = self;
        let (columns, count) = (images.columns(), rows * images.columns());
        // Each line as the numbers left of a square's middle and those right of it, and one line for sums of them.
        let half = columns + 1;
        let line = 2 * half;
        lines.resize((2 * rows + 3) * line, 0.0);
        let (sums, lines) = lines.split_at_mut(line);
        for (at, line) in lines.chunks_exact_mut(line).enumerate() {
            let row = (2 * first + at).checked_sub(1).filter(|row| *row < images.height);
            let numbers = row.map(|row| &channel[row * images.width..][..images.width]);
            split(numbers.unwrap_or_default(), line, half);
        }
        for row in 0..rows {
            let [a, b, c, d] = [0, 1, 2, 3].map(|at| &lines[(2 * row + at) * line..][..line]);
            let mut across = |down: usize, sums: &[f32]| {
                let (left, right) = sums.split_at(half);
                let mut put = |at: usize, a: &[f32], b: &[f32], sign: f32| {
                    let into = &mut into[(4 * down + at) * count + row * columns..][..columns];
                    into.iter_mut().zip(a).zip(b).for_each(|((into, a), b)| *into = a + sign * b);
                };
                put(0, left, &left[1..], -1.0);
                put(1, right, &left[1..], 1.0);
                put(2, &left[1..], right, -1.0);
                put(3, right, &right[1..], -1.0);
            };
            for (down, (one, other, sign)) in
                [(a, c, -1.0), (b, c, 1.0), (c, b, -1.0), (b, d, -1.0)].into_iter().enumerate()
            {
                sums.iter_mut().zip(one).zip(other).for_each(|((sum, one), other)| *sum = one + sign * other);
                across(down, sums);
            }
        }
    }
}

/// A line of an image with a border of zero: its second, fourth and so on behind one half, the others behind the other.
#[inline(always)]
fn split(numbers: &[f32], line: &mut [f32], half: usize) {
    let (left, right) = line.split_at_mut(half);
    let pairs = numbers.chunks_exact(2);
    let (whole, rest) = (pairs.len(), pairs.remainder());
    left[0] = 0.0;
    for ((left, right), pair) in left[1..].iter_mut().zip(right.iter_mut()).zip(pairs) {
        (*right, *left) = (pair[0], pair[1]);
    }
    left[1 + whole..].fill(0.0);
    right[whole..].fill(0.0);
    if let [last] = rest {
        right[whole] = *last;
    }
}

/// The results of one output from the products of its 16 places, which lie `step` apart.
struct Sums<'a> {
    images: Images,
    products: &'a [f32],
    step: usize,
    first: usize,
    rows: usize,
    bias: f32,
    lines: &'a mut Vec<f32>,
    channel: &'a mut [f32],
}

impl WithSimd for Sums<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { images, products, step, first, rows, bias, lines, channel } = self;
        let columns = images.columns();
        lines.resize(4 * columns, 0.0);
        for row in 0..rows {
            let of = |place: usize| &products[place * step + row * columns..][..columns];
            for below in [0, 1] {
                let Some(into) = channel.chunks_mut(images.width).nth(2 * (first + row) + below) else { break };
                for (across, line) in lines.chunks_exact_mut(columns).enumerate() {
                    let [a, b, c, d] = [0, 4, 8, 12].map(|down| of(down + across));
                    if below == 0 {
                        let numbers = line.iter_mut().zip(a).zip(b).zip(c);
                        numbers.for_each(|(((sum, a), b), c)| *sum = a + b + c);
                    } else {
                        let numbers = line.iter_mut().zip(b).zip(c).zip(d);
                        numbers.for_each(|(((sum, b), c), d)| *sum = b - c - d);
                    }
                }
                let (a, rest) = lines.split_at(columns);
                let (b, rest) = rest.split_at(columns);
                let (c, d) = rest.split_at(columns);
                let numbers = into.chunks_mut(2).zip(a).zip(b).zip(c).zip(d);
                for ((((into, a), b), c), d) in numbers {
                    into[0] = a + b + c + bias;
                    if let Some(second) = into.get_mut(1) {
                        *second = b - c - d + bias;
                    }
                }
            }
        }
    }
}
