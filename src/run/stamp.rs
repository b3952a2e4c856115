//! A moment in a file: RFC 3339 in UTC to the millisecond, so that people and programs can read it.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A moment, to the millisecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stamp(Timestamp);

impl Stamp {
    /// The present moment.
    pub fn now() -> Stamp {
        Stamp::from_millis(Timestamp::now().as_millisecond())
    }

    /// A moment so many milliseconds after 1970 (UTC); beyond what a calendar holds it is cut.
    pub fn from_millis(millis: i64) -> Stamp {
        Stamp(Timestamp::from_millisecond(millis).unwrap_or(Timestamp::MAX))
    }

    /// Seconds since 1970 (UTC), as `metrics.jsonl` has them.
    pub fn seconds(self) -> f64 {
        self.0.as_millisecond() as f64 / 1000.0
    }

    /// Seconds from this moment to the present; never below 0, as clocks are set back now and then.
    pub fn age_seconds(self) -> f64 {
        (Stamp::now().seconds() - self.seconds()).max(0.0)
    }

    /// As people of this place read it: `2026-11-25 14:02:07`.
    pub fn local(self) -> String {
        self.0.to_zoned_datetime(jiff::tz::TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string()
    }
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3}", self.0)
    }
}

impl Serialize for Stamp {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Stamp {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Stamp, D::Error> {
        let text = String::deserialize(d)?;
        let moment: Timestamp = text.parse().map_err(serde::de::Error::custom)?;
        Ok(Stamp::from_millis(moment.as_millisecond()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_survives_its_file() {
        let now = Stamp::now();
        let text = serde_json::to_string(&now).unwrap();
        assert_eq!(serde_json::from_str::<Stamp>(&text).unwrap(), now);
        assert_eq!(Stamp::from_millis(1_500).to_string(), "1970-01-01T00:00:01.500Z");
        assert!(serde_json::from_str::<Stamp>("\"yesterday\"").is_err());
    }
}
