//! Making and changing one object: checked, compared with what the editor saw, and written as a load writes it.

use super::borders::{self, Border};
use super::complaints::Complaint;
use super::definition::{Definition, Stored, unreadable};
use super::{Changes, Copies, Noun, copies, known, people, sources, stage};
use crate::access::Access;
use crate::config::MacroFile;
use crate::models::visible::{self, Viewer};
use crate::names;
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What a definition is for.
#[derive(Debug, Clone, Copy)]
pub enum Target<'a> {
    /// A new object.
    New,
    /// The object with this id, as its editor saw it ([`Stored::version`]).
    Present {
        /// Primary key.
        id: i64,
        /// What was seen.
        version: &'a str,
    },
}

/// Who changes something.
#[derive(Debug, Clone, Copy)]
pub struct Editor<'a> {
    /// What is there for them.
    pub viewer: Viewer,
    /// What they may do; a host that is changed is theirs.
    pub access: &'a Access,
    /// Author of the revisions that are written.
    pub name: &'a str,
}

/// Why nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// There is no such object any more.
    #[error("the object is gone")]
    Gone,
    /// It is another one than its editor saw: this.
    #[error("the object was changed by somebody else")]
    Stale(Box<Stored>),
    /// So many of its tasks wait or run: it is not deleted meanwhile.
    #[error("{tasks} tasks of the object wait or run")]
    Busy {
        /// How many.
        tasks: i64,
    },
    /// These must be mended.
    #[error("some fields cannot be accepted")]
    Complaints(Vec<Complaint>),
    /// These only those may change who administer everything.
    #[error("the editor has no right to that")]
    Forbidden(Vec<Complaint>),
    /// The database failed.
    #[error(transparent)]
    Query(#[from] diesel::result::Error),
}

/// What was written.
#[derive(Debug)]
pub struct Saved {
    /// Primary key.
    pub id: i64,
    /// Field to what it was (null for a new object) and what it is; empty where everything was as it should be.
    pub changes: BTreeMap<String, [Value; 2]>,
    /// What that meant for what a host inherits.
    pub copies: Copies,
}

/// Writes a whole definition: an absent field of a present object stays what it is. Call it in a transaction, which
/// the caller's audit row belongs to, and after [`super::try_lock`], or [`super::lock_rights`] for users and teams; where
/// it is refused, nothing of it is left.
///
/// A host gets the copies of its templates at once; a template that changes is not applied to those that have it
/// already: see [`apply`].
pub fn save(
    connection: &mut PgConnection,
    macros: &MacroFile,
    editor: Editor<'_>,
    target: Target<'_>,
    definition: Definition,
) -> Result<Saved, EditError> {
    let before = match target {
        Target::New => None,
        Target::Present { id, version } => Some(seen(connection, definition.noun(), id, version)?),
    };
    let definition = definition.normalised().placed(before.as_ref());
    let complaints = check(connection, macros, editor, before.as_ref(), &definition)?;
    if !complaints.is_empty() {
        return Err(EditError::Complaints(complaints));
    }
    if let Definition::Host(host) = &definition {
        let forbidden = borders::forbidden(connection, editor, before.as_ref(), host)?;
        if !forbidden.is_empty() {
            return Err(EditError::Forbidden(forbidden));
        }
    }
    let (noun, name) = (definition.noun(), definition.name().to_owned());
    if let Some(before) = &before {
        // What is written in another form only, such as a parameter's defaults, is no change.
        if differences(Some(&before.definition), &definition)?.is_empty() {
            return Ok(Saved { id: before.id, changes: BTreeMap::new(), copies: Copies::default() });
        }
    }
    connection.transaction(|connection| {
        if matches!(noun, Noun::Team | Noun::User) {
            let id = people::write(connection, editor, before.as_ref().map(|stored| stored.id), &definition)?;
            return saved(connection, noun, id, before.as_ref(), Copies::default());
        }
        if let Some(before) = &before {
            rename(connection, before, &name)?;
        }
        let is_host = noun == Noun::Host;
        let border =
            Border::around(connection, editor, before.as_ref().filter(|_| is_host).map(|host| host.id))?;
        let definition = without_unchanged_lists(definition, before.as_ref());
        let copies = load(connection, definition, editor.name, is_host)?.copies;
        let id = id_of(connection, noun, &name)?;
        if is_host {
            border.keeps(connection, id)?;
        }
        saved(connection, noun, id, before.as_ref(), copies)
    })
}

/// What was written, compared with what was there before; it is noted as a person's.
fn saved(
    connection: &mut PgConnection,
    noun: Noun,
    id: i64,
    before: Option<&Stored>,
    copies: Copies,
) -> Result<Saved, EditError> {
    let after = Stored::find(connection, noun, id)?.ok_or(EditError::Gone)?;
    let changes = differences(before.map(|stored| &stored.definition), &after.definition)?;
    if noun != Noun::User {
        sources::set_by_hand(connection, noun, &[id], changes.keys().map(String::as_str))?;
    }
    Ok(Saved { id, changes, copies })
}

/// Gives what a template says to all hosts that have it: the members of a host group, or the hosts of a service.
pub fn apply(connection: &mut PgConnection, template: Stored, author: &str) -> QueryResult<Copies> {
    let changes = load(connection, template.definition, author, true)?;
    Ok(changes.copies)
}

/// The object, if it is still what its editor saw.
pub(super) fn seen(
    connection: &mut PgConnection,
    noun: Noun,
    id: i64,
    version: &str,
) -> Result<Stored, EditError> {
    let stored = Stored::find(connection, noun, id)?.ok_or(EditError::Gone)?;
    if stored.version()? == version { Ok(stored) } else { Err(EditError::Stale(Box::new(stored))) }
}

/// What is wrong with the definition, by itself and among the others that its editor sees. `own` is what the object is
/// now, if it is there.
pub fn check(
    connection: &mut PgConnection,
    macros: &MacroFile,
    editor: Editor<'_>,
    own: Option<&Stored>,
    definition: &Definition,
) -> QueryResult<Vec<Complaint>> {
    let mut complaints = name_complaints(connection, editor.viewer, own, definition)?;
    if let Definition::Host(host) = definition {
        let taken = borders::taken(connection, editor, own, host)?;
        let told = !complaints.is_empty();
        complaints.extend(taken.into_iter().filter(|complaint| !told || complaint.field != "name"));
    }
    complaints.extend(match definition {
        Definition::Team(row) => row.complaints(),
        Definition::User(row) => row.complaints(own.map(|stored| stored.definition.name())),
        Definition::Environment(row) => row.complaints(),
        Definition::EventHandler(row) => row.complaints(macros),
        Definition::Service(row) => row.complaints(),
        Definition::Hostgroup(row) => row.complaints(),
        Definition::Host(row) => [row.complaints(), row.assignment_complaints()].concat(),
    });
    for (field, noun, names) in references(definition) {
        complaints.extend(missing(connection, editor.viewer, field, noun, &names)?);
    }
    Ok(complaints)
}

/// The lists of other objects' names: their field, what they name, and the names.
fn references(definition: &Definition) -> Vec<(&'static str, Noun, Vec<&str>)> {
    fn list(names: Option<&Vec<String>>) -> Vec<&str> {
        names.into_iter().flatten().map(String::as_str).collect()
    }
    match definition {
        Definition::Service(row) => vec![("handlers", Noun::EventHandler, list(row.handlers.as_ref()))],
        Definition::Hostgroup(row) => vec![("services", Noun::Service, list(row.services.as_ref()))],
        Definition::Host(row) => {
            let environments = row.environments.iter().flatten().map(|(name, _)| name.as_str()).collect();
            vec![
                ("environments", Noun::Environment, environments),
                ("hostgroups", Noun::Hostgroup, list(row.hostgroups.as_ref())),
                ("services", Noun::Service, list(row.services.as_ref())),
            ]
        }
        Definition::Team(row) => vec![("members", Noun::User, list(row.members.as_ref()))],
        Definition::User(row) => vec![("teams", Noun::Team, list(row.teams.as_ref()))],
        Definition::Environment(_) | Definition::EventHandler(_) => Vec::new(),
    }
}

/// The name must be allowed, free, and unlike every other. What the viewer does not see is not called by its name.
fn name_complaints(
    connection: &mut PgConnection,
    viewer: Viewer,
    own: Option<&Stored>,
    definition: &Definition,
) -> QueryResult<Vec<Complaint>> {
    let (noun, name) = (definition.noun(), definition.name());
    let key = match names::key(name) {
        Ok(key) => key,
        Err(why) => return Ok(vec![Complaint::new("name", format!("the name {why}"))]),
    };
    let own_name = own.map(|own| own.definition.name());
    let others: Vec<String> = known(connection, noun, &[name], &[&key])?
        .into_iter()
        .map(|other| other.name)
        .filter(|other| Some(other.as_str()) != own_name)
        .collect();
    let asked: Vec<&str> = others.iter().map(String::as_str).collect();
    let seen = visible::names(connection, viewer, noun, Some(&asked), i64::MAX)?;
    let complaint = |other: &String| {
        let text = if !seen.contains(other) {
            format!("the name '{name}' is taken, or too much like one that is")
        } else if other == name {
            format!("another {noun} is called '{name}' already")
        } else {
            format!("the name looks like the {noun} '{other}'; choose names that people can tell apart")
        };
        Complaint::new("name", text)
    };
    Ok(others.iter().map(complaint).collect())
}

/// Complains about names of what is not there for the editor.
fn missing(
    connection: &mut PgConnection,
    viewer: Viewer,
    field: &'static str,
    noun: Noun,
    names: &[&str],
) -> QueryResult<Vec<Complaint>> {
    // PostgreSQL takes no NUL.
    let asked: Vec<&str> = names.iter().copied().filter(|name| !name.contains('\0')).collect();
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let there = visible::names(connection, viewer, noun, Some(&asked), i64::MAX)?;
    let complaint = |(entry, name): (usize, &&str)| {
        let text = format!("there is no {noun} '{}', or you may not see it", name.escape_debug());
        (!there.iter().any(|known| known == name)).then(|| Complaint::of_entry(field, entry, text))
    };
    Ok(names.iter().enumerate().filter_map(complaint).collect())
}

fn rename(connection: &mut PgConnection, before: &Stored, name: &str) -> QueryResult<()> {
    if before.definition.name() == name {
        return Ok(());
    }
    let noun = before.definition.noun();
    diesel::sql_query(format!("UPDATE {} SET name = $2, name_key = $3 WHERE id = $1", noun.table()))
        .bind::<BigInt, _>(before.id)
        .bind::<Text, _>(name)
        .bind::<Text, _>(names::key(name).unwrap_or_default())
        .execute(connection)
        .map(|_| ())
}

/// Lists of a host that are as they were are left out: templates are only looked at again where the host's own lists
/// change.
fn without_unchanged_lists(mut definition: Definition, before: Option<&Stored>) -> Definition {
    if let (Definition::Host(row), Some(Definition::Host(old))) =
        (&mut definition, before.map(|stored| &stored.definition))
    {
        row.hostgroups = row.hostgroups.take().filter(|groups| old.hostgroups.as_ref() != Some(groups));
        row.services = row.services.take().filter(|services| old.services.as_ref() != Some(services));
    }
    definition
}

fn load(
    connection: &mut PgConnection,
    definition: Definition,
    author: &str,
    with_copies: bool,
) -> QueryResult<Changes> {
    stage::tables(connection)?;
    stage::stage(connection, &definition.into_inventory(), sources::HAND)?;
    let mut changes = Changes::default();
    changes.take_objects(connection, author)?;
    stage::resolve(connection)?;
    changes.take_links(connection)?;
    if with_copies {
        changes.copies = copies::refresh(connection)?;
    }
    stage::drop(connection)?;
    Ok(changes)
}

#[derive(QueryableByName)]
struct IdRow {
    #[diesel(sql_type = BigInt)]
    id: i64,
}

/// The id of the object with this name, which must exist.
pub(crate) fn id_of(connection: &mut PgConnection, noun: Noun, name: &str) -> QueryResult<i64> {
    let row: IdRow = diesel::sql_query(format!("SELECT id FROM {} WHERE name = $1", noun.table()))
        .bind::<Text, _>(name)
        .get_result(connection)?;
    Ok(row.id)
}

/// Field by field: what was, and what is.
pub(super) fn differences(
    before: Option<&Definition>,
    after: &Definition,
) -> QueryResult<BTreeMap<String, [Value; 2]>> {
    let before = before.map(Definition::to_json).transpose().map_err(unreadable)?.unwrap_or(Value::Null);
    let after = after.to_json().map_err(unreadable)?;
    let fields = after.as_object().into_iter().flatten();
    let pairs = fields.map(|(name, value)| {
        (name.clone(), [before.get(name).cloned().unwrap_or(json!(null)), value.clone()])
    });
    Ok(pairs.filter(|(_, [old, new])| old != new).collect())
}
