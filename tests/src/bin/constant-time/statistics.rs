//! Welch's t test, on whole samples and on samples without their slowest part.

/// The times of both classes, in nanoseconds.
#[derive(Default)]
pub struct Times(pub [Vec<f64>; 2]);

/// The largest |t|: of all times, and of those below each of 100 percentiles, which lie the denser the higher. What
/// interrupts the program makes a long tail that hides differences; cutting it at many places finds them.
pub fn largest_t(Times([a, b]): &Times) -> f64 {
    let mut all: Vec<f64> = a.iter().chain(b).copied().collect();
    all.sort_unstable_by(f64::total_cmp);
    let cuts = (1..=100).map(|n| {
        let part = 1.0 - 0.5_f64.powf(f64::from(n) / 10.0);
        all[((all.len() - 1) as f64 * part) as usize]
    });
    let below = |times: &[f64], cut| times.iter().copied().filter(|time| *time < cut).collect::<Vec<_>>();
    let cropped = cuts.map(|cut| welch(&below(a, cut), &below(b, cut)));
    cropped.chain([welch(a, b)]).fold(0.0, |largest, t| t.abs().max(largest))
}

impl Times {
    /// The medians of both classes, in nanoseconds.
    pub fn medians(&self) -> [f64; 2] {
        self.0.each_ref().map(|times| {
            let mut times = times.clone();
            times.sort_unstable_by(f64::total_cmp);
            times[times.len() / 2]
        })
    }
}

/// `(mean a - mean b) / sqrt(variance a / n + variance b / m)`; 0 for samples that are too small to say anything.
fn welch(a: &[f64], b: &[f64]) -> f64 {
    if a.len().min(b.len()) < FEWEST {
        return 0.0;
    }
    let ((mean_a, error_a), (mean_b, error_b)) = (mean_and_error(a), mean_and_error(b));
    let error = error_a + error_b;
    if error == 0.0 { 0.0 } else { (mean_a - mean_b) / error.sqrt() }
}

/// The mean, and the variance by the number of samples.
fn mean_and_error(samples: &[f64]) -> (f64, f64) {
    let count = samples.len() as f64;
    let mean = samples.iter().sum::<f64>() / count;
    let squares: f64 = samples.iter().map(|sample| (sample - mean).powi(2)).sum();
    (mean, squares / (count - 1.0) / count)
}

const FEWEST: usize = 50;

#[cfg(test)]
mod tests {
    use super::*;

    /// Times that spread evenly, with a long tail.
    fn times(start: f64) -> Vec<f64> {
        (0..2000)
            .map(|n| start + f64::from(n * 7919 % 100) + if n % 50 == 0 { 10_000.0 } else { 0.0 })
            .collect()
    }

    #[test]
    fn t_of_known_samples_is_right() {
        let a: Vec<f64> = (0..100).map(f64::from).collect();
        let b: Vec<f64> = (0..100).map(|n| f64::from(n) + 10.0).collect();
        // Variance 841.666…, 100 samples each: -10 / sqrt(2 * 8.41666…).
        assert!((welch(&a, &b) + 2.437_33).abs() < 1e-4, "{}", welch(&a, &b));
    }

    #[test]
    fn the_same_times_do_not_differ_and_a_shift_below_the_tail_is_found() {
        assert_eq!(largest_t(&Times([times(0.0), times(0.0)])), 0.0);
        assert!(welch(&times(0.0), &times(20.0)).abs() < 4.5, "the tail hides it");
        assert!(largest_t(&Times([times(0.0), times(20.0)])) > 10.0);
    }
}
