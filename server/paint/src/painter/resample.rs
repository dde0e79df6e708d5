//! Images in another size, by Lanczos' filter with three lobes, widened where the image shrinks (Turkowski, 1990, "Filters
//! for Common Resampling Tasks").
//!
//! Refuses: to change the proportions of an image; what does not fit is cut off.

/// Lobes of the filter on either side.
const LOBES: f64 = 3.0;

/// An image scaled until it covers another size, and cut to it around its middle. Sizes are width and height; pixels have
/// `N` channels.
pub(super) fn cover<const N: usize>(
    image: &[u8],
    from @ (width, height): (usize, usize),
    to @ (new_width, new_height): (usize, usize),
) -> Vec<u8> {
    if from == to {
        return image.to_vec();
    }
    let scale = (width as f64 / new_width as f64).min(height as f64 / new_height as f64);
    let across = weights(width, new_width, scale);
    let down = weights(height, new_height, scale);
    // Only rows that are needed are made; each is as wide as the result.
    let first = down.first().map_or(0, |(first, _)| *first);
    let last = down.last().map_or(0, |(first, weights)| first + weights.len());
    let mut rows = Vec::with_capacity((last - first) * new_width * N);
    for row in image.chunks_exact(width * N).skip(first).take(last - first) {
        for (start, weights) in &across {
            for channel in 0..N {
                let pixel = |at: usize| f32::from(row[(start + at) * N + channel]);
                rows.push(weights.iter().enumerate().map(|(at, weight)| weight * pixel(at)).sum::<f32>());
            }
        }
    }
    let line = new_width * N;
    let mut out = Vec::with_capacity(new_height * line);
    for (start, weights) in &down {
        for column in 0..line {
            let value = |at: usize| rows[(start - first + at) * line + column];
            let sum: f32 = weights.iter().enumerate().map(|(at, weight)| weight * value(at)).sum();
            out.push(sum.round().clamp(0.0, 255.0) as u8);
        }
    }
    out
}

/// For each new pixel of an axis: where its old ones begin, and their weights, which sum to one. A new pixel is `scale`
/// old ones wide, and the middles of both lie on each other.
fn weights(from: usize, to: usize, scale: f64) -> Vec<(usize, Vec<f32>)> {
    let start = (from as f64 - to as f64 * scale) / 2.0;
    let wide = scale.max(1.0);
    let of_pixel = |at: usize| {
        let middle = start + (at as f64 + 0.5) * scale;
        let first = (middle - LOBES * wide).round().clamp(0.0, from as f64 - 1.0) as usize;
        let last = (middle + LOBES * wide).round().clamp(first as f64 + 1.0, from as f64) as usize;
        let weights: Vec<f64> = (first..last).map(|pixel| lanczos((pixel as f64 + 0.5 - middle) / wide)).collect();
        let sum: f64 = weights.iter().sum();
        (first, weights.into_iter().map(|weight| (weight / sum) as f32).collect())
    };
    (0..to).map(of_pixel).collect()
}

fn lanczos(x: f64) -> f64 {
    if x.abs() < 1e-9 {
        return 1.0;
    }
    if x.abs() >= LOBES {
        return 0.0;
    }
    let angle = std::f64::consts::PI * x;
    LOBES * angle.sin() * (angle / LOBES).sin() / (angle * angle)
}

#[cfg(test)]
mod tests {
    use super::cover;

    #[test]
    fn an_even_image_stays_even_in_every_size() {
        for (from, to) in
            [((5, 9), (5, 9)), ((5, 9), (16, 8)), ((300, 40), (8, 24)), ((1, 1), (8, 8)), ((64, 64), (1, 3))]
        {
            let image: Vec<u8> = [7, 130, 255].repeat(from.0 * from.1);
            assert_eq!(cover::<3>(&image, from, to), [7, 130, 255].repeat(to.0 * to.1), "{from:?} {to:?}");
        }
    }

    #[test]
    fn the_middle_of_a_wide_image_is_kept() {
        // Three squares side by side; the middle one is as high as the new image.
        let row: Vec<u8> = [0, 200, 90].iter().flat_map(|grey| [*grey; 30]).collect();
        let middle = cover::<1>(&row.repeat(30), (90, 30), (10, 10));
        assert_eq!(middle.len(), 100);
        assert!(middle.chunks(10).all(|row| row[3..7].iter().all(|grey| grey.abs_diff(200) <= 3)), "{middle:?}");
    }
}
