//! The learning rate of each step: a linear rise, then half a cosine (Loshchilov and Hutter 2017).

/// How the learning rate moves over a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Schedule {
    /// Learning rate after the rise.
    pub peak: f32,
    /// Steps of the rise.
    pub warmup: u64,
    /// Steps of the whole run.
    pub total: u64,
    /// Share of the peak that the cosine ends with.
    pub final_share: f32,
}

impl Schedule {
    /// The learning rate of step `step`, counted from 0; never 0 on the way up.
    pub fn at(&self, step: u64) -> f32 {
        if step < self.warmup {
            return self.peak * (step + 1) as f32 / self.warmup as f32;
        }
        let left = self.total.saturating_sub(self.warmup).max(1);
        let way = ((step - self.warmup) as f64 / left as f64).min(1.0);
        let cosine = 0.5 * (1.0 + (std::f64::consts::PI * way).cos());
        let share = f64::from(self.final_share) + (1.0 - f64::from(self.final_share)) * cosine;
        (f64::from(self.peak) * share) as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_rises_to_the_peak_and_falls_to_its_share() {
        let schedule = Schedule { peak: 0.1, warmup: 10, total: 110, final_share: 0.01 };
        let near = |step, lr: f32| assert!((schedule.at(step) - lr).abs() < 1e-6, "{step}: {}", schedule.at(step));
        near(0, 0.01);
        near(9, 0.1);
        near(10, 0.1);
        near(60, 0.0505);
        near(110, 0.001);
        near(500, 0.001);
        assert!((10..110).all(|s| schedule.at(s + 1) < schedule.at(s)));
        let none = Schedule { warmup: 0, ..schedule };
        assert!((none.at(0) - 0.1).abs() < 1e-9);
    }
}
