//! `[scheduler]` and `[cron]`

use super::ini::{IniError, IniFile};
use crate::cron_expr::CronExpr;

/// When `schedulerd` runs what.
#[derive(Debug, Clone)]
pub struct SchedulerSettings {
    /// The zone in which cron lines are meant.
    pub time_zone: chrono_tz::Tz,
    /// The lines of `[cron]`.
    pub lines: Vec<CronLine>,
}

/// `name = minute hour day month weekday  program argument ...`
#[derive(Debug, Clone)]
pub struct CronLine {
    /// The key: unique, it names the schedule in the history.
    pub name: String,
    /// When.
    pub when: CronExpr,
    /// One of our own programs, without a path, and its arguments, split at white space; no shell is involved.
    pub command: Vec<String>,
}

/// The programs that a cron line may name.
pub const CRON_PROGRAMS: &[&str] = &["data_loader", "influxdata", "tasks"];

impl SchedulerSettings {
    pub(super) fn read(file: &mut IniFile) -> Result<Self, IniError> {
        let mut section = file.section("scheduler");
        let time_zone =
            section.value("time_zone", chrono_tz::UTC, "an IANA time zone, such as Europe/Berlin")?;
        section.finish()?;
        let mut cron = file.section("cron");
        let lines = cron
            .rest()
            .into_iter()
            .map(|(name, text, line)| {
                parse_line(name.clone(), &text)
                    .map_err(|why| cron.error(line, format!("[cron] {name}: {why}")))
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { time_zone, lines })
    }
}

fn parse_line(name: String, text: &str) -> Result<CronLine, String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let fields = if text.starts_with('@') { 1 } else { 5 };
    let (when, command) =
        words.split_at_checked(fields).ok_or("must be: minute hour day month weekday program")?;
    let program = command.first().ok_or("names no program")?;
    if !CRON_PROGRAMS.contains(program) {
        return Err(format!("'{program}' is not one of our programs: {}", CRON_PROGRAMS.join(", ")));
    }
    Ok(CronLine {
        name,
        when: when.join(" ").parse().map_err(|error| format!("{error}"))?,
        command: command.iter().map(|word| (*word).to_owned()).collect(),
    })
}
