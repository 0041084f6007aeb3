//! Inventories of Ansible: INI, YAML, and the JSON of `ansible-inventory --list`.
//!
//! Groups become host groups, `ansible_host` the address, variables that hold text, numbers or truth values become
//! variables of the host, with those of its groups below them. What looks like a secret stays where it is.

use super::foreign::{self, Gathered, add, is_secret, is_variable, set_variable};
use super::json;
use crate::document::Place;
use crate::problem::Problem;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// So many hosts may a pattern such as `web[1:500]` stand for.
const MAX_RANGE: u64 = 100_000;
/// So many hosts may all patterns of an inventory stand for.
const MAX_HOSTS: usize = 1_000_000;
/// So deep may groups stand in each other.
const MAX_DEPTH: usize = 32;

/// What was read, before groups hand down their variables.
#[derive(Debug, Default)]
pub(super) struct Inventory {
    groups: BTreeMap<String, Group>,
    hosts: BTreeMap<String, (Map<String, Value>, Place)>,
    /// How many hosts the patterns stood for so far.
    expanded: usize,
}

#[derive(Debug, Default)]
struct Group {
    hosts: BTreeSet<String>,
    children: BTreeSet<String>,
    vars: Map<String, Value>,
}

impl Inventory {
    /// The hosts that a pattern stands for.
    fn expand(&mut self, pattern: &str) -> Result<Vec<String>, String> {
        let hosts = expand(pattern)?;
        self.expanded += hosts.len();
        if self.expanded > MAX_HOSTS {
            return Err(format!("its patterns stand for more than {MAX_HOSTS} hosts, up to '{pattern}'"));
        }
        Ok(hosts)
    }

    fn group(&mut self, name: &str) -> &mut Group {
        self.groups.entry(name.to_owned()).or_default()
    }

    fn host(&mut self, name: &str, place: &Place) -> &mut Map<String, Value> {
        &mut self.hosts.entry(name.to_owned()).or_insert_with(|| (Map::new(), place.clone())).0
    }
}

/// Reads `text`, in whichever of the three forms it is.
pub(super) fn parse(whole: &Place, text: &str, to: &mut Gathered) -> Result<(), Problem> {
    let mut inventory = Inventory::default();
    let extension = whole.file.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    if text.trim_start().starts_with('{') {
        let Value::Object(list) = json::read(whole, text)? else {
            return Err(wrong(whole, "a list is a mapping of groups"));
        };
        read_list(&mut inventory, whole, list)?;
    } else if matches!(extension, "yml" | "yaml") || text.trim_start().starts_with("---") {
        let groups: Map<String, Value> = super::yaml::read(whole, text)?;
        for (name, group) in groups {
            read_group(&mut inventory, whole, &name, group, 0)?;
        }
    } else {
        read_ini(&mut inventory, whole, text, to)?;
    }
    hand_down(&inventory, to);
    Ok(())
}

fn wrong(place: &Place, what: &str) -> Problem {
    Problem::new(place, format!("is no inventory of Ansible: {what}"))
}

/// `{"_meta": {"hostvars": {...}}, "group": {"hosts": [...], "children": [...], "vars": {...}}}`
fn read_list(inventory: &mut Inventory, whole: &Place, list: Map<String, Value>) -> Result<(), Problem> {
    for (name, value) in list {
        if name == "_meta" {
            let hostvars = value.get("hostvars").and_then(Value::as_object);
            for (host, vars) in hostvars.into_iter().flatten() {
                let vars = vars.as_object().ok_or_else(|| wrong(whole, "hostvars must be mappings"))?;
                inventory.host(host, whole).extend(vars.clone());
            }
            continue;
        }
        // A bare list of hosts is the old form of a group.
        let hosts = value.get("hosts").unwrap_or(&value);
        let children = value.get("children");
        let names = |value: Option<&Value>| -> Vec<String> {
            let names = value.and_then(Value::as_array).into_iter().flatten();
            names.filter_map(Value::as_str).map(str::to_owned).collect()
        };
        for host in names(Some(hosts)) {
            inventory.host(&host, whole);
            inventory.group(&name).hosts.insert(host);
        }
        let vars = value.get("vars").and_then(Value::as_object).cloned().unwrap_or_default();
        let group = inventory.group(&name);
        group.children.extend(names(children));
        group.vars.extend(vars);
    }
    Ok(())
}

/// `name: {hosts: {...}, children: {...}, vars: {...}}`
fn read_group(
    inventory: &mut Inventory,
    whole: &Place,
    name: &str,
    value: Value,
    depth: usize,
) -> Result<(), Problem> {
    if depth > MAX_DEPTH {
        return Err(wrong(whole, "groups stand too deep in each other"));
    }
    inventory.group(name);
    let members = match value {
        Value::Null => return Ok(()),
        Value::Object(members) => members,
        _ => return Err(wrong(whole, &format!("the group '{name}' must be a mapping"))),
    };
    for (key, value) in members {
        let entries = match value {
            Value::Null => Map::new(),
            Value::Object(entries) => entries,
            _ => return Err(wrong(whole, &format!("'{key}' of the group '{name}' must be a mapping"))),
        };
        match key.as_str() {
            "vars" => inventory.group(name).vars.extend(entries),
            "children" => {
                for (child, value) in entries {
                    inventory.group(name).children.insert(child.clone());
                    read_group(inventory, whole, &child, value, depth + 1)?;
                }
            }
            "hosts" => {
                for (pattern, vars) in entries {
                    for host in inventory.expand(&pattern).map_err(|why| wrong(whole, &why))? {
                        inventory.host(&host, whole).extend(vars.as_object().cloned().unwrap_or_default());
                        inventory.group(name).hosts.insert(host);
                    }
                }
            }
            other => {
                let what =
                    format!("the group '{name}' has the key '{other}'; allowed are hosts, children, vars");
                return Err(wrong(whole, &what));
            }
        }
    }
    Ok(())
}

/// What the lines of a section of an INI file are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Section {
    Hosts,
    Children,
    Vars,
}

fn read_ini(inventory: &mut Inventory, whole: &Place, text: &str, to: &mut Gathered) -> Result<(), Problem> {
    let (mut group, mut section) = ("ungrouped".to_owned(), Section::Hosts);
    for (index, line) in text.lines().enumerate() {
        let place = Place { line: index as u64 + 1, ..whole.clone() };
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(head) = line.strip_prefix('[') {
            let (head, _) = head.split_once(']').ok_or_else(|| wrong(&place, "a section ends with ']'"))?;
            let (name, kind) = head.split_once(':').unwrap_or((head, "hosts"));
            section = match kind {
                "hosts" => Section::Hosts,
                "children" => Section::Children,
                "vars" => Section::Vars,
                _ => return Err(wrong(&place, "a section is [group], [group:children] or [group:vars]")),
            };
            name.trim().clone_into(&mut group);
            inventory.group(&group);
            continue;
        }
        match section {
            Section::Children => {
                inventory.group(line);
                inventory.group(&group).children.insert(line.to_owned());
            }
            Section::Vars => {
                let (name, value) =
                    line.split_once('=').ok_or_else(|| wrong(&place, "a variable is name=value"))?;
                let value = unquoted(value.trim());
                inventory.group(&group).vars.insert(name.trim().to_owned(), value.into());
            }
            Section::Hosts => read_hosts(inventory, &group, &place, line, to)?,
        }
    }
    Ok(())
}

/// `pattern name=value ...`
fn read_hosts(
    inventory: &mut Inventory,
    group: &str,
    place: &Place,
    line: &str,
    to: &mut Gathered,
) -> Result<(), Problem> {
    let mut words = words(line).map_err(|why| wrong(place, &why))?.into_iter();
    let pattern = words.next().unwrap_or_default();
    let (pattern, port) = match pattern.rsplit_once(':') {
        Some((host, port)) if is_port(port) && !has_colon(host) => (host.to_owned(), Some(port.to_owned())),
        _ => (pattern, None),
    };
    let mut vars = Map::new();
    vars.extend(port.map(|port| ("ansible_port".to_owned(), port.into())));
    for word in words {
        match word.split_once('=') {
            Some((name, value)) => {
                vars.insert(name.to_owned(), value.into());
            }
            None => to.warn(place, format!("'{}' is no name=value", word.escape_debug())),
        }
    }
    for host in inventory.expand(&pattern).map_err(|why| wrong(place, &why))? {
        inventory.host(&host, place).extend(vars.clone());
        inventory.group(group).hosts.insert(host);
    }
    Ok(())
}

fn is_port(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether there is a colon outside of ranges such as `[1:9]`: then it is an address of IPv6.
fn has_colon(host: &str) -> bool {
    host.split('[').enumerate().any(|(at, part)| {
        let outside = if at == 0 { part } else { part.split_once(']').map_or("", |(_, outside)| outside) };
        outside.contains(':')
    })
}

/// The words of a line; `#` begins a comment.
fn words(line: &str) -> Result<Vec<String>, String> {
    foreign::words(line, |quote, c, begins_word| Ok(quote.is_none() && c == '#' && begins_word))
}

fn unquoted(value: &str) -> &str {
    let inner = |quote: char| value.strip_prefix(quote).and_then(|value| value.strip_suffix(quote));
    inner('"').or_else(|| inner('\'')).unwrap_or(value)
}

/// `web[01:50].example.com`, `db-[a:f]`, `n[0:10:2]`; several ranges multiply.
fn expand(pattern: &str) -> Result<Vec<String>, String> {
    let Some((before, rest)) = pattern.split_once('[') else { return Ok(vec![pattern.to_owned()]) };
    let (range, after) = rest.split_once(']').ok_or_else(|| format!("'{pattern}' has no ']'"))?;
    let values =
        values(range).ok_or_else(|| format!("'[{range}]' is no range such as [1:9], [01:20:2] or [a:f]"))?;
    let tails = expand(after)?;
    if values.len() as u64 * tails.len() as u64 > MAX_RANGE {
        return Err(format!("'{pattern}' stands for more than {MAX_RANGE} hosts"));
    }
    let heads = values.iter().map(|value| format!("{before}{value}"));
    Ok(heads.flat_map(|head| tails.iter().map(move |tail| format!("{head}{tail}"))).collect())
}

fn values(range: &str) -> Option<Vec<String>> {
    let mut parts = range.split(':');
    let (first, last) = (parts.next()?, parts.next()?);
    let step: u64 = parts.next().map_or(Some(1), |step| step.parse().ok())?;
    if parts.next().is_some() || step == 0 {
        return None;
    }
    let step_by = usize::try_from(step).ok()?;
    if let ([first], [last]) = (first.as_bytes(), last.as_bytes())
        && first.is_ascii_alphabetic()
        && last.is_ascii_alphabetic()
    {
        return Some((*first..=*last).step_by(step_by).map(|byte| char::from(byte).to_string()).collect());
    }
    let (from, to): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
    if to < from || (to - from) / step >= MAX_RANGE {
        return None;
    }
    let width = if first.starts_with('0') { first.len() } else { 0 };
    Some((from..=to).step_by(step_by).map(|number| format!("{number:0width$}")).collect())
}

/// Groups, from the outermost in, give their variables to their hosts; a nearer one counts more, the host itself most.
fn hand_down(inventory: &Inventory, to: &mut Gathered) {
    let mut parents: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut of_host: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, group) in &inventory.groups {
        group.children.iter().for_each(|child| parents.entry(child).or_default().push(name));
        group.hosts.iter().for_each(|host| of_host.entry(host).or_default().push(name));
    }
    for name in inventory.groups.keys().filter(|name| !is_built_in(name)) {
        let place = inventory.hosts.values().next().map(|(_, place)| Place { line: 0, ..place.clone() });
        if let Some(place) = place {
            to.hostgroup(name, &place);
        }
    }
    for (name, (own, place)) in &inventory.hosts {
        let groups =
            nearest_first(of_host.get(name.as_str()).map(Vec::as_slice).unwrap_or_default(), &parents);
        let of_groups = groups.iter().chain(["all"].iter()).filter_map(|group| inventory.groups.get(*group));
        let vars: Vec<(&String, &Value)> =
            own.iter().chain(of_groups.flat_map(|group| &group.vars)).collect();
        let address = ["ansible_host", "ansible_ssh_host"].iter().find_map(|wanted| {
            vars.iter().find(|(name, _)| name == wanted).and_then(|(_, value)| value.as_str())
        });
        let host = to.host(name, place);
        host.address = Some(address.unwrap_or(name).to_owned());
        host.hostgroups.get_or_insert_default();
        for group in groups.iter().filter(|group| !is_built_in(group)) {
            add(&mut host.hostgroups, group);
        }
        host.vars.get_or_insert_default();
        let mut secrets = Vec::new();
        for (name, value) in vars {
            let text = match value {
                Value::String(text) => text.clone(),
                Value::Number(_) | Value::Bool(_) => value.to_string(),
                _ => continue,
            };
            if is_secret(name) || text.starts_with("$ANSIBLE_VAULT") {
                secrets.push(name.as_str());
            } else if is_variable(name) && !matches!(name.as_str(), "ansible_host" | "ansible_ssh_host") {
                set_variable(&mut host.vars, name, text);
            }
        }
        if !secrets.is_empty() {
            let message = format!(
                "host '{name}': {} may be secret and is left out; secrets belong into macros.ini",
                secrets.join(", ")
            );
            to.warn(place, message);
        }
    }
}

fn is_built_in(group: &str) -> bool {
    matches!(group, "all" | "ungrouped")
}

/// The groups and all that they stand in, each once.
fn nearest_first<'a>(own: &[&'a str], parents: &BTreeMap<&str, Vec<&'a str>>) -> Vec<&'a str> {
    let mut found: Vec<&str> = own.to_vec();
    let mut at = 0;
    while let Some(group) = found.get(at).copied() {
        for parent in parents.get(group).into_iter().flatten() {
            if !found.contains(parent) {
                found.push(parent);
            }
        }
        at += 1;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_stand_for_many_hosts() {
        assert_eq!(expand("web-1").unwrap(), ["web-1"]);
        assert_eq!(
            expand("www[01:03].example.com").unwrap().join(" "),
            "www01.example.com www02.example.com www03.example.com"
        );
        assert_eq!(expand("db-[a:c]").unwrap().join(" "), "db-a db-b db-c");
        assert_eq!(expand("n[0:10:5]-[1:2]").unwrap().join(" "), "n0-1 n0-2 n5-1 n5-2 n10-1 n10-2");
        for wrong in ["a[1:", "a[1]", "a[2:1]", "a[1:2:0]", "a[1:999999999]", "a[1:9999][1:9999]"] {
            assert!(expand(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn all_patterns_together_stand_for_so_many_hosts() {
        let mut inventory = Inventory { expanded: MAX_HOSTS - 5, ..Inventory::default() };
        assert_eq!(inventory.expand("web[1:5]").unwrap().len(), 5);
        let refused = inventory.expand("db-1").unwrap_err();
        assert_eq!(refused, "its patterns stand for more than 1000000 hosts, up to 'db-1'");
    }

    #[test]
    fn words_are_split_as_by_a_shell() {
        assert_eq!(words("a b='c d' e=\"f\" # x").unwrap(), ["a", "b=c d", "e=f"]);
        assert!(words("a b='c").is_err());
    }
}
