//! Which slots of a schedule are due. A slot is a time that its expression gives, the same in every scheduler, so that each
//! of them can be taken once.

use crate::cron_expr::{CronError, CronExpr};
use crate::models::schedules::{Missed, Schedule};
use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;

/// A slot that is older was missed: no scheduler ran, or the database was away.
const ON_TIME: TimeDelta = TimeDelta::seconds(90);
/// What was missed longer ago is not looked for.
const FARTHEST: TimeDelta = TimeDelta::days(31);

/// When a schedule has its slots.
#[derive(Debug, Clone)]
pub struct Rule {
    when: CronExpr,
    zone: Tz,
    missed: Missed,
    most_missed: usize,
    jitter: TimeDelta,
    /// So that schedules of one expression do not all come at one time.
    seed: u64,
}

/// What a stored rule may have wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WrongRule {
    /// The expression.
    #[error(transparent)]
    When(#[from] CronError),
    /// The zone.
    #[error("'{0}' is no IANA time zone, such as Europe/Berlin")]
    Zone(String),
}

/// What has become of the slots of a schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// To run, oldest first.
    pub run: Vec<DateTime<Utc>>,
    /// Whether others were passed over.
    pub skipped: bool,
    /// All slots up to here are dealt with.
    pub until: DateTime<Utc>,
    /// When the next one is due.
    pub next_at: Option<DateTime<Utc>>,
}

impl Rule {
    /// The rule of a schedule.
    ///
    /// # Errors
    /// What was written is not understood.
    pub fn of(schedule: &Schedule) -> Result<Self, WrongRule> {
        Ok(Self {
            missed: schedule.missed,
            most_missed: usize::try_from(schedule.most_missed).unwrap_or(1),
            jitter: TimeDelta::seconds(schedule.jitter_seconds.into()),
            seed: schedule.id.unsigned_abs(),
            ..Self::plain(&schedule.expression, &schedule.time_zone)?
        })
    }

    /// Expression and zone alone, without jitter; missed slots are skipped.
    ///
    /// # Errors
    /// One of them is not understood.
    pub fn plain(expression: &str, zone: &str) -> Result<Self, WrongRule> {
        Ok(Self {
            when: expression.parse()?,
            zone: zone.parse().map_err(|_| WrongRule::Zone(zone.to_owned()))?,
            missed: Missed::Skip,
            most_missed: 1,
            jitter: TimeDelta::zero(),
            seed: 0,
        })
    }

    /// When the first slot after `after` is due; `None`: never.
    pub fn next_at(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.when.next(after, &self.zone).map(|slot| self.due_at(slot))
    }

    /// Which slots after `considered` are due at `now`.
    pub fn due(&self, considered: DateTime<Utc>, now: DateTime<Utc>) -> Due {
        let start = considered.max(now - FARTHEST);
        let wanted = if self.missed == Missed::All { self.most_missed } else { 1 };
        // Up to here everything is due, whatever its jitter.
        let settled = start.max(now - self.jitter);
        let mut run = self.when.newest(start, settled, &self.zone, wanted);
        let mut until = run.last().copied().unwrap_or(start);
        let mut next = self.when.next(settled, &self.zone);
        while let Some(slot) = next.filter(|slot| self.due_at(*slot) <= now) {
            run.push(slot);
            until = slot;
            next = self.when.next(slot, &self.zone);
        }
        run.drain(..run.len().saturating_sub(wanted));
        if self.missed == Missed::Skip {
            run.retain(|slot| now - self.due_at(*slot) <= ON_TIME);
        }
        let oldest = self.when.next(considered, &self.zone).filter(|slot| *slot <= until);
        let skipped = oldest.is_some_and(|oldest| run.first().is_none_or(|first| oldest < *first));
        Due { run, skipped, until, next_at: next.map(|slot| self.due_at(slot)) }
    }

    /// Late by some seconds of the jitter, the same in every scheduler.
    fn due_at(&self, slot: DateTime<Utc>) -> DateTime<Utc> {
        let most = self.jitter.num_seconds().unsigned_abs();
        let mixed = mix(slot.timestamp().unsigned_abs() ^ mix(self.seed));
        slot + TimeDelta::seconds(i64::try_from(mixed % (most + 1)).unwrap_or(0))
    }
}

/// The last step of `SplitMix64`: neighbouring numbers become unlike ones.
fn mix(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn rule(expression: &str, missed: Missed) -> Rule {
        Rule { missed, most_missed: 3, ..Rule::plain(expression, "UTC").unwrap() }
    }

    const BEFORE: &str = "2026-11-24T10:00:30Z";

    #[test]
    fn a_slot_in_time_runs_by_every_policy() {
        for missed in Missed::ALL {
            let due = rule("*/5 * * * *", *missed).due(at(BEFORE), at("2026-11-24T10:05:02Z"));
            assert_eq!(due.run, [at("2026-11-24T10:05:00Z")], "{missed}");
            assert_eq!((due.skipped, due.until), (false, at("2026-11-24T10:05:00Z")));
            assert_eq!(due.next_at, Some(at("2026-11-24T10:10:00Z")));
        }
    }

    #[test]
    fn missed_slots_go_by_the_policy() {
        let now = at("2026-11-24T10:27:00Z");
        let runs = |missed| rule("*/5 * * * *", missed).due(at(BEFORE), now);
        assert_eq!((runs(Missed::Skip).run, runs(Missed::Skip).skipped), (vec![], true));
        assert_eq!(runs(Missed::Once).run, [at("2026-11-24T10:25:00Z")]);
        let all = runs(Missed::All);
        assert_eq!(all.run, [10, 15, 20, 25].map(|minute| at(&format!("2026-11-24T10:{minute}:00Z")))[1..]);
        assert!(all.skipped);
        for missed in Missed::ALL {
            assert_eq!(runs(*missed).next_at, Some(at("2026-11-24T10:30:00Z")));
            assert!(
                rule("*/5 * * * *", *missed).due(runs(*missed).until, now).run.is_empty(),
                "nothing twice"
            );
        }
    }

    #[test]
    fn a_schedule_that_slept_for_years_is_quick_to_look_at() {
        let due = rule("* * * * *", Missed::All).due(at("2020-01-01T00:00:00Z"), at("2026-11-24T10:00:30Z"));
        assert_eq!(due.run.len(), 3);
        assert!(due.skipped);
        assert_eq!(due.until, at("2026-11-24T10:00:00Z"));
    }

    #[test]
    fn jitter_is_within_its_bound_spread_and_always_the_same() {
        let jittered =
            |seed| Rule { jitter: TimeDelta::seconds(60), seed, ..rule("0 * * * *", Missed::Once) };
        let slot = at("2026-11-24T11:00:00Z");
        let late: Vec<i64> = (0..50).map(|seed| (jittered(seed).due_at(slot) - slot).num_seconds()).collect();
        assert!(late.iter().all(|seconds| (0..=60).contains(seconds)), "{late:?}");
        assert!(late.iter().collect::<std::collections::BTreeSet<_>>().len() > 20, "{late:?}");
        assert_eq!(jittered(7).due_at(slot), jittered(7).due_at(slot));
        let rule = jittered(7);
        let due_at = rule.due_at(slot);
        assert_eq!(rule.next_at(at(BEFORE)), Some(due_at));
        assert!(rule.due(at(BEFORE), due_at - TimeDelta::seconds(1)).run.is_empty());
        assert_eq!(rule.due(at(BEFORE), due_at).run, [slot], "the slot keeps its own time");
    }

    #[test]
    fn daylight_saving_neither_loses_nor_repeats_a_slot() {
        let daily = Rule {
            missed: Missed::All,
            most_missed: 100,
            ..Rule::plain("30 2 * * *", "Europe/Berlin").unwrap()
        };
        let slots = |from: &str, to: &str| daily.due(at(from), at(to)).run;
        // In spring 02:30 is not there, and comes when the gap ends; in autumn it is there twice, and counts once.
        assert_eq!(
            slots("2026-03-28T12:00:00Z", "2026-03-30T12:00:00Z"),
            [at("2026-03-29T01:00:00Z"), at("2026-03-30T00:30:00Z")]
        );
        assert_eq!(
            slots("2026-10-24T12:00:00Z", "2026-10-26T12:00:00Z"),
            [at("2026-10-25T00:30:00Z"), at("2026-10-26T01:30:00Z")]
        );
    }

    #[test]
    fn what_is_not_understood_is_told() {
        let wrong = |expression, zone| Rule::plain(expression, zone).unwrap_err().to_string();
        assert!(wrong("61 * * * *", "UTC").contains("'61' is no minute"));
        assert_eq!(
            wrong("@daily", "Europe/Atlantis"),
            "'Europe/Atlantis' is no IANA time zone, such as Europe/Berlin"
        );
    }
}
