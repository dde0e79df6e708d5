//! Products of matrices that lie in larger ones. The one place of this crate that calls what the compiler cannot check.
//!
//! Refuses, by panic: a matrix that reaches beyond its numbers.

use gemm::Parallelism;

/// A matrix within a slice: element `(r, c)` stands at `r * row_step + c * column_step`.
#[derive(Clone, Copy)]
pub(super) struct Matrix {
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) row_step: usize,
    pub(super) column_step: usize,
}

impl Matrix {
    /// Rows of neighbours, each `row_step` after the one before.
    pub(super) fn of_rows(rows: usize, columns: usize, row_step: usize) -> Self {
        Self { rows, columns, row_step, column_step: 1 }
    }

    /// With rows and columns exchanged.
    pub(super) fn transposed(self) -> Self {
        Self { rows: self.columns, columns: self.rows, row_step: self.column_step, column_step: self.row_step }
    }

    fn assert_within(self, length: usize) {
        let last = |count: usize, step: usize| (count - 1).checked_mul(step);
        let reaches = self.rows == 0
            || self.columns == 0
            || last(self.rows, self.row_step)
                .zip(last(self.columns, self.column_step))
                .and_then(|(row, column)| row.checked_add(column))
                .is_some_and(|at| at < length);
        assert!(reaches, "a matrix reaches beyond its numbers");
    }
}

/// Who works on a product.
#[derive(Clone, Copy)]
pub(super) enum Workers {
    /// The calling thread.
    One,
    /// All threads of the pool.
    All,
}

/// `into = keep * into + factor * left * right`, where `keep` is zero or one.
pub(super) fn product(
    (into, into_shape): (&mut [f32], Matrix),
    keep: bool,
    factor: f32,
    (left, left_shape): (&[f32], Matrix),
    (right, right_shape): (&[f32], Matrix),
    workers: Workers,
) {
    let (m, k, n) = (left_shape.rows, left_shape.columns, right_shape.columns);
    assert!(right_shape.rows == k && into_shape.rows == m && into_shape.columns == n, "shapes that do not fit");
    // Otherwise two elements could stand at one place, and two threads write there.
    let (wide, narrow) = (into_shape.row_step, into_shape.column_step);
    let is_apart = narrow == 1 && (wide >= n || m <= 1);
    assert!(is_apart, "a result whose rows overlap");
    into_shape.assert_within(into.len());
    left_shape.assert_within(left.len());
    right_shape.assert_within(right.len());
    let parallelism = match workers {
        Workers::One => Parallelism::None,
        Workers::All => Parallelism::Rayon(0),
    };
    let step = |step: usize| isize::try_from(step).expect("it is within a slice");
    #[expect(
        unsafe_code,
        reason = "the library takes pointers; every place they reach was compared with its slice"
    )]
    // SAFETY: each matrix lies within its slice, `into` is borrowed alone, and its elements stand at different places.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            into.as_mut_ptr(),
            step(into_shape.column_step),
            step(into_shape.row_step),
            keep,
            left.as_ptr(),
            step(left_shape.column_step),
            step(left_shape.row_step),
            right.as_ptr(),
            step(right_shape.column_step),
            step(right_shape.row_step),
            if keep { 1.0 } else { 0.0 },
            factor,
            false,
            false,
            false,
            parallelism,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_product_stands_where_it_belongs() {
        let left = [1.0, 2.0, 0.0, 3.0, 4.0, 0.0];
        let right = [5.0, 7.0, 6.0, 8.0];
        let mut into = [1.0; 9];
        let rows = Matrix::of_rows(2, 2, 3);
        let columns = Matrix::of_rows(2, 2, 2).transposed();
        product((&mut into[1..], rows), true, 2.0, (&left, rows), (&right, columns), Workers::One);
        assert_eq!(into, [1.0, 39.0, 45.0, 1.0, 87.0, 101.0, 1.0, 1.0, 1.0]);
    }

    #[test]
    #[should_panic(expected = "beyond")]
    fn what_reaches_too_far_is_refused() {
        let mut into = [0.0; 4];
        let square = Matrix::of_rows(2, 2, 2);
        product((&mut into, square), false, 1.0, (&[0.0; 4], square), (&[0.0; 3], square), Workers::One);
    }
}
