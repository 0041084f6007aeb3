//! Five-field crontab lines over the `cron` crate, with the meaning that crontab(5) gives them.
//!
//! The crate differs in three ways that are put right here. It counts weekdays from Sunday = 1, crontab from
//! Sunday = 0 (and 7): numbers become names. It wants day of month AND weekday, crontab takes either when both are
//! restricted: two schedules are merged. It skips times that daylight saving removes and repeats those that come
//! twice: the crate only ever sees wall-clock times, and the mapping to real time is done here, as Vixie cron does
//! it. A time in the gap fires when the gap ends; a fixed hour that comes twice fires once; a line whose hour begins
//! with `*` fires in both.

use chrono::{DateTime, Duration, LocalResult, NaiveDateTime, TimeZone, Utc};
use cron::Schedule;
use std::str::FromStr;

const WEEKDAYS: [&str; 8] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"];

/// A crontab line without its command.
#[derive(Debug, Clone)]
pub struct CronExpr {
    /// One schedule, or two where crontab's either-day rule applies.
    schedules: Vec<Schedule>,
    every_hour: bool,
}

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CronError {
    /// Not five fields, nor a known word.
    #[error(
        "'{0}' must be five fields (minute hour day month weekday) or @hourly, @daily, @weekly, @monthly, @yearly"
    )]
    Form(String),
    /// A field that is not understood.
    #[error("'{value}' is no {field}; allowed are {allowed}")]
    Field {
        /// Which of the five.
        field: &'static str,
        /// As written.
        value: String,
        /// What may stand there.
        allowed: &'static str,
    },
}

impl FromStr for CronExpr {
    type Err = CronError;

    fn from_str(text: &str) -> Result<Self, CronError> {
        let text = text.trim();
        let line = match text {
            "@hourly" => "0 * * * *",
            "@daily" | "@midnight" => "0 0 * * *",
            "@weekly" => "0 0 * * 0",
            "@monthly" => "0 0 1 * *",
            "@yearly" | "@annually" => "0 0 1 1 *",
            other => other,
        };
        let fields: Vec<&str> = line.split_whitespace().collect();
        let &[minute, hour, day, month, weekday] = fields.as_slice() else {
            return Err(CronError::Form(text.to_owned()));
        };
        let names = weekday_names(weekday).ok_or_else(|| CronError::Field {
            field: "weekday",
            value: weekday.to_owned(),
            allowed: "0 to 7, SUN to SAT, ranges, lists and steps",
        })?;
        check("minute", minute, "0 to 59, ranges, lists and steps", &format!("0 {minute} * * * *"))?;
        check("hour", hour, "0 to 23, ranges, lists and steps", &format!("0 0 {hour} * * *"))?;
        check("day", day, "1 to 31, ranges, lists and steps", &format!("0 0 0 {day} * *"))?;
        check("month", month, "1 to 12, JAN to DEC, ranges, lists and steps", &format!("0 0 0 1 {month} *"))?;
        // crontab(5): a field that begins with `*` does not restrict.
        let either = !day.starts_with('*') && !weekday.starts_with('*');
        let days: &[(&str, &str)] = if either { &[(day, "*"), ("*", &names)] } else { &[(day, &names)] };
        let schedules = days
            .iter()
            .map(|(day, weekday)| Schedule::from_str(&format!("0 {minute} {hour} {day} {month} {weekday}")))
            .collect::<Result<_, _>>()
            .map_err(|_| CronError::Form(text.to_owned()))?;
        Ok(Self { schedules, every_hour: hour.starts_with('*') })
    }
}

impl CronExpr {
    /// The first time after `after`, or `None` where none comes (30 February).
    ///
    /// Results grow strictly when each is given back as `after`, whatever daylight saving does.
    pub fn next<Z: TimeZone>(&self, after: DateTime<Utc>, zone: &Z) -> Option<DateTime<Utc>> {
        // Wall-clock time jumps by at most three hours anywhere in the IANA database's present rules; so the answer
        // lies behind a wall-clock time no earlier than this.
        let start = after.with_timezone(zone).naive_local() - Duration::hours(3);
        self.schedules.iter().filter_map(|schedule| self.next_of(schedule, start, after, zone)).min()
    }

    /// The newest times after `after` and up to `until`, at most `most` of them, oldest first. It is quick however far apart
    /// the two are.
    pub fn newest<Z: TimeZone>(
        &self,
        after: DateTime<Utc>,
        until: DateTime<Utc>,
        zone: &Z,
        most: usize,
    ) -> Vec<DateTime<Utc>> {
        let mut span = Duration::minutes(5);
        loop {
            let from = after.max(until - span);
            let mut found = Vec::new();
            let mut next = self.next(from, zone);
            while let Some(time) = next.filter(|time| *time <= until) {
                found.push(time);
                next = self.next(time, zone);
            }
            if found.len() >= most || from == after {
                return found.split_off(found.len().saturating_sub(most));
            }
            span = span * 4;
        }
    }

    fn next_of<Z: TimeZone>(
        &self,
        schedule: &Schedule,
        start: NaiveDateTime,
        after: DateTime<Utc>,
        zone: &Z,
    ) -> Option<DateTime<Utc>> {
        let mut best: Option<(DateTime<Utc>, NaiveDateTime)> = None;
        for wall in schedule.after(&start.and_utc()).map(|time| time.naive_utc()) {
            if best.is_some_and(|(_, found)| wall > found + Duration::hours(3)) {
                break;
            }
            for time in self.real_times(wall, zone).into_iter().flatten().filter(|time| *time > after) {
                if best.is_none_or(|(earliest, _)| time < earliest) {
                    best = Some((time, wall));
                }
            }
        }
        best.map(|(time, _)| time)
    }

    fn real_times<Z: TimeZone>(&self, wall: NaiveDateTime, zone: &Z) -> [Option<DateTime<Utc>>; 2] {
        let utc = |time: DateTime<Z>| time.with_timezone(&Utc);
        match zone.from_local_datetime(&wall) {
            LocalResult::Single(time) => [Some(utc(time)), None],
            LocalResult::Ambiguous(first, second) => [Some(utc(first)), self.every_hour.then(|| utc(second))],
            LocalResult::None => [end_of_gap(wall, zone).map(utc), None],
        }
    }
}

fn end_of_gap<Z: TimeZone>(wall: NaiveDateTime, zone: &Z) -> Option<DateTime<Z>> {
    let start_of_minute = wall;
    (1..=180).find_map(|minutes| {
        zone.from_local_datetime(&(start_of_minute + Duration::minutes(minutes))).earliest()
    })
}

fn check(field: &'static str, value: &str, allowed: &'static str, alone: &str) -> Result<(), CronError> {
    let plain = value.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '*' | ',' | '-' | '/'));
    if plain && Schedule::from_str(alone).is_ok() {
        return Ok(());
    }
    Err(CronError::Field { field, value: value.to_owned(), allowed })
}

/// Spells a weekday field out in names: `5-7` becomes `FRI,SAT,SUN`.
fn weekday_names(field: &str) -> Option<String> {
    if field == "*" {
        return Some("*".to_owned());
    }
    let mut days = Vec::new();
    for part in field.split(',') {
        let (range, step) =
            part.split_once('/').map_or((part, 1), |(range, step)| (range, step.parse().unwrap_or(0)));
        let (first, last) = match range.split_once('-') {
            _ if range == "*" => (0, 6),
            Some((first, last)) => (weekday(first)?, weekday(last)?),
            None if step > 1 => (weekday(range)?, 6),
            None => (weekday(range)?, weekday(range)?),
        };
        if step == 0 || first > last {
            return None;
        }
        days.extend((first..=last).step_by(step).filter_map(|day| WEEKDAYS.get(day).copied()));
    }
    Some(days.join(","))
}

fn weekday(word: &str) -> Option<usize> {
    match word.parse::<usize>() {
        Ok(number) => (number <= 7).then_some(number),
        Err(_) => WEEKDAYS.iter().position(|name| name.eq_ignore_ascii_case(word)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono_tz::Europe::Berlin;

    fn times(line: &str, from: &str, count: usize) -> Vec<String> {
        let expr: CronExpr = line.parse().unwrap();
        let mut at = Berlin
            .from_local_datetime(&NaiveDateTime::parse_from_str(from, "%F %R").unwrap())
            .earliest()
            .unwrap()
            .with_timezone(&Utc);
        (0..count)
            .map(|_| {
                at = expr.next(at, &Berlin).unwrap();
                at.with_timezone(&Berlin).format("%a %F %R %Z").to_string()
            })
            .collect()
    }

    #[test]
    fn weekdays_count_from_sunday_zero() {
        assert_eq!(times("0 9 * * 1", "2026-11-22 00:00", 1), ["Mon 2026-11-23 09:00 CET"]);
        assert_eq!(times("0 9 * * 0", "2026-11-22 00:00", 1), ["Sun 2026-11-22 09:00 CET"]);
        assert_eq!(times("0 9 * * 7", "2026-11-22 00:00", 1), ["Sun 2026-11-22 09:00 CET"]);
        assert_eq!(
            times("0 9 * * 5-7", "2026-11-22 10:00", 3),
            ["Fri 2026-11-27 09:00 CET", "Sat 2026-11-28 09:00 CET", "Sun 2026-11-29 09:00 CET"]
        );
        assert_eq!(times("0 9 * * mon-fri/2", "2026-11-23 10:00", 1), ["Wed 2026-11-25 09:00 CET"]);
    }

    #[test]
    fn either_day_field_is_enough_when_both_are_restricted() {
        assert_eq!(
            times("0 0 13 * 5", "2026-11-06 12:00", 2),
            ["Fri 2026-11-13 00:00 CET", "Fri 2026-11-20 00:00 CET"]
        );
        assert_eq!(times("0 0 24 * 5", "2026-11-22 12:00", 1), ["Tue 2026-11-24 00:00 CET"]);
    }

    #[test]
    fn a_time_in_the_spring_gap_fires_when_the_gap_ends_and_once() {
        assert_eq!(
            times("30 2 * * *", "2026-03-28 12:00", 2),
            ["Sun 2026-03-29 03:00 CEST", "Mon 2026-03-30 02:30 CEST"]
        );
        assert_eq!(
            times("*/30 * * * *", "2026-03-29 01:20", 3),
            ["Sun 2026-03-29 01:30 CET", "Sun 2026-03-29 03:00 CEST", "Sun 2026-03-29 03:30 CEST"]
        );
    }

    #[test]
    fn a_fixed_hour_fires_once_in_autumn_and_every_hour_fires_in_both() {
        assert_eq!(
            times("30 2 * * *", "2026-10-24 12:00", 2),
            ["Sun 2026-10-25 02:30 CEST", "Mon 2026-10-26 02:30 CET"]
        );
        assert_eq!(
            times("*/30 * * * *", "2026-10-25 01:45", 5),
            [
                "Sun 2026-10-25 02:00 CEST",
                "Sun 2026-10-25 02:30 CEST",
                "Sun 2026-10-25 02:00 CET",
                "Sun 2026-10-25 02:30 CET",
                "Sun 2026-10-25 03:00 CET"
            ]
        );
    }

    #[test]
    fn the_newest_times_are_found_from_the_end() {
        let expr: CronExpr = "*/10 * * * *".parse().unwrap();
        let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        let newest = |from: &str, most| expr.newest(at(from), at("2026-11-24T10:20:00Z"), &Utc, most);
        let times = ["2026-11-24T10:00:00Z", "2026-11-24T10:10:00Z", "2026-11-24T10:20:00Z"].map(at);
        assert_eq!(newest("2000-01-01T00:00:00Z", 3), times);
        assert_eq!(newest("2026-11-24T10:00:00Z", 3), times[1..]);
        assert!(newest("2026-11-24T10:20:00Z", 3).is_empty());
        let yearly: CronExpr = "@yearly".parse().unwrap();
        assert_eq!(
            yearly.newest(at("2024-06-01T00:00:00Z"), at("2026-11-24T10:20:00Z"), &Utc, 5),
            ["2025-01-01T00:00:00Z", "2026-01-01T00:00:00Z"].map(at)
        );
    }

    #[test]
    fn words_and_wrong_fields() {
        assert_eq!(times("@daily", "2026-11-22 10:00", 1), ["Mon 2026-11-23 00:00 CET"]);
        let wrong = |line: &str| line.parse::<CronExpr>().unwrap_err().to_string();
        assert!(wrong("0 0 * *").starts_with("'0 0 * *' must be five fields"));
        assert!(wrong("@reboot").contains("must be five fields"));
        assert!(wrong("61 0 * * *").starts_with("'61' is no minute"));
        assert!(wrong("0 0 * * 8").starts_with("'8' is no weekday"));
        assert!(wrong("0 0 * * 5-1").starts_with("'5-1' is no weekday"));
        assert!(wrong("0 0 31-30 * *").starts_with("'31-30' is no day"));
        assert_eq!("0 0 30 2 *".parse::<CronExpr>().unwrap().next(Utc::now(), &Utc), None);
    }
}
