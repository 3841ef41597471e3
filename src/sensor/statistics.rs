//! Running statistics of one kind of reading: nothing is kept but four numbers. Pure.

/// Count, smallest, mean and largest.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Statistics {
    /// How many numbers.
    pub count: u32,
    /// The smallest.
    pub minimum: f64,
    /// Their mean.
    pub mean: f64,
    /// The largest.
    pub maximum: f64,
}

impl Statistics {
    /// Of one number.
    pub fn new(first: f64) -> Statistics {
        Statistics { count: 1, minimum: first, mean: first, maximum: first }
    }

    /// Adds a number, which must be finite.
    pub fn add(&mut self, number: f64) {
        self.count = self.count.saturating_add(1);
        self.minimum = self.minimum.min(number);
        self.maximum = self.maximum.max(number);
        // Not the sum divided by the count: a sum of large numbers overflows, and one of many loses
        // digits. Both are divided first, for even their difference might overflow.
        let count = f64::from(self.count);
        self.mean += number / count - self.mean / count;
    }

    /// The mean for a person: two places, or an exponent where there would be up to 309 digits.
    pub fn show_mean(&self) -> String {
        if self.mean.abs() < 1e15 {
            format!("{:.2}", self.mean)
        } else {
            format!("{:e}", self.mean)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_few_numbers() {
        let mut statistics = Statistics::new(2.0);
        for number in [4.0, -3.0, 5.0] {
            statistics.add(number);
        }
        assert_eq!(statistics, Statistics { count: 4, minimum: -3.0, mean: 2.0, maximum: 5.0 });
    }

    #[test]
    fn the_largest_numbers_there_are_do_not_overflow() {
        let mut statistics = Statistics::new(f64::MAX);
        for number in [f64::MIN, f64::MAX, f64::MAX, f64::MIN] {
            statistics.add(number);
            assert!(statistics.mean.is_finite());
        }
        assert_eq!(Statistics::new(-1e300).show_mean(), "-1e300");
        assert_eq!(Statistics::new(21.456).show_mean(), "21.46");
    }
}
