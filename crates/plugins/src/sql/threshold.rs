//! Ranges as Nagios plugins have them (Monitoring Plugins Development Guidelines, "Threshold and Ranges").

use crate::arguments::BadArgument;

/// Alerts outside of it, or inside where it begins with `@`.
#[derive(Debug, Clone, PartialEq)]
pub struct Range {
    start: f64,
    end: f64,
    inside: bool,
    text: String,
}

impl Range {
    /// `10`, `5:`, `~:10`, `5:10`, `@5:10`.
    pub fn parse(option: &str, text: &str) -> Result<Self, BadArgument> {
        let (inside, rest) = text.strip_prefix('@').map_or((false, text), |rest| (true, rest));
        let number = |text: &str| text.parse::<f64>().ok().filter(|number| number.is_finite());
        let parsed = match rest.split_once(':') {
            None => number(rest).map(|end| (0.0, end)),
            Some((start, end)) => {
                let start = if start == "~" { Some(f64::NEG_INFINITY) } else { number(start) };
                let end = if end.is_empty() { Some(f64::INFINITY) } else { number(end) };
                start.zip(end)
            }
        };
        match parsed {
            Some((start, end)) if start <= end => Ok(Self { start, end, inside, text: text.to_owned() }),
            _ => Err(BadArgument(format!(
                "{option} must be a range such as 10, 5:10, ~:10 or @5:10, not '{text}'"
            ))),
        }
    }

    /// Whether `value` is one to alert about.
    pub fn alerts(&self, value: f64) -> bool {
        let within = self.start <= value && value <= self.end;
        within == self.inside
    }

    /// As it was written.
    pub fn text(&self) -> &str {
        &self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_the_guidelines() {
        for (text, alerts, fine) in [
            ("10", &[-0.1, 10.1][..], &[0.0, 10.0][..]),
            ("10:", &[9.9], &[10.0, 1e9]),
            ("~:10", &[10.1], &[-1e9, 10.0]),
            ("10:20", &[9.9, 20.1], &[10.0, 20.0]),
            ("@10:20", &[10.0, 20.0], &[9.9, 20.1]),
        ] {
            let range = Range::parse("x", text).unwrap();
            assert!(alerts.iter().all(|value| range.alerts(*value)), "{text}");
            assert!(!fine.iter().any(|value| range.alerts(*value)), "{text}");
        }
        for bad in ["", "a", "20:10", ":", "@", "nan", "1:2:3", "inf"] {
            assert!(Range::parse("x", bad).is_err(), "{bad}");
        }
    }
}
