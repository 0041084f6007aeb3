//! Schedules: who may change them, the change and its audit row. Forms and the API both come through here, behind
//! [`crate::rights::administer`].

use crate::api::input;
use crate::auth::Signed;
use crate::error::{AppError, AppResult};
use selfservice_core::config::Programs;
use selfservice_core::db::PgConnection;
use selfservice_core::models::inventory::Complaint;
use selfservice_core::models::schedule_runs::database_time;
use selfservice_core::models::schedules::{Replaced, Schedule, Source};
use selfservice_core::schedule::{Draft, Rule};
use serde_json::json;

/// A schedule with what a person wrote down for it.
#[derive(Debug, Clone)]
pub struct Kept {
    /// The row.
    pub schedule: Schedule,
    /// The same by names.
    pub draft: Draft,
}

/// What became of a schedule that somebody wants to make or change.
pub enum Saved {
    /// It is stored.
    Done(Box<Kept>),
    /// What is wrong with it.
    Mend(Vec<Complaint>),
    /// Somebody else was quicker.
    Stale(Box<Kept>),
}

/// What is done with one that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// It runs once, beside its times. Lines of the settings do, too.
    Run,
    /// Its times count again, from now on.
    Enable,
    /// Its times pass.
    Disable,
    /// It goes; its runs stay in the tasks' history.
    Remove,
}

impl Act {
    /// Its word in the audit log.
    pub fn action(self) -> &'static str {
        match self {
            Self::Run => "schedule.run",
            Self::Enable => "schedule.enable",
            Self::Disable => "schedule.disable",
            Self::Remove => "schedule.remove",
        }
    }
}

impl Kept {
    /// One that a person made; lines of the settings are changed there.
    pub fn find(connection: &mut PgConnection, id: i64) -> AppResult<Self> {
        let schedule = find(connection, id)?;
        if schedule.source != Source::Gui {
            return Err(AppError::NotFound);
        }
        let target = schedule.target(connection)?;
        Ok(Self { draft: Draft::of(&schedule, target), schedule })
    }

    /// Which state of it somebody has seen.
    pub fn version(&self) -> String {
        self.schedule.revision.to_string()
    }
}

/// Any schedule.
pub fn find(connection: &mut PgConnection, id: i64) -> AppResult<Schedule> {
    Schedule::find(connection, id)?.ok_or(AppError::NotFound)
}

/// What no task may hold, whoever asks for it.
fn not_for_tasks(draft: &Draft) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    if let Some(Err(rule)) = draft.reason.as_deref().map(input::reason_rule) {
        complaints.push(Complaint::new("reason", format!("the reason {rule}")));
    }
    // PostgreSQL takes no NUL, and no argument of a program can hold one.
    if draft.parameters.iter().any(|(name, value)| name.contains('\0') || value.contains('\0')) {
        complaints.push(Complaint::new("parameters", "the parameters must not contain a NUL character"));
    }
    complaints
}

/// Makes a schedule, or changes the one with this id and version. It runs with the rights of who does that, and its times
/// count from now on. `complaints` are about what could not be read.
pub fn save(
    connection: &mut PgConnection,
    signed: &Signed,
    programs: &Programs,
    target: Option<(i64, &str)>,
    draft: Draft,
    mut complaints: Vec<Complaint>,
) -> AppResult<Saved> {
    complaints.extend(not_for_tasks(&draft));
    if let Some((id, version)) = target {
        let kept = Kept::find(connection, id)?;
        if kept.version() != version {
            return Ok(Saved::Stale(Box::new(kept)));
        }
    }
    let written = json!(draft);
    let now = database_time(connection)?;
    let schedule = match draft.check(connection, programs, signed.user.id, now)? {
        Ok(schedule) if complaints.is_empty() => schedule,
        Ok(_) => return Ok(Saved::Mend(complaints)),
        Err(found) => {
            complaints.extend(found);
            return Ok(Saved::Mend(complaints));
        }
    };
    let name_taken = || Saved::Mend(vec![Complaint::new("name", "there is a schedule of that name already")]);
    let (id, action) = match target {
        None => match schedule.insert(connection)? {
            Some(id) => (id, "schedule.add"),
            None => return Ok(name_taken()),
        },
        Some((id, version)) => {
            let revision = version.parse().map_err(|_| AppError::NotFound)?;
            match schedule.replace(connection, id, revision)? {
                Replaced::Done => (id, "schedule.change"),
                Replaced::NameTaken => return Ok(name_taken()),
                Replaced::Stale => return Ok(Saved::Stale(Box::new(Kept::find(connection, id)?))),
            }
        }
    };
    let mut audit = signed.audit(action, &schedule.name);
    audit.detail = json!({ "id": id, "definition": written });
    audit.insert(connection)?;
    Ok(Saved::Done(Box::new(Kept::find(connection, id)?)))
}

/// Does something with a schedule that is there, if it is one with which that can be done.
pub fn act(connection: &mut PgConnection, signed: &Signed, id: i64, act: Act) -> AppResult<()> {
    let schedule = find(connection, id)?;
    let now = database_time(connection)?;
    let done = match act {
        Act::Run => Schedule::request_run(connection, id, &signed.user.name)?,
        Act::Enable => {
            let rule = Rule::of(&schedule).map_err(|why| AppError::BadRequest(format!("{why}.")))?;
            Schedule::enable(connection, id, true, now, rule.next_at(now))?
        }
        Act::Disable => Schedule::enable(connection, id, false, now, None)?,
        Act::Remove => Schedule::delete(connection, id)?,
    };
    if !done {
        return Err(AppError::NotFound);
    }
    let mut audit = signed.audit(act.action(), &schedule.name);
    audit.detail = json!({ "id": id });
    audit.insert(connection)?;
    Ok(())
}
