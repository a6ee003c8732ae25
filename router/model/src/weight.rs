//! Shares of traffic in basis points: 0.01 % steps, so that a weight is exact and comparable.

use serde::{Deserialize, Serialize};

/// Slots that a bucket hash is spread over: one basis point each.
pub const SLOTS: u16 = 10_000;

/// A share of traffic, 0 to 10,000 hundredths of a percent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub struct BasisPoints(u16);

/// A number that is no share of traffic.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum WeightError {
    /// Outside 0 to 100 %.
    #[error("a weight lies between 0 and 100 percent")]
    OutOfRange,
    /// Finer than 0.01 %.
    #[error("a weight has at most two decimals")]
    TooFine,
}

impl BasisPoints {
    /// No traffic.
    pub const ZERO: Self = Self(0);
    /// All traffic.
    pub const FULL: Self = Self(SLOTS);

    /// `points` hundredths of a percent.
    ///
    /// # Errors
    /// [`WeightError::OutOfRange`] above 10,000.
    pub const fn new(points: u16) -> Result<Self, WeightError> {
        if points > SLOTS { Err(WeightError::OutOfRange) } else { Ok(Self(points)) }
    }

    /// A whole percentage; more than 100 counts as 100.
    #[must_use]
    pub const fn whole_percent(percent: u8) -> Self {
        let percent = if percent > 100 { 100 } else { percent };
        Self(percent as u16 * 100)
    }

    /// A percentage with at most two decimals, as people and the admin API write it.
    ///
    /// # Errors
    /// [`WeightError`] outside 0 to 100, or finer than 0.01.
    pub fn from_percent(percent: f64) -> Result<Self, WeightError> {
        if !(0.0..=100.0).contains(&percent) {
            return Err(WeightError::OutOfRange);
        }
        let points = percent * 100.0;
        if (points - points.round()).abs() > 1e-6 {
            return Err(WeightError::TooFine);
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to lie in 0..=10_000")]
        let points = points.round() as u16;
        Self::new(points)
    }

    /// The share as a percentage.
    #[must_use]
    pub fn as_percent(self) -> f64 {
        f64::from(self.0) / 100.0
    }

    /// The share in hundredths of a percent.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }
}

impl TryFrom<u16> for BasisPoints {
    type Error = WeightError;
    fn try_from(points: u16) -> Result<Self, WeightError> {
        Self::new(points)
    }
}

impl From<BasisPoints> for u16 {
    fn from(weight: BasisPoints) -> Self {
        weight.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_has_two_decimals_and_ends_at_100() {
        assert_eq!(BasisPoints::from_percent(25.0).unwrap().get(), 2_500);
        assert_eq!(BasisPoints::from_percent(0.01).unwrap().get(), 1);
        assert_eq!(BasisPoints::from_percent(100.0).unwrap(), BasisPoints::FULL);
        assert_eq!(BasisPoints::from_percent(33.333), Err(WeightError::TooFine));
        assert_eq!(BasisPoints::from_percent(100.01), Err(WeightError::OutOfRange));
        assert_eq!(BasisPoints::from_percent(-0.01), Err(WeightError::OutOfRange));
        assert_eq!(BasisPoints::from_percent(f64::NAN), Err(WeightError::OutOfRange));
    }

    #[test]
    fn points_end_at_10_000() {
        assert!(BasisPoints::new(SLOTS).is_ok());
        assert_eq!(BasisPoints::new(SLOTS + 1), Err(WeightError::OutOfRange));
    }
}
