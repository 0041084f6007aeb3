//! `[scheduler]` and `[cron]`

use super::ini::{IniError, IniFile};
use crate::cron_expr::CronExpr;
use crate::names;
use std::collections::BTreeMap;
use std::str::FromStr;

/// When `schedulerd` runs what.
#[derive(Debug, Clone)]
pub struct SchedulerSettings {
    /// The zone in which cron lines are meant.
    pub time_zone: chrono_tz::Tz,
    /// What becomes of slots at which no scheduler ran.
    pub missed: MissedLines,
    /// The lines of `[cron]`.
    pub lines: Vec<CronLine>,
    /// `[programs]`: what schedules of the browser may run, by name.
    pub programs: Programs,
}

/// Programs with their arguments, by the names under which schedules of the browser know them.
pub type Programs = BTreeMap<String, Vec<String>>;

/// What becomes of a line's slots at which no scheduler ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MissedLines {
    /// Nothing.
    Skip,
    /// The newest one runs, late.
    Once,
}

impl FromStr for MissedLines {
    type Err = ();
    fn from_str(word: &str) -> Result<Self, ()> {
        match word {
            "skip" => Ok(Self::Skip),
            "once" => Ok(Self::Once),
            _ => Err(()),
        }
    }
}

/// `name = minute hour day month weekday  program argument ...`
#[derive(Debug, Clone)]
pub struct CronLine {
    /// The key: unique, it names the schedule in the history.
    pub name: String,
    /// When.
    pub when: CronExpr,
    /// The same as it was written.
    pub expression: String,
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
        let missed = section.value("missed", MissedLines::Skip, "skip or once")?;
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
        let mut section = file.section("programs");
        let programs = section
            .rest()
            .into_iter()
            .map(|(name, text, line)| {
                let wrong = |why: String| section.error(line, format!("[programs] {name}: {why}"));
                names::check(&name).map_err(|why| wrong(format!("the name {why}")))?;
                let words: Vec<&str> = text.split_whitespace().collect();
                Ok((name.clone(), command(&words).map_err(wrong)?))
            })
            .collect::<Result<_, IniError>>()?;
        Ok(Self { time_zone, missed, lines, programs })
    }
}

/// One of our own programs with its arguments.
fn command(words: &[&str]) -> Result<Vec<String>, String> {
    let program = words.first().ok_or("names no program")?;
    if !CRON_PROGRAMS.contains(program) {
        return Err(format!("'{program}' is not one of our programs: {}", CRON_PROGRAMS.join(", ")));
    }
    Ok(words.iter().map(|word| (*word).to_owned()).collect())
}

fn parse_line(name: String, text: &str) -> Result<CronLine, String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let fields = if text.starts_with('@') { 1 } else { 5 };
    let (when, program) =
        words.split_at_checked(fields).ok_or("must be: minute hour day month weekday program")?;
    let command = command(program)?;
    let expression = when.join(" ");
    Ok(CronLine { name, when: expression.parse().map_err(|error| format!("{error}"))?, expression, command })
}
