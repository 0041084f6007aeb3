//! Which cron line is due when. A slot is a time that the line's expression gives, the same in every scheduler.

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use selfservice_core::config::{CronLine, SchedulerSettings};

/// What was missed longer ago is not caught up on.
const FARTHEST: TimeDelta = TimeDelta::days(31);

/// The lines with their next slots.
pub struct Timetable {
    zone: Tz,
    lines: Vec<(CronLine, Option<DateTime<Utc>>)>,
}

impl Timetable {
    /// Slots after `now`: what was due while no scheduler ran is left out.
    pub fn new(settings: &SchedulerSettings, now: DateTime<Utc>) -> Self {
        let zone = settings.time_zone;
        Self {
            zone,
            lines: settings.lines.iter().map(|line| (line.clone(), line.when.next(now, &zone))).collect(),
        }
    }

    /// Slots of a line after `newest` count too, which has run: what no scheduler was there for runs late, once. What was
    /// missed more than 31 days ago is forgotten.
    pub fn catch_up(&mut self, name: &str, newest: DateTime<Utc>, now: DateTime<Utc>) {
        let (zone, newest) = (self.zone, newest.max(now - FARTHEST));
        for (line, next) in self.lines.iter_mut().filter(|(line, _)| line.name == name) {
            *next = line.when.next(newest, &zone);
        }
    }

    /// Lines that are due, each with its latest slot: after an outage a line runs once, not once for every slot.
    pub fn due(&mut self, now: DateTime<Utc>) -> Vec<(CronLine, DateTime<Utc>)> {
        let zone = self.zone;
        self.lines
            .iter_mut()
            .filter_map(|(line, next)| {
                let first = (*next).filter(|slot| *slot <= now)?;
                let slot = line.when.newest(first, now, &zone, 1).pop().unwrap_or(first);
                *next = Some(slot);
                Some((line.clone(), slot))
            })
            .collect()
    }

    /// The slot was taken, by us or by another scheduler.
    pub fn done(&mut self, name: &str, slot: DateTime<Utc>) {
        let zone = self.zone;
        for (line, next) in self.lines.iter_mut().filter(|(line, _)| line.name == name) {
            *next = line.when.next(slot, &zone);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use selfservice_core::config::MissedLines;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn timetable(expression: &str, now: &str) -> Timetable {
        let line = CronLine {
            name: "x".to_owned(),
            when: expression.parse().unwrap(),
            expression: expression.to_owned(),
            command: vec!["tasks".to_owned()],
        };
        let settings = SchedulerSettings {
            time_zone: chrono_tz::UTC,
            missed: MissedLines::Skip,
            lines: vec![line],
            programs: Default::default(),
        };
        Timetable::new(&settings, at(now))
    }

    fn slots(table: &mut Timetable, now: &str) -> Vec<DateTime<Utc>> {
        table.due(at(now)).into_iter().map(|(_, slot)| slot).collect()
    }

    #[test]
    fn a_slot_is_due_until_it_is_done() {
        let mut table = timetable("*/5 * * * *", "2026-11-22T10:01:00Z");
        assert!(slots(&mut table, "2026-11-22T10:04:59Z").is_empty());
        assert_eq!(slots(&mut table, "2026-11-22T10:05:00Z"), [at("2026-11-22T10:05:00Z")]);
        assert_eq!(slots(&mut table, "2026-11-22T10:05:02Z"), [at("2026-11-22T10:05:00Z")]);
        table.done("x", at("2026-11-22T10:05:00Z"));
        assert!(slots(&mut table, "2026-11-22T10:05:03Z").is_empty());
    }

    #[test]
    fn after_an_outage_only_the_latest_slot_is_due() {
        let mut table = timetable("*/5 * * * *", "2026-11-22T10:01:00Z");
        assert_eq!(slots(&mut table, "2026-11-22T10:23:00Z"), [at("2026-11-22T10:20:00Z")]);
    }

    #[test]
    fn a_clock_that_is_set_back_repeats_nothing() {
        let mut table = timetable("*/5 * * * *", "2026-11-22T10:01:00Z");
        table.done("x", at("2026-11-22T10:05:00Z"));
        assert!(slots(&mut table, "2026-11-22T10:02:00Z").is_empty());
        assert_eq!(slots(&mut table, "2026-11-22T10:10:00Z").len(), 1);
    }

    #[test]
    fn what_was_missed_runs_once_where_it_is_caught_up() {
        let now = "2026-11-22T10:23:00Z";
        let mut table = timetable("*/5 * * * *", now);
        table.catch_up("x", at("2026-11-22T10:05:00Z"), at(now));
        assert_eq!(slots(&mut table, now), [at("2026-11-22T10:20:00Z")]);
        table.done("x", at("2026-11-22T10:20:00Z"));
        assert!(slots(&mut table, now).is_empty());
        table.catch_up("x", at("2020-01-01T00:00:00Z"), at(now));
        assert_eq!(slots(&mut table, now), [at("2026-11-22T10:20:00Z")], "years ago is forgotten, and quick");
    }
}
