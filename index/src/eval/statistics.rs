//! Means, percentiles, intervals and paired tests.
//!
//! Refuses: chance that cannot be repeated; every resample comes from a fixed seed.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::limits::{BOOTSTRAP_ROUNDS, EVAL_SEED};

/// 95 % of a normal distribution lie within this many deviations of its mean.
const NORMAL_95: f64 = 1.959_964;

/// A small generator of numbers from a seed (SplitMix64): enough for resampling, and the same everywhere.
#[derive(Debug, Clone)]
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `end`, which is not zero.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        // The bias of the remainder is far below what a resample can show.
        usize::try_from(self.next() % end.max(1) as u64).unwrap_or(0)
    }
}

/// An interval that holds the true value in 95 of 100 cases, as far as the resampling tells.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Whether whole repositories were drawn; single questions otherwise, because there is only one repository.
    pub by_repository: bool,
}

/// One question's value: where it comes from, which group it counts for, and the value.
#[derive(Debug, Clone)]
pub struct Sample<'a> {
    /// The repository.
    pub cluster: &'a str,
    /// The group of a mean over groups; the same for all in a plain mean.
    pub group: &'a str,
    /// The value.
    pub value: f64,
}

/// The mean of the groups' means; with one group, the plain mean. 0 of nothing.
pub fn mean<'a>(samples: impl IntoIterator<Item = &'a Sample<'a>>) -> f64 {
    let mut groups: BTreeMap<&str, (f64, usize)> = BTreeMap::new();
    for sample in samples {
        let group = groups.entry(sample.group).or_default();
        group.0 += sample.value;
        group.1 += 1;
    }
    if groups.is_empty() {
        return 0.0;
    }
    groups.values().map(|(sum, count)| sum / *count as f64).sum::<f64>() / groups.len() as f64
}

/// A bootstrap interval of [`mean`]: repositories are drawn with replacement, and where there is only one, questions.
pub fn interval(samples: &[Sample<'_>]) -> Interval {
    let mut clusters: BTreeMap<&str, Vec<&Sample<'_>>> = BTreeMap::new();
    for sample in samples {
        clusters.entry(sample.cluster).or_default().push(sample);
    }
    let by_repository = clusters.len() > 1;
    let units: Vec<Vec<&Sample<'_>>> = if by_repository {
        clusters.into_values().collect()
    } else {
        samples.iter().map(|sample| vec![sample]).collect()
    };
    if units.is_empty() {
        return Interval { low: 0.0, high: 0.0, by_repository };
    }
    let mut chance = Chance::new(EVAL_SEED);
    let mut means: Vec<f64> = (0..BOOTSTRAP_ROUNDS)
        .map(|_| {
            let drawn: Vec<usize> = (0..units.len()).map(|_| chance.below(units.len())).collect();
            mean(drawn.iter().flat_map(|&unit| units[unit].iter().copied()))
        })
        .collect();
    means.sort_by(f64::total_cmp);
    Interval { low: percentile(&means, 0.025), high: percentile(&means, 0.975), by_repository }
}

/// Wilson's 95 % interval of a share, which also tells how little none or all of a few says: resampling those gives an
/// interval without width. All there is of nothing.
pub fn share_interval(hits: usize, count: usize) -> Interval {
    let (low, high) = if count == 0 {
        (0.0, 1.0)
    } else {
        let (n, share) = (count as f64, hits.min(count) as f64 / count as f64);
        let square = NORMAL_95 * NORMAL_95;
        let middle = share + square / (2.0 * n);
        let reach = NORMAL_95 * (share * (1.0 - share) / n + square / (4.0 * n * n)).sqrt();
        let whole = 1.0 + square / n;
        (((middle - reach) / whole).max(0.0), ((middle + reach) / whole).min(1.0))
    };
    Interval { low, high, by_repository: false }
}

/// The value below which a share of sorted values lies (nearest rank). 0 of nothing.
pub fn percentile(sorted: &[f64], share: f64) -> f64 {
    let rank = (share * sorted.len() as f64).ceil().max(1.0) as usize;
    sorted.get(rank.min(sorted.len()).saturating_sub(1)).copied().unwrap_or(0.0)
}

/// The exact two-sided McNemar probability that two settings are equally good, from the questions that only one of
/// them gets right.
pub fn mcnemar(only_first: usize, only_second: usize) -> f64 {
    let total = only_first + only_second;
    if total == 0 {
        return 1.0;
    }
    // The tail of a binomial with one half, summed in logarithms because the terms are tiny.
    let mut log_term = -(total as f64) * std::f64::consts::LN_2;
    let mut tail = 0.0;
    for k in 0..=only_first.min(only_second) {
        tail += log_term.exp();
        log_term += ((total - k) as f64).ln() - ((k + 1) as f64).ln();
    }
    (2.0 * tail).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples<'a>(rows: &[(&'a str, &'a str, f64)]) -> Vec<Sample<'a>> {
        rows.iter().map(|&(cluster, group, value)| Sample { cluster, group, value }).collect()
    }

    #[test]
    fn means_count_groups_once() {
        let rows = samples(&[("a", "go", 1.0), ("a", "go", 0.0), ("a", "go", 0.5), ("b", "c", 1.0)]);
        assert_eq!(mean(&rows), 0.75);
        assert_eq!(mean(&samples(&[])), 0.0);
    }

    #[test]
    fn the_exact_test_agrees_with_counting() {
        // 2 * (1 + 5) / 2^5 and 2 * (1 + 8 + 28) / 2^10 with 10 pairs: 2 * (1 + 10 + 45) / 1024.
        assert!((mcnemar(1, 4) - 0.375).abs() < 1e-12);
        assert!((mcnemar(8, 2) - 0.109_375).abs() < 1e-12);
        assert_eq!(mcnemar(0, 0), 1.0);
        assert_eq!(mcnemar(3, 3), 1.0);
        assert!((mcnemar(0, 2000)).abs() < 1e-100);
    }

    #[test]
    fn percentiles_are_nearest_ranks() {
        let sorted = [1.0, 2.0, 3.0, 4.0];
        assert_eq!(percentile(&sorted, 0.5), 2.0);
        assert_eq!(percentile(&sorted, 0.95), 4.0);
        assert_eq!(percentile(&sorted, 0.0), 1.0);
        assert_eq!(percentile(&[], 0.5), 0.0);
    }

    #[test]
    fn a_share_of_a_few_is_not_certain() {
        let ends = |hits, count| {
            let Interval { low, high, .. } = share_interval(hits, count);
            [low, high].map(|end| (end * 1000.0).round() / 1000.0)
        };
        // Wilson's own formula by hand.
        assert_eq!(ends(0, 20), [0.0, 0.161]);
        assert_eq!(ends(20, 20), [0.839, 1.0]);
        assert_eq!(ends(10, 20), [0.299, 0.701]);
        assert_eq!(ends(0, 0), [0.0, 1.0]);
    }

    #[test]
    fn intervals_draw_whole_repositories() {
        // Two repositories that are all right and all wrong: a draw gives 0, 1/2 or 1, each end in a quarter of all.
        let rows: Vec<_> = (0..20).map(|n| if n % 2 == 0 { ("a", "", 1.0) } else { ("b", "", 0.0) }).collect();
        let by_repository = interval(&samples(&rows));
        assert_eq!(by_repository, Interval { low: 0.0, high: 1.0, by_repository: true });
        let alone: Vec<_> = rows.iter().map(|row| ("a", "", row.2)).collect();
        let alone = interval(&samples(&alone));
        assert!(!alone.by_repository && alone.low > 0.2 && alone.high < 0.8, "{alone:?}");
        assert_eq!(interval(&samples(&rows)), by_repository, "the seed is fixed");
    }
}
