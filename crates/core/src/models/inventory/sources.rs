//! Which source brought what, and whose a field is.
//!
//! The rule: a field belongs to whoever set it last by hand; what nobody set by hand belongs to the source that ranks
//! highest among those that say something of it, or, where they rank the same, to the one that was loaded last. An object
//! goes when the last of those who brought it names it no more; what a person made has a person among them.

use super::definition::everything;
use super::{Change, Changes, Copies, Noun};
use crate::models::grants::GrantLine;
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Jsonb, Text};
use serde_json::{Map, Value};

/// The name under which a person's changes are kept. No source may be called so.
pub const HAND: &str = "hand";

/// The field for all of an event handler.
pub(super) const WHOLE: &str = "definition";

/// The field for all of a grant, which a person took.
const TAKEN_FIELD: &str = "taken";

/// Who brings an inventory.
#[derive(Debug, Clone)]
pub struct Source<'a> {
    /// Its name, a word.
    pub name: &'a str,
    /// Those whose fields it leaves alone: [`HAND`] and the sources that rank higher.
    pub above: Vec<&'a str>,
    /// It takes over what it names, also from a person: what was made by hand is its own then.
    pub takes_over: bool,
}

impl Source<'static> {
    /// A person, or a program that does what a person told it just now.
    pub fn hand() -> Self {
        Self { name: HAND, above: Vec::new(), takes_over: false }
    }
}

impl<'a> Source<'a> {
    /// A source among those of `ranking`, the highest first; one that does not stand there ranks below all of them.
    pub fn ranked(name: &'a str, ranking: &'a [String], takes_over: bool) -> Self {
        let higher = ranking.iter().map(String::as_str).take_while(|other| *other != name);
        let above = if takes_over { Vec::new() } else { std::iter::once(HAND).chain(higher).collect() };
        Self { name, above, takes_over }
    }
}

/// A field that a source would have another way, and may not change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The kind of the object.
    pub noun: Noun,
    /// Its name.
    pub name: String,
    /// The field; `definition` is all of an event handler, and a grant that is `taken` is not given again.
    pub field: String,
    /// Whose it is: [`HAND`] or a source.
    pub owner: String,
}

/// Objects of one kind that a source brought and names no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Missing {
    /// How many.
    pub missing: i64,
    /// How many it had brought.
    pub of: i64,
}

/// The kinds with names, whose fields have owners.
pub(super) const NAMED: [Noun; 6] =
    [Noun::Environment, Noun::EventHandler, Noun::Service, Noun::Hostgroup, Noun::Host, Noun::Team];

/// The order in which objects go: those that use others first.
const REMOVED: [Noun; 7] = [
    Noun::Grant,
    Noun::Host,
    Noun::Hostgroup,
    Noun::Service,
    Noun::EventHandler,
    Noun::Environment,
    Noun::Team,
];

#[derive(QueryableByName)]
struct CountRow {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

#[derive(QueryableByName)]
struct IdRow {
    #[diesel(sql_type = BigInt)]
    id: i64,
}

#[derive(QueryableByName)]
struct ObjectRow {
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = Text)]
    name: String,
}

#[derive(QueryableByName)]
struct KeptRow {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    field: String,
    #[diesel(sql_type = Text)]
    owner: String,
}

/// Takes out of the temporary tables what belongs to somebody above the source, and tells where that makes a difference.
pub(super) fn respect(connection: &mut PgConnection, source: &Source<'_>) -> QueryResult<Vec<Kept>> {
    let mut kept = Vec::new();
    for noun in NAMED {
        remember_hand(connection, noun)?;
        if source.above.is_empty() || find_kept(connection, noun, source)? == 0 {
            continue;
        }
        leave_alone(connection, noun)?;
        let rows: Vec<KeptRow> = diesel::sql_query(
            "SELECT name, field, owner FROM load_kept WHERE noun = $1 AND differs ORDER BY name, field",
        )
        .bind::<Text, _>(noun.as_str())
        .load(connection)?;
        kept.extend(rows.into_iter().map(|row| Kept {
            noun,
            name: row.name,
            field: row.field,
            owner: row.owner,
        }));
    }
    Ok(kept)
}

/// Whatever is there before the first source names it was made by hand, as far as anybody knows.
fn remember_hand(connection: &mut PgConnection, noun: Noun) -> QueryResult<()> {
    let table = noun.table();
    diesel::sql_query(format!(
        "INSERT INTO {table}_sources ({table}_id, sources) SELECT t.id, ARRAY[$1] \
         FROM load_{table} l JOIN {table} t ON t.name = l.name \
         WHERE NOT EXISTS (SELECT 1 FROM {table}_sources x WHERE x.{table}_id = t.id)"
    ))
    .bind::<Text, _>(HAND)
    .execute(connection)
    .map(|_| ())
}

/// The same of grants, which have no names.
pub(super) fn remember_given(connection: &mut PgConnection) -> QueryResult<()> {
    diesel::sql_query(
        "INSERT INTO grants_sources (grants_id, sources) SELECT DISTINCT l.id, ARRAY[$1] FROM load_grants l \
         WHERE l.id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM grants_sources x WHERE x.grants_id = l.id)",
    )
    .bind::<Text, _>(HAND)
    .execute(connection)
    .map(|_| ())
}

/// Passes over the rights that a person took, unless the source may give them again; tells which.
pub(super) fn respect_taken(connection: &mut PgConnection, source: &Source<'_>) -> QueryResult<Vec<Kept>> {
    if source.above.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<IdRow> = diesel::sql_query(
        "DELETE FROM load_grants WHERE taken_id IS NOT NULL AND id IS NULL RETURNING taken_id AS id",
    )
    .load(connection)?;
    let ids: Vec<i64> = rows.into_iter().map(|row| row.id).collect();
    let kept = |line: GrantLine| Kept {
        noun: Noun::Grant,
        name: line.text,
        field: TAKEN_FIELD.to_owned(),
        owner: HAND.to_owned(),
    };
    Ok(GrantLine::taken(connection, &ids)?.into_iter().map(kept).collect())
}

fn find_kept(connection: &mut PgConnection, noun: Noun, source: &Source<'_>) -> QueryResult<usize> {
    let (table, stored) = (noun.table(), everything(noun).unwrap_or_default());
    diesel::sql_query(format!(
        "INSERT INTO load_kept SELECT $1, l.name, f.field, x.set_by ->> f.field, \
             CASE f.field WHEN '{WHOLE}' \
             THEN jsonb_strip_nulls(to_jsonb(l) - ARRAY['id', 'name_key', 'claims']) <> jsonb_strip_nulls(o.definition) \
             ELSE (to_jsonb(l) -> f.field) <> (o.definition -> f.field) END \
         FROM load_{table} l JOIN ({stored}) o ON o.name = l.name JOIN {table}_sources x ON x.{table}_id = o.id \
         CROSS JOIN LATERAL jsonb_object_keys(l.claims) AS f (field) \
         WHERE x.set_by <> l.claims AND x.set_by ->> f.field = ANY ($2)"
    ))
    .bind::<Text, _>(noun.as_str())
    .bind::<Array<Text>, _>(&source.above)
    .execute(connection)
}

/// A column that is NULL says nothing.
fn leave_alone(connection: &mut PgConnection, noun: Noun) -> QueryResult<()> {
    let table = noun.table();
    let emptied: String = fields(noun)
        .iter()
        .map(|field| format!("{field} = CASE WHEN '{field}' = ANY (k.fields) THEN NULL ELSE l.{field} END, "))
        .collect();
    diesel::sql_query(format!(
        "UPDATE load_{table} l SET {emptied} claims = l.claims - k.fields \
         FROM (SELECT name, array_agg(field) AS fields FROM load_kept WHERE noun = $1 GROUP BY name) k \
         WHERE k.name = l.name"
    ))
    .bind::<Text, _>(noun.as_str())
    .execute(connection)
    .map(|_| ())
}

/// Columns of the temporary table that say something by themselves. An event handler is one field.
fn fields(noun: Noun) -> &'static [&'static str] {
    match noun {
        Noun::Environment => &["description", "colour", "minimum_risk"],
        Noun::Hostgroup => &["description", "services"],
        Noun::Service => &["description", "vars", "handlers"],
        Noun::Host => &[
            "address",
            "description",
            "vars",
            "aliases",
            "environments",
            "hostgroups",
            "services",
            "handlers",
            "dropped_services",
            "dropped_handlers",
            "tags",
            "max_running",
        ],
        Noun::Team => &["members"],
        Noun::EventHandler | Noun::User | Noun::Grant => &[],
    }
}

/// How many objects of each kind the source has brought so far.
pub(super) fn brought(connection: &mut PgConnection, source: &Source<'_>) -> QueryResult<Vec<(Noun, i64)>> {
    let mut counts = Vec::new();
    for noun in REMOVED {
        let row: CountRow = diesel::sql_query(format!(
            "SELECT count(*) AS count FROM {}_sources WHERE $1 = ANY (sources)",
            noun.table()
        ))
        .bind::<Text, _>(source.name)
        .get_result(connection)?;
        counts.push((noun, row.count));
    }
    Ok(counts)
}

/// Writes down that the source brought what it names, and that the fields of which it says something are its own. A
/// field of which it says nothing any more belongs to nobody.
pub(super) fn claim(connection: &mut PgConnection, source: &Source<'_>) -> QueryResult<()> {
    for noun in NAMED {
        claim_kind(connection, noun, source)?;
    }
    diesel::sql_query(
        "INSERT INTO grants_sources AS x (grants_id, sources) \
         SELECT DISTINCT l.id, ARRAY[$1] FROM load_grants l WHERE l.id IS NOT NULL \
         ON CONFLICT (grants_id) DO UPDATE SET sources = array_append(x.sources, $1) WHERE $1 <> ALL (x.sources)",
    )
    .bind::<Text, _>(source.name)
    .execute(connection)
    .map(|_| ())
}

fn claim_kind(connection: &mut PgConnection, noun: Noun, source: &Source<'_>) -> QueryResult<()> {
    let table = noun.table();
    diesel::sql_query(format!(
        "UPDATE {table}_sources x SET sources = n.sources, set_by = n.set_by FROM ( \
             SELECT l.id, \
                 CASE WHEN $1 = ANY (y.sources) THEN array_remove(y.sources, $2) \
                      ELSE array_append(array_remove(y.sources, $2), $1) END AS sources, \
                 CASE WHEN y.set_by = l.claims THEN l.claims ELSE l.claims || coalesce(( \
                     SELECT jsonb_object_agg(e.field, e.owner) FROM jsonb_each_text(y.set_by) AS e (field, owner) \
                     WHERE e.owner <> $1 AND NOT l.claims ? e.field), '{{}}') END AS set_by \
             FROM load_{table} l JOIN {table}_sources y ON y.{table}_id = l.id) n \
         WHERE x.{table}_id = n.id AND (x.sources <> n.sources OR x.set_by <> n.set_by)"
    ))
    .bind::<Text, _>(source.name)
    .bind::<Text, _>(if source.takes_over { HAND } else { "" })
    .execute(connection)?;
    diesel::sql_query(format!(
        "INSERT INTO {table}_sources ({table}_id, sources, set_by) SELECT l.id, ARRAY[$1], l.claims \
         FROM load_{table} l WHERE l.id IS NOT NULL \
         AND NOT EXISTS (SELECT 1 FROM {table}_sources x WHERE x.{table}_id = l.id)"
    ))
    .bind::<Text, _>(source.name)
    .execute(connection)
    .map(|_| ())
}

/// Counts what the source brought and names no more.
pub(super) fn missing(
    connection: &mut PgConnection,
    source: &Source<'_>,
    brought: Vec<(Noun, i64)>,
    changes: &mut Changes,
) -> QueryResult<()> {
    for (noun, of) in brought.into_iter().filter(|(_, of)| *of > 0) {
        let row: CountRow = diesel::sql_query(format!(
            "SELECT count(*) AS count FROM {}_sources x WHERE {}",
            noun.table(),
            unnamed(noun)
        ))
        .bind::<Text, _>(source.name)
        .get_result(connection)?;
        if row.count > 0 {
            changes.missing.insert(noun, Missing { missing: row.count, of });
        }
    }
    Ok(())
}

/// Whether the source $1 brought the object of the row `x` of `..._sources`, and does not name it.
fn unnamed(noun: Noun) -> String {
    let table = noun.table();
    format!("$1 = ANY (x.sources) AND NOT EXISTS (SELECT 1 FROM load_{table} l WHERE l.id = x.{table}_id)")
}

/// How many services the source's hosts had before the copies were made anew.
pub(super) fn services_before(
    connection: &mut PgConnection,
    source: &Source<'_>,
    copies: Copies,
) -> QueryResult<i64> {
    let row: CountRow = diesel::sql_query(
        "SELECT count(*) AS count FROM services_members m JOIN hosts_sources x USING (hosts_id) \
         WHERE $1 = ANY (x.sources)",
    )
    .bind::<Text, _>(source.name)
    .get_result(connection)?;
    let change = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    Ok(row.count - change(copies.services_added) + change(copies.services_removed))
}

/// Removes what is missing, where the source alone brought it and nothing uses it.
pub(super) fn prune(
    connection: &mut PgConnection,
    source: &Source<'_>,
    changes: &mut Changes,
) -> QueryResult<()> {
    for noun in REMOVED {
        if !changes.missing.contains_key(&noun) {
            continue;
        }
        let table = noun.table();
        let released = unnamed_objects(connection, noun, source, "cardinality(x.sources) > 1")?;
        diesel::sql_query(format!(
            "UPDATE {table}_sources x SET sources = array_remove(x.sources, $1), set_by = coalesce(( \
                 SELECT jsonb_object_agg(e.field, e.owner) FROM jsonb_each_text(x.set_by) AS e (field, owner) \
                 WHERE e.owner <> $1), '{{}}') WHERE x.{table}_id = ANY ($2)"
        ))
        .bind::<Text, _>(source.name)
        .bind::<Array<BigInt>, _>(released.iter().map(|row| row.id).collect::<Vec<_>>())
        .execute(connection)?;
        let in_use = unnamed_objects(connection, noun, source, uses(noun))?;
        let removed = unnamed_objects(connection, noun, source, &format!("NOT ({})", uses(noun)))?;
        diesel::sql_query(format!("DELETE FROM {table} WHERE id = ANY ($1)"))
            .bind::<Array<BigInt>, _>(removed.iter().map(|row| row.id).collect::<Vec<_>>())
            .execute(connection)?;
        changes.in_use.extend(in_use.into_iter().map(|row| {
            format!("the {noun} '{}' is not named any more and stays, because {}", row.name, user(noun))
        }));
        changes.objects.extend(released.into_iter().map(|row| ((noun, row.name), Change::Released)));
        changes.objects.extend(removed.into_iter().map(|row| ((noun, row.name), Change::Removed)));
    }
    Ok(())
}

/// Those of [`unnamed`] for which `condition` holds, about the object `o` and its row `x`.
fn unnamed_objects(
    connection: &mut PgConnection,
    noun: Noun,
    source: &Source<'_>,
    condition: &str,
) -> QueryResult<Vec<ObjectRow>> {
    let table = noun.table();
    let name = if noun == Noun::Grant { "''" } else { "o.name" };
    let mut rows: Vec<ObjectRow> = diesel::sql_query(format!(
        "SELECT o.id, {name} AS name FROM {table} o JOIN {table}_sources x ON x.{table}_id = o.id \
         WHERE {} AND ({condition}) ORDER BY 2",
        unnamed(noun)
    ))
    .bind::<Text, _>(source.name)
    .load(connection)?;
    if noun == Noun::Grant {
        let ids: Vec<i64> = rows.iter().map(|row| row.id).collect();
        let lines = GrantLine::of(connection, &ids)?;
        rows = lines.into_iter().map(|line| ObjectRow { id: line.id, name: line.text }).collect();
    }
    Ok(rows)
}

/// Whether something that is not removed with the object `o` would lose it.
fn uses(noun: Noun) -> &'static str {
    match noun {
        Noun::Host => {
            "EXISTS (SELECT 1 FROM tasks t WHERE t.hosts_id = o.id AND t.state IN ('queued', 'running')) \
             OR EXISTS (SELECT 1 FROM schedules s WHERE s.hosts_id = o.id)"
        }
        Noun::Hostgroup => {
            "EXISTS (SELECT 1 FROM hostgroups_members m WHERE m.hostgroups_id = o.id) \
             OR EXISTS (SELECT 1 FROM environments_members m WHERE m.hostgroups_id = o.id) \
             OR EXISTS (SELECT 1 FROM grants g WHERE g.hostgroups_id = o.id) \
             OR EXISTS (SELECT 1 FROM schedules s WHERE s.hostgroups_id = o.id)"
        }
        Noun::Service => {
            "EXISTS (SELECT 1 FROM services_members m WHERE m.services_id = o.id) \
             OR EXISTS (SELECT 1 FROM hostgroups_services t WHERE t.services_id = o.id) \
             OR EXISTS (SELECT 1 FROM schedules s WHERE s.services_id = o.id)"
        }
        Noun::EventHandler => {
            "EXISTS (SELECT 1 FROM events_handlers_members m WHERE m.event_handlers_id = o.id) \
             OR EXISTS (SELECT 1 FROM services_event_handlers t WHERE t.event_handlers_id = o.id) \
             OR EXISTS (SELECT 1 FROM grants g WHERE g.event_handlers_id = o.id) \
             OR EXISTS (SELECT 1 FROM schedules s WHERE s.event_handlers_id = o.id) \
             OR EXISTS (SELECT 1 FROM tasks t WHERE t.event_handlers_id = o.id AND t.state IN ('queued', 'running'))"
        }
        Noun::Environment => {
            "EXISTS (SELECT 1 FROM environments_members m WHERE m.environments_id = o.id) \
             OR EXISTS (SELECT 1 FROM grants g WHERE g.environments_id = o.id)"
        }
        Noun::Team => "EXISTS (SELECT 1 FROM grants g WHERE g.teams_id = o.id)",
        Noun::User | Noun::Grant => "false",
    }
}

/// What [`uses`] looks for, in words.
fn user(noun: Noun) -> &'static str {
    match noun {
        Noun::Host => "a schedule names it, or a task on it waits or runs",
        Noun::Hostgroup => "it has members, or a grant or a schedule names it",
        Noun::Service => "hosts or host groups have it, or a schedule names it",
        Noun::EventHandler => {
            "hosts or services have it, a grant or a schedule names it, or a task of it waits or runs"
        }
        Noun::Environment => "hosts are in it, or a grant names it",
        Noun::Team => "a grant names it",
        Noun::User | Noun::Grant => "it is used",
    }
}

/// Writes down that a person made these objects, or set these fields of them.
pub(in crate::models) fn set_by_hand<'a>(
    connection: &mut PgConnection,
    noun: Noun,
    ids: &[i64],
    fields: impl Iterator<Item = &'a str>,
) -> QueryResult<()> {
    let table = noun.table();
    let set_by: Map<String, Value> = if noun == Noun::EventHandler {
        Map::from_iter([(WHOLE.to_owned(), HAND.into())])
    } else {
        fields.filter(|field| *field != "name").map(|field| (field.to_owned(), HAND.into())).collect()
    };
    diesel::sql_query(format!(
        "INSERT INTO {table}_sources AS x ({table}_id, sources, set_by) SELECT unnest($1), ARRAY[$2], $3 \
         ON CONFLICT ({table}_id) DO UPDATE SET set_by = x.set_by || excluded.set_by"
    ))
    .bind::<Array<BigInt>, _>(ids)
    .bind::<Text, _>(HAND)
    .bind::<Jsonb, _>(Value::Object(set_by))
    .execute(connection)
    .map(|_| ())
}
