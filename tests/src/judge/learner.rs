//! What tells two piles apart: logistic regression over features and their squares, by gradient descent with momentum. It is shown what is real and
//! what is forged of one half, and judges the other.

/// A boundary between two piles.
pub(crate) struct Learner {
    means: Vec<f64>,
    deviations: Vec<f64>,
    weights: Vec<f64>,
    bias: f64,
}

impl Learner {
    /// Learns from examples, each with whether it is forged; as many of both kinds count alike, whichever are more. The order of the
    /// examples does not matter beyond rounding.
    pub(crate) fn learn(examples: &[(&[f64], bool)]) -> Self {
        let count = examples.len().max(1) as f64;
        let width = examples.first().map_or(0, |(features, _)| features.len());
        let mean = |n: usize| examples.iter().map(|(features, _)| features[n]).sum::<f64>() / count;
        let means: Vec<f64> = (0..width).map(mean).collect();
        let deviation = |n: usize| {
            let squares = examples.iter().map(|(features, _)| (features[n] - means[n]).powi(2));
            (squares.sum::<f64>() / count).sqrt().max(1e-9)
        };
        let deviations = (0..width).map(deviation).collect();
        let mut learner = Self { means, deviations, weights: vec![0.0; 2 * width], bias: 0.0 };
        let inputs: Vec<(Vec<f64>, f64)> = examples
            .iter()
            .map(|(features, forged)| (learner.input(features), f64::from(u8::from(*forged))))
            .collect();
        let forged = inputs.iter().map(|(_, forged)| forged).sum::<f64>();
        let (of_forged, of_real) =
            (count / (2.0 * forged.max(1.0)), count / (2.0 * (count - forged).max(1.0)));
        let (mut speed, mut bias_speed) = (vec![0.0; 2 * width], 0.0);
        for _ in 0..ROUNDS {
            let mut slope = vec![0.0; 2 * width];
            let mut bias_slope = 0.0;
            for (input, forged) in &inputs {
                let weight = if *forged > 0.5 { of_forged } else { of_real };
                let error = weight * (learner.forged(input) - forged);
                slope.iter_mut().zip(input).for_each(|(slope, x)| *slope += error * x);
                bias_slope += error;
            }
            for ((weight, speed), slope) in learner.weights.iter_mut().zip(&mut speed).zip(&slope) {
                *speed = MOMENTUM * *speed - STEP * (slope / count + SHRINK * *weight);
                *weight += *speed;
            }
            bias_speed = MOMENTUM * bias_speed - STEP * bias_slope / count;
            learner.bias += bias_speed;
        }
        learner
    }

    /// How likely it is forged, from 0 to 1.
    pub(crate) fn judge(&self, features: &[f64]) -> f64 {
        self.forged(&self.input(features))
    }

    fn forged(&self, input: &[f64]) -> f64 {
        let sum = self.weights.iter().zip(input).map(|(weight, x)| weight * x).sum::<f64>() + self.bias;
        1.0 / (1.0 + (-sum).exp())
    }

    /// Each feature as so many deviations from its mean, and the square of that.
    fn input(&self, features: &[f64]) -> Vec<f64> {
        let scaled: Vec<f64> = features
            .iter()
            .zip(self.means.iter().zip(&self.deviations))
            .map(|(x, (mean, deviation))| ((x - mean) / deviation).clamp(-4.0, 4.0))
            .collect();
        let squares: Vec<f64> = scaled.iter().map(|x| x * x / 4.0).collect();
        scaled.into_iter().chain(squares).collect()
    }
}

const ROUNDS: usize = 80;
const STEP: f64 = 0.05;
const MOMENTUM: f64 = 0.8;
const SHRINK: f64 = 0.005;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_learns_what_differs_in_place_or_in_spread_and_nothing_where_nothing_differs() {
        let noise = |n: usize| (n * 7919 % 1009) as f64 / 1009.0;
        let accuracy = |forged: &dyn Fn(usize) -> f64, real: &dyn Fn(usize) -> f64| {
            let of = |n: usize| vec![noise(n + 5), if n.is_multiple_of(2) { forged(n) } else { real(n) }];
            let all: Vec<Vec<f64>> = (0..1000).map(of).collect();
            let labelled: Vec<(&[f64], bool)> = all
                .iter()
                .enumerate()
                .map(|(n, features)| (features.as_slice(), n.is_multiple_of(2)))
                .collect();
            let learner = Learner::learn(&labelled[..500]);
            let right = labelled[500..].iter().filter(|(f, forged)| (learner.judge(f) > 0.5) == *forged);
            right.count() as f64 / 500.0
        };
        assert!(accuracy(&|n| noise(n) + 1.0, &noise) > 0.95);
        assert!(accuracy(&|n| (noise(n) - 0.5) * 8.0, &|n| noise(n) - 0.5) > 0.8);
        assert!((accuracy(&noise, &noise) - 0.5).abs() < 0.08);
    }
}
