//! Changes of the inventory by one person: rights, checks, the change and its audit row in one transaction. Forms and the
//! API both come through here.

use crate::auth::Signed;
use crate::editors::{self, Read};
use crate::error::{AppError, AppResult};
use crate::forms;
use selfservice_core::access::Access;
use selfservice_core::config::MacroFile;
use selfservice_core::db::PgConnection;
use selfservice_core::models::hosts::{Host, Placement};
use selfservice_core::models::inventory::{
    self, Assignment, Complaint, Copies, Definition, EditError, Editor, Noun, Saved, Stored, Target,
};
use selfservice_core::models::visible::Viewer;
use serde_json::json;

/// What came of it.
pub enum Outcome {
    /// It is written.
    Done(Saved),
    /// It was deleted.
    Deleted,
    /// Nothing was written: these must be mended.
    Mend(Vec<Complaint>),
    /// Nothing was written: the person may not do that, though they see the object. The complaints say what.
    Refused(Vec<Complaint>),
    /// Nothing was written: the object is not any more what its editor saw, but this.
    Stale(Box<Stored>),
    /// Nothing was deleted: so many of its tasks wait or run.
    Busy(i64),
}

/// Who edits, with what they may do.
pub struct Desk<'a> {
    connection: &'a mut PgConnection,
    signed: &'a Signed,
    access: Access,
    viewer: Viewer,
    /// Whether every other editor is kept out.
    alone: bool,
}

impl<'a> Desk<'a> {
    /// Reads the person's rights.
    pub fn open(connection: &'a mut PgConnection, signed: &'a Signed) -> AppResult<Self> {
        let access = signed.access(connection)?;
        let viewer = Viewer::new(signed.user.id, &access);
        Ok(Self { connection, signed, access, viewer, alone: false })
    }

    /// The same for what `noun` is about. Users and teams are changed also while a load holds the inventory: their editors
    /// keep out only each other, and what somebody may is looked at when it is their turn.
    pub fn of(noun: Noun, connection: &'a mut PgConnection, signed: &'a Signed) -> AppResult<Self> {
        let about_rights = matches!(noun, Noun::Team | Noun::User | Noun::Grant);
        // Who is refused waits for nobody.
        if !about_rights || !signed.access(connection)?.is_admin() {
            return Self::open(connection, signed);
        }
        inventory::lock_rights(connection)?;
        Ok(Self { alone: true, ..Self::open(connection, signed)? })
    }

    /// Makes a new object, or changes the one with this id and version.
    pub fn save(
        &mut self,
        macros: &MacroFile,
        noun: Noun,
        target: Target<'_>,
        read: Read,
    ) -> AppResult<Outcome> {
        let own = match target {
            Target::New => None,
            Target::Present { id, .. } => Some(id),
        };
        if let Some(refused) = self.begins(noun, own)? {
            return Ok(refused);
        }
        let stored = own.map(|id| Stored::find(self.connection, noun, id)).transpose()?.flatten();
        let read = read.placed(stored.as_ref());
        let found = inventory::check(
            self.connection,
            macros,
            editor(&self.access, self.viewer, self.signed),
            stored.as_ref(),
            &read.definition,
        )?;
        let (definition, complaints) = read.with(noun, found);
        if let (Some(stored), Target::Present { version, .. }) = (&stored, target)
            && stored.version()? != version
        {
            return Ok(Outcome::Stale(Box::new(stored.clone())));
        }
        if !complaints.is_empty() {
            return Ok(Outcome::Mend(complaints));
        }
        if let Some(refused) = self.refuses_place(own, &definition)? {
            return Ok(refused);
        }
        let name = definition.name().to_owned();
        let editor = editor(&self.access, self.viewer, self.signed);
        match inventory::save(self.connection, macros, editor, target, definition) {
            Ok(saved) => {
                self.note_saved(noun, own.is_none(), &name, &saved)?;
                Ok(Outcome::Done(saved))
            }
            Err(error) => self.failed(noun, own, error),
        }
    }

    /// Deletes an object.
    pub fn delete(&mut self, noun: Noun, id: i64, version: &str) -> AppResult<Outcome> {
        if let Some(refused) = self.begins(noun, Some(id))? {
            return Ok(refused);
        }
        if !may_delete(self.connection, &self.access, noun, id)? {
            self.note_refusal(noun, Some(id))?;
            return Ok(Outcome::Refused(vec![Complaint::new("", NO_DELETION)]));
        }
        let editor = editor(&self.access, self.viewer, self.signed);
        match inventory::delete(self.connection, editor, noun, id, version) {
            Ok(stored) => {
                let action = format!("{}.delete", editors::audit_word(noun));
                let mut audit = self.signed.audit(&action, stored.definition.name());
                let definition = stored.definition.to_json().map_err(anyhow::Error::from)?;
                audit.detail = json!({ "id": id, "was": definition });
                audit.insert(self.connection)?;
                Ok(Outcome::Deleted)
            }
            Err(error) => self.failed(noun, Some(id), error),
        }
    }

    /// Changes the definition of a host as it is now.
    pub fn change_host(
        &mut self,
        macros: &MacroFile,
        id: i64,
        change: impl FnOnce(&mut inventory::Host),
    ) -> AppResult<Outcome> {
        if let Some(refused) = self.begins_host(id)? {
            return Ok(refused);
        }
        let stored = Stored::find(self.connection, Noun::Host, id)?.ok_or(AppError::NotFound)?;
        let version = stored.version()?;
        let mut definition = stored.definition;
        if let Definition::Host(host) = &mut definition {
            change(host);
        }
        let target = Target::Present { id, version: &version };
        self.save(macros, Noun::Host, target, Read::of_program(definition))
    }

    /// Changes what is effective on a host that the person was seen to administer ([`Desk::begins_host`]); gives the
    /// refusal, if this was not allowed to them.
    pub fn assign(&mut self, id: i64, assignment: Assignment) -> AppResult<Option<Outcome>> {
        let host = Host::find(self.connection, id)?.ok_or(AppError::NotFound)?;
        let editor = editor(&self.access, self.viewer, self.signed);
        match inventory::assign(self.connection, editor, id, assignment) {
            Ok(false) => {}
            Ok(true) => {
                let action = format!("host.{}", assignment.verb());
                let mut audit = self.signed.audit(&action, &host.name);
                audit.detail = json!({ "id": id, "services_id": assignment.target().0, "event_handlers_id": assignment.target().1 });
                audit.insert(self.connection)?;
            }
            Err(error) => return self.failed(Noun::Host, Some(id), error).map(Some),
        }
        Ok(None)
    }

    /// Reads something more in the same transaction.
    pub fn with<T>(&mut self, read: impl FnOnce(&mut PgConnection, &Signed) -> AppResult<T>) -> AppResult<T> {
        read(self.connection, self.signed)
    }

    /// As `begins`, for one host.
    pub fn begins_host(&mut self, id: i64) -> AppResult<Option<Outcome>> {
        self.begins(Noun::Host, Some(id))
    }

    /// Gives what a template says to all hosts that have it; that may take as long as a load, and keeps editors out as one
    /// does.
    pub fn apply(&mut self, noun: Noun, id: i64) -> AppResult<Copies> {
        if !inventory::try_lock_all(self.connection)? {
            return Err(AppError::InventoryBusy);
        }
        let stored = Stored::find(self.connection, noun, id)?.ok_or(AppError::NotFound)?;
        let name = stored.definition.name().to_owned();
        let copies = inventory::apply(self.connection, stored, &self.signed.user.name)?;
        let action = format!("{}.apply", editors::audit_word(noun));
        let mut audit = self.signed.audit(&action, &name);
        audit.detail = json!({ "id": id, "copies": copied(copies) });
        audit.insert(self.connection)?;
        Ok(copies)
    }

    /// Refuses what the person may not touch, and else keeps every other editor out until the transaction ends. Who is
    /// refused waits for nobody; the refusal is in the audit log.
    fn begins(&mut self, noun: Noun, id: Option<i64>) -> AppResult<Option<Outcome>> {
        let refused = self.refuses(noun, id)?;
        if refused.is_some() || self.alone {
            return Ok(refused);
        }
        if !inventory::try_lock(self.connection)? {
            return Err(AppError::InventoryBusy);
        }
        self.alone = true;
        // The editor before may have changed where the host stands, and with it whose it is.
        self.access = self.signed.access(self.connection)?;
        self.viewer = Viewer::new(self.signed.user.id, &self.access);
        self.refuses(noun, id)
    }

    /// What became of a change that was not made.
    fn failed(&mut self, noun: Noun, id: Option<i64>, error: EditError) -> AppResult<Outcome> {
        match error {
            EditError::Gone => Err(AppError::NotFound),
            EditError::Stale(stored) => Ok(Outcome::Stale(stored)),
            EditError::Busy { tasks } => Ok(Outcome::Busy(tasks)),
            EditError::Complaints(complaints) => Ok(Outcome::Mend(complaints)),
            EditError::Forbidden(complaints) => {
                self.note_refusal(noun, id)?;
                Ok(Outcome::Refused(complaints))
            }
            EditError::Query(error) => Err(error.into()),
        }
    }

    /// Refuses what the person may not touch at all: for those who do not see it there is nothing here.
    fn refuses(&mut self, noun: Noun, id: Option<i64>) -> AppResult<Option<Outcome>> {
        let complaints = match may_edit(self.connection, &self.access, noun, id)? {
            May::Yes => return Ok(None),
            May::Sees => vec![Complaint::new("", no_right(noun))],
            May::No => Vec::new(),
        };
        self.note_refusal(noun, id)?;
        Ok(Some(Outcome::Refused(complaints)))
    }

    /// Refuses to make a host where the person may not, or to move it there or away from there.
    fn refuses_place(&mut self, own: Option<i64>, definition: &Definition) -> AppResult<Option<Outcome>> {
        let Definition::Host(host) = definition else { return Ok(None) };
        let environments: Vec<String> =
            host.environments.iter().flatten().map(|(name, _)| name.clone()).collect();
        let groups = host.hostgroups.clone().unwrap_or_default();
        let to = Host::placement_by_names(self.connection, &environments, &groups)?;
        let allowed = match own {
            None => self.access.may_place(&to),
            Some(id) => {
                let from = Host::placement(self.connection, id)?;
                self.access.may_move(&from, &to)
            }
        };
        if allowed {
            return Ok(None);
        }
        self.note_refusal(Noun::Host, own)?;
        let text = "you have no right to administer hosts that are placed so: it is needed in each environment, and for \
                    each host group that the host joins or leaves";
        Ok(Some(Outcome::Refused(vec![Complaint::new("environments", text)])))
    }

    fn note_saved(&mut self, noun: Noun, created: bool, name: &str, saved: &Saved) -> AppResult<()> {
        if saved.changes.is_empty() {
            return Ok(());
        }
        let verb = if created { "create" } else { "change" };
        let action = format!("{}.{verb}", editors::audit_word(noun));
        let mut audit = self.signed.audit(&action, name);
        audit.detail = json!({ "id": saved.id, "changes": saved.changes, "copies": copied(saved.copies) });
        Ok(audit.insert(self.connection)?)
    }

    fn note_refusal(&mut self, noun: Noun, id: Option<i64>) -> AppResult<()> {
        let action = format!("{}.change.refuse", editors::audit_word(noun));
        let mut audit = self.signed.audit(&action, "");
        audit.detail = json!({ "id": id });
        Ok(audit.insert(self.connection)?)
    }
}

/// Whether somebody may change an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum May {
    /// They may.
    Yes,
    /// They see it and may not.
    Sees,
    /// It is not there, or they do not see it, or nothing of this kind is theirs to change.
    No,
}

/// Whether they may change the object with this id, or make one: hosts where they administer them, everything else where
/// they administer everything.
fn may_edit(connection: &mut PgConnection, access: &Access, noun: Noun, id: Option<i64>) -> AppResult<May> {
    let answer = match (noun, id) {
        (Noun::Host, Some(id)) => {
            let is_there = Host::find(connection, id)?.is_some();
            let placement: Placement = Host::placement(connection, id)?;
            match (is_there && access.may_see(&placement), access.may_administer(&placement)) {
                (true, true) => May::Yes,
                (true, false) => May::Sees,
                (false, _) => May::No,
            }
        }
        (Noun::Host, None) if access.administers_some() => May::Yes,
        _ if access.is_admin() => May::Yes,
        _ => May::No,
    };
    Ok(answer)
}

fn editor<'a>(access: &'a Access, viewer: Viewer, signed: &'a Signed) -> Editor<'a> {
    Editor { viewer, access, name: &signed.user.name }
}

const NO_DELETION: &str =
    "you have no right to delete this host: it is needed for each host group that the host leaves";

/// Whether they may delete an object that they may change: a host leaves all of its host groups then.
fn may_delete(connection: &mut PgConnection, access: &Access, noun: Noun, id: i64) -> AppResult<bool> {
    Ok(noun != Noun::Host || access.may_place(&Host::placement(connection, id)?))
}

/// What is wrong with a definition that somebody has in mind for an object that is there. Nothing is changed.
pub fn complaints(
    connection: &mut PgConnection,
    signed: &Signed,
    macros: &MacroFile,
    stored: &Stored,
    definition: &Definition,
) -> AppResult<Vec<Complaint>> {
    let access = signed.access(connection)?;
    let viewer = Viewer::new(signed.user.id, &access);
    Ok(inventory::check(connection, macros, editor(&access, viewer, signed), Some(stored), definition)?)
}

/// As [`must_edit`], for those who want to delete it.
pub fn must_delete(connection: &mut PgConnection, access: &Access, noun: Noun, id: i64) -> AppResult<()> {
    must_edit(connection, access, noun, Some(id))?;
    if may_delete(connection, access, noun, id)? {
        Ok(())
    } else {
        Err(AppError::Forbidden(forms::sentence(NO_DELETION)))
    }
}

/// 404 for those who do not see it, 403 for those who may not change what they see.
pub fn must_edit(
    connection: &mut PgConnection,
    access: &Access,
    noun: Noun,
    id: Option<i64>,
) -> AppResult<()> {
    match may_edit(connection, access, noun, id)? {
        May::Yes => Ok(()),
        May::Sees => Err(AppError::Forbidden(forms::sentence(&no_right(noun)))),
        May::No => Err(AppError::NotFound),
    }
}

fn no_right(noun: Noun) -> String {
    format!("you may see this {noun}, but you have no right to change it")
}

/// The error for [`Outcome::Refused`]: 403 with the first complaint, 404 where there is none.
pub fn refusal(complaints: &[Complaint]) -> AppError {
    complaints.first().map_or(AppError::NotFound, |one| AppError::Forbidden(forms::sentence(&one.text)))
}

fn copied(copies: Copies) -> serde_json::Value {
    json!({
        "services_added": copies.services_added,
        "services_removed": copies.services_removed,
        "handlers_changed": copies.handlers_changed,
        "handlers_removed": copies.handlers_removed,
    })
}
