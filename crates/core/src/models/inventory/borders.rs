//! What somebody must not do to a host who administers a part of the hosts only. Without this the part has no border:
//! an alias draws to their host what is meant for another one, an address or a variable aims an action at another one's
//! machine, a tag chooses the manager, and a handler that gets secrets brings them where they like.

use super::complaints::Complaint;
use super::definition::{Definition, Stored};
use super::rows::Host;
use super::save::{EditError, Editor};
use crate::models::hosts::{self, candidates};
use crate::models::workers::Worker;
use crate::names;
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Bool, Text};
use std::collections::HashSet;
use std::net::IpAddr;

/// A name that an editor gives to a host.
struct Claim<'a> {
    field: &'static str,
    entry: Option<usize>,
    text: &'a str,
}

#[derive(QueryableByName)]
struct CalledRow {
    #[diesel(sql_type = Text)]
    form: String,
    #[diesel(sql_type = BigInt)]
    id: i64,
}

/// Complains about addresses that say too little of their machine, and about names by which a look-up finds, or would
/// have found, a host that the editor does not administer. Which host that is, it does not tell.
pub(super) fn taken(
    connection: &mut PgConnection,
    editor: Editor<'_>,
    own: Option<&Stored>,
    host: &Host,
) -> QueryResult<Vec<Complaint>> {
    if editor.access.is_admin() {
        return Ok(Vec::new());
    }
    let claims = claims(old_host(own), host);
    let managers = Worker::names(connection)?;
    let mut complaints: Vec<Complaint> = claims
        .iter()
        .filter(|claim| claim.field == "address")
        .filter_map(|claim| {
            let of_manager =
                || managers.iter().any(|manager| names_machine(manager, claim.text)).then_some(OWN);
            let why = obscure(claim.text).or_else(of_manager)?;
            Some(Complaint::new("address", format!("the address {why}")))
        })
        .collect();
    let foreign = foreign_forms(connection, editor, own.map(|own| own.id), &claims)?;
    for claim in claims.iter().filter(|claim| claim.field != "address" || claim.text != host.name) {
        if forms(claim.text).iter().any(|form| foreign.contains(form)) {
            let text = format!(
                "'{}' is taken, or its short form is; only those give it to one more host who administer everything",
                claim.text.escape_debug()
            );
            complaints.push(Complaint { field: claim.field, entry: claim.entry, text });
        }
    }
    Ok(complaints)
}

/// Complains about what only those change who administer everything.
pub(super) fn forbidden(
    connection: &mut PgConnection,
    editor: Editor<'_>,
    own: Option<&Stored>,
    host: &Host,
) -> QueryResult<Vec<Complaint>> {
    if editor.access.is_admin() {
        return Ok(Vec::new());
    }
    let old = old_host(own);
    let mut complaints = Vec::new();
    if changes(old.and_then(|old| old.tags.as_ref()), host.tags.as_ref()) {
        let text =
            "tags choose the managers that reach the host: only those change them who administer everything";
        complaints.push(Complaint::new("tags", text));
    }
    if changes(old.and_then(|old| old.vars.as_ref()), host.vars.as_ref()) {
        let text = "custom variables are parts of commands: only those change them who administer everything";
        complaints.push(Complaint::new("vars", text));
    }
    let (Some(own), Some(old)) = (own, old) else { return Ok(complaints) };
    let pointed = [
        ("name", host.name != old.name),
        ("address", host.address.is_some() && host.address != old.address),
        ("description", host.description.is_some() && host.description != old.description),
    ];
    let pointed = pointed.into_iter().find(|(_, changed)| *changed);
    if let Some((field, _)) = pointed
        && gets_secrets(connection, own.id)?
    {
        let text = format!(
            "a handler of the host gets secrets: only those change the host's {field} who administer everything"
        );
        complaints.push(Complaint::new(field, text));
    }
    Ok(complaints)
}

/// Whether the handler `h` is given secrets, of macros.ini or of the person who asks.
const GETS_SECRETS: &str = "(h.secrets <> '{}' OR h.parameters @> '[{\"type\": \"secret\"}]')";

/// What was effective on a host before an editor changed it.
pub(super) struct Border<'a> {
    editor: Editor<'a>,
    before: Vec<Effective>,
}

/// A handler that is effective on a host, for one of its services.
#[derive(QueryableByName)]
struct Effective {
    #[diesel(sql_type = BigInt)]
    services_id: i64,
    #[diesel(sql_type = BigInt)]
    event_handlers_id: i64,
}

const EFFECTIVE: &str = "FROM services_members m JOIN events_handlers_members e ON e.services_members_id = m.id \
     JOIN event_handlers h ON h.id = e.event_handlers_id WHERE m.hosts_id = $1 AND NOT m.dropped AND NOT e.dropped";

impl<'a> Border<'a> {
    /// Looks at the host before a change; `None`: it is not there yet.
    pub fn around(
        connection: &mut PgConnection,
        editor: Editor<'a>,
        hosts_id: Option<i64>,
    ) -> QueryResult<Self> {
        let before = match hosts_id.filter(|_| !editor.access.is_admin()) {
            None => Vec::new(),
            Some(id) => diesel::sql_query(format!("SELECT m.services_id, e.event_handlers_id {EFFECTIVE}"))
                .bind::<BigInt, _>(id)
                .load(connection)?,
        };
        Ok(Self { editor, before })
    }

    /// Refuses the change if the host has got a handler by it, in whatever way, that the editor may not give: one that
    /// gets secrets, or one that was effective neither on this host nor on another one where they may run it. The caller
    /// undoes the change then.
    pub fn keeps(self, connection: &mut PgConnection, hosts_id: i64) -> Result<(), EditError> {
        if self.editor.access.is_admin() {
            return Ok(());
        }
        let runs_elsewhere = format!(
            "EXISTS (SELECT 1 FROM events_handlers_members x JOIN services_members o ON o.id = x.services_members_id \
             WHERE x.event_handlers_id = h.id AND o.hosts_id <> $1 AND NOT x.dropped AND NOT o.dropped AND {})",
            self.editor.viewer.runs("h", "o.hosts_id")
        );
        let services: Vec<i64> = self.before.iter().map(|row| row.services_id).collect();
        let handlers: Vec<i64> = self.before.iter().map(|row| row.event_handlers_id).collect();
        let gained: YesRow = diesel::sql_query(format!(
            "SELECT EXISTS (SELECT 1 {EFFECTIVE} \
             AND (m.services_id, h.id) NOT IN (SELECT * FROM unnest($2::bigint[], $3::bigint[])) \
             AND ({GETS_SECRETS} OR NOT (h.id = ANY($3) OR {runs_elsewhere}))) AS yes"
        ))
        .bind::<BigInt, _>(hosts_id)
        .bind::<Array<BigInt>, _>(services)
        .bind::<Array<BigInt>, _>(handlers)
        .get_result(connection)?;
        if !gained.yes {
            return Ok(());
        }
        let text = "the host would get an event handler that only those give who administer everything: one that gets \
                    secrets, or one that you may run on no host yet";
        Err(EditError::Forbidden(vec![Complaint::new("services", text)]))
    }
}

#[derive(QueryableByName)]
struct YesRow {
    #[diesel(sql_type = Bool)]
    yes: bool,
}

fn gets_secrets(connection: &mut PgConnection, hosts_id: i64) -> QueryResult<bool> {
    let row: YesRow =
        diesel::sql_query(format!("SELECT EXISTS (SELECT 1 {EFFECTIVE} AND {GETS_SECRETS}) AS yes"))
            .bind::<BigInt, _>(hosts_id)
            .get_result(connection)?;
    Ok(row.yes)
}

fn old_host(own: Option<&Stored>) -> Option<&Host> {
    match own.map(|own| &own.definition) {
        Some(Definition::Host(host)) => Some(host),
        _ => None,
    }
}

/// Whether something is said, and is not what was there; nothing is the same as an empty list.
fn changes<T: PartialEq + Default>(old: Option<&T>, new: Option<&T>) -> bool {
    new.is_some_and(|new| old.map_or_else(|| *new != T::default(), |old| old != new))
}

/// The names that the host did not have.
fn claims<'a>(old: Option<&Host>, host: &'a Host) -> Vec<Claim<'a>> {
    let mut claims = Vec::new();
    if old.is_none_or(|old| old.name != host.name) {
        claims.push(Claim { field: "name", entry: None, text: &host.name });
    }
    let address = host.address.as_ref().or(if old.is_none() { Some(&host.name) } else { None });
    if let Some(address) = address.filter(|_| old.is_none_or(|old| old.address.as_ref() != address)) {
        claims.push(Claim { field: "address", entry: None, text: address });
    }
    let had =
        |alias: &String| old.and_then(|old| old.aliases.as_ref()).is_some_and(|all| all.contains(alias));
    let aliases = host.aliases.iter().flatten().enumerate().filter(|(_, alias)| !had(alias));
    claims.extend(aliases.map(|(entry, text)| Claim { field: "aliases", entry: Some(entry), text }));
    claims
}

/// Those forms of the claimed names that find a host which the editor does not administer.
fn foreign_forms(
    connection: &mut PgConnection,
    editor: Editor<'_>,
    own: Option<i64>,
    claims: &[Claim<'_>],
) -> QueryResult<HashSet<String>> {
    let asked: HashSet<String> = claims.iter().flat_map(|claim| forms(claim.text)).collect();
    let called: Vec<CalledRow> = diesel::sql_query(include_str!("called.sql"))
        .bind::<Array<Text>, _>(asked.into_iter().collect::<Vec<_>>())
        .load(connection)?;
    let others: HashSet<i64> = called.iter().map(|row| row.id).filter(|id| Some(*id) != own).collect();
    let others: Vec<i64> = others.into_iter().collect();
    let placements = hosts::Host::placements(connection, &others)?;
    let foreign: HashSet<i64> = others
        .into_iter()
        .zip(&placements)
        .filter(|(_, placement)| !editor.access.may_administer(placement))
        .map(|(id, _)| id)
        .collect();
    Ok(called.into_iter().filter(|row| foreign.contains(&row.id)).map(|row| row.form).collect())
}

/// Every form of a name by which a look-up finds a host, and those in which an IP address may be stored.
fn forms(name: &str) -> Vec<String> {
    // PostgreSQL takes no NUL, and no name has one.
    let name = name.replace('\0', "");
    let mut forms = Vec::new();
    for candidate in candidates(&name).into_iter().chain(candidates(name.trim_end_matches('.'))) {
        forms.extend([candidate.to_owned(), candidate.to_lowercase()]);
        forms.extend(names::key(candidate));
        if let Ok(address) = candidate.trim_matches(['[', ']']).parse::<IpAddr>() {
            let plain = address.to_canonical();
            forms.extend([address.to_string(), plain.to_string()]);
            if let IpAddr::V4(plain) = plain {
                forms.push(plain.to_ipv6_mapped().to_string());
            }
        }
    }
    forms
}

const OWN: &str = "leads to the manager's own machine; only those choose it who administer everything";

/// Whether an address is the name of a manager, which is that of its machine, with or without the domain.
fn names_machine(manager: &str, address: &str) -> bool {
    let plain = |name: &str| name.trim_end_matches('.').to_ascii_lowercase();
    let (manager, address) = (plain(manager), plain(address));
    let short = |name: &str| name.split('.').next().unwrap_or_default().to_owned();
    manager == address || manager == short(&address) || short(&manager) == address
}

/// Why it can't be told from an address which machine it leads to, or that it leads back to the manager's own; the end of
/// a sentence about it.
pub fn obscure(address: &str) -> Option<&'static str> {
    if let Ok(address) = address.parse::<IpAddr>() {
        return is_own(address.to_canonical()).then_some(OWN);
    }
    let labels = address.trim_end_matches('.').to_ascii_lowercase();
    if !labels.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_')) {
        return Some("must be an IP address, or a host name of ASCII letters, digits, '.', '-' and '_'");
    }
    let last = labels.rsplit('.').next().unwrap_or_default();
    let is_number = last.bytes().all(|byte| byte.is_ascii_digit());
    let is_hexadecimal =
        last.strip_prefix("0x").is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
    if is_number || is_hexadecimal {
        return Some("ends in a number, but is no IP address as it is usually written");
    }
    // The names of the loopback in the /etc/hosts of Debian and of Red Hat, and whatever begins so.
    let first = labels.split('.').next().unwrap_or_default();
    (last == "localhost" || first.starts_with("localhost") || first.starts_with("ip6-")).then_some(OWN)
}

fn is_own(address: IpAddr) -> bool {
    let link_local = match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    };
    address.is_loopback() || address.is_unspecified() || link_local
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_the_forms_by_which_it_is_looked_up() {
        for (name, form) in [
            ("DB-1.Example.net:9100", "db-1.example.net"),
            ("DB-1.Example.net.", "db-1.example.net"),
            ("db-1.example.net", "db-1"),
            ("10.0.0.1:22", "10.0.0.1"),
            ("::ffff:10.0.0.1", "10.0.0.1"),
            ("10.0.0.1", "::ffff:10.0.0.1"),
            ("2001:DB8:0::1", "2001:db8::1"),
            ("[2001:db8::1]:22", "2001:db8::1"),
            ("w\u{435}b", "web"),
        ] {
            let forms = forms(name);
            assert!(forms.iter().any(|one| one == form), "{name}: {forms:?}");
        }
        assert!(!forms("10.0.0.1").iter().any(|form| form == "10"));
    }

    #[test]
    fn a_manager_is_known_by_its_short_and_its_long_name() {
        for address in ["ops-1", "OPS-1", "ops-1.example.net", "Ops-1.example.net."] {
            assert!(
                names_machine("ops-1", address) && names_machine("ops-1.example.net", address),
                "{address}"
            );
        }
        for address in ["ops-10", "ops", "example.net", "db.ops-1", "10.0.0.1"] {
            assert!(
                !names_machine("ops-1", address) && !names_machine("ops-1.example.net", address),
                "{address}"
            );
        }
        assert!(!names_machine("ops-1.example.net", "ops-1.other.net"));
    }

    #[test]
    fn an_address_says_which_machine_it_is() {
        let clear = [
            "10.0.0.1",
            "2001:db8::1",
            "db-1",
            "db_1.example.net",
            "db-1.example.net.",
            "host1",
            "0xen",
            "face",
        ];
        for address in clear {
            assert_eq!(obscure(address), None, "{address}");
        }
        let hidden = [
            "127.0.0.1",
            "127.9.9.9",
            "::1",
            "0.0.0.0",
            "::",
            "::ffff:127.0.0.1",
            "169.254.169.254",
            "fe80::1",
            "localhost",
            "LocalHost.",
            "db.localhost",
            "localhost6",
            "localhost4.localdomain4",
            "ip6-loopback",
            "2130706433",
            "127.1",
            "0x7f000001",
            "0x7F.1",
            "010.0.0.1",
            "10.0.0.0x1",
            "1.2.3.4.",
            "root@db-1",
            "db-1#",
            "db-1?x=",
            "db\u{ff0d}1",
            "db-1\u{3002}example",
            "[::1]",
            "fe80::1%eth0",
            "db-1:22",
            "db-1,db-2",
        ];
        for address in hidden {
            assert!(obscure(address).is_some(), "{address}");
        }
    }
}
