//! `[retention]`

use super::ini::{IniError, IniFile};

/// How long history is kept; `None`: for ever. Nothing is removed but by `tasks purge`.
#[derive(Debug, Clone, Copy)]
pub struct RetentionSettings {
    /// The output of a task, in days since it was asked for.
    pub logs_days: Option<u32>,
    /// A finished task, in days since it was asked for; never shorter than its output.
    pub tasks_days: Option<u32>,
}

impl RetentionSettings {
    pub(super) fn read(file: &mut IniFile) -> Result<Self, IniError> {
        let mut section = file.section("retention");
        let line = section.line_of("logs_days");
        let days = |number: u32| (number > 0).then_some(number);
        let logs_days = days(section.number("logs_days", 90, 0..=36_500)?);
        let tasks_days = days(section.number("tasks_days", 365, 0..=36_500)?);
        if tasks_days.is_some_and(|tasks| logs_days.is_none_or(|logs| logs > tasks)) {
            return Err(section.error(
                line,
                "[retention] logs_days must be at most tasks_days: output without its task is of no use"
                    .to_owned(),
            ));
        }
        section.finish()?;
        Ok(Self { logs_days, tasks_days })
    }
}
