//! Object files of Nagios and its like: `define host { ... }` with templates, and the resolved `objects.cache`.
//!
//! Hosts, host groups and services become what they are called; services of a host group become the group's. An event
//! handler of a service becomes an event handler of ours: its command's program is the plugin, and the words behind it
//! are the arguments. A command that needs a shell cannot be one and is passed over.

use super::foreign::{self, Gathered, add, is_secret, is_variable, set_variable};
use crate::document::Place;
use crate::problem::Problem;
use selfservice_core::config::MacroFile;
use selfservice_core::models::event_handlers::Risk;
use selfservice_core::models::inventory::EventHandler;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// Templates may use templates so deep.
const MAX_DEPTH: usize = 32;
/// So many bytes may all objects together take from templates.
const MAX_INHERITED: usize = 1024 * 1024 * 1024;

/// The objects of all files, as they stand there.
#[derive(Debug, Default)]
pub(super) struct Objects {
    objects: Vec<Object>,
}

#[derive(Debug)]
struct Object {
    kind: String,
    place: Place,
    directives: BTreeMap<String, String>,
}

impl Object {
    fn get(&self, key: &str) -> Option<&str> {
        self.directives.get(key).map(String::as_str)
    }

    fn list(&self, key: &str) -> Vec<&str> {
        split(self.get(key).unwrap_or_default())
    }

    fn is_registered(&self) -> bool {
        self.get("register") != Some("0")
    }
}

fn split(list: &str) -> Vec<&str> {
    list.trim_start_matches('+').split(',').map(str::trim).filter(|part| !part.is_empty()).collect()
}

impl Objects {
    /// Reads one file.
    pub fn read(&mut self, whole: &Place, text: &str) -> Result<(), Problem> {
        let mut open: Option<Object> = None;
        let mut lines = text.lines().enumerate();
        while let Some((index, line)) = lines.next() {
            let place = Place { line: index as u64 + 1, ..whole.clone() };
            let mut line = without_comment(line).to_owned();
            while let Some(begun) = line.strip_suffix('\\') {
                line = format!(
                    "{begun}{}",
                    lines.next().map(|(_, next)| without_comment(next)).unwrap_or_default()
                );
            }
            let line = line.trim();
            match open.as_mut() {
                _ if line.is_empty() => {}
                None => open = begin(line, place)?,
                Some(_) if line == "}" => self.objects.extend(open.take()),
                Some(object) => {
                    let (key, value) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
                    object.directives.insert(key.to_owned(), value.trim().to_owned());
                }
            }
        }
        match open {
            None => Ok(()),
            Some(object) => Err(Problem::new(&object.place, "the definition is not closed by '}'")),
        }
    }

    /// What the objects mean.
    pub fn gather(mut self, macros: &MacroFile, to: &mut Gathered) -> Result<(), Problem> {
        self.inherit()?;
        let commands: BTreeMap<&str, &Object> =
            self.of("command").filter_map(|command| Some((command.get("command_name")?, command))).collect();
        for host in self.of("host") {
            gather_host(host, to);
        }
        for group in self.of("hostgroup") {
            gather_hostgroup(group, to);
        }
        self.members_of_members(to);
        for service in self.of("service") {
            self.gather_service(service, &commands, macros, to);
        }
        Ok(())
    }

    /// Registered objects of a kind.
    fn of<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Object> {
        self.objects.iter().filter(move |object| object.kind == kind && object.is_registered())
    }

    fn inherit(&mut self) -> Result<(), Problem> {
        let mut templates = Templates::of(&self.objects, MAX_INHERITED);
        let resolved: Result<Vec<_>, Problem> = (0..self.objects.len())
            .map(|index| {
                let mut all = Rc::unwrap_or_clone(templates.resolve(index, 0)?);
                all.retain(|_, value| value != "null");
                Ok(all)
            })
            .collect();
        for (object, directives) in self.objects.iter_mut().zip(resolved?) {
            object.directives = directives;
        }
        Ok(())
    }

    /// `hostgroup_members`: the members of those groups are members, too.
    fn members_of_members(&self, to: &mut Gathered) {
        let children: BTreeMap<&str, Vec<&str>> = self
            .of("hostgroup")
            .filter_map(|group| Some((group.get("hostgroup_name")?, group.list("hostgroup_members"))))
            .collect();
        for group in children.keys() {
            let mut below = BTreeSet::from([*group]);
            let mut waiting = vec![*group];
            while let Some(next) = waiting.pop() {
                waiting
                    .extend(children.get(next).into_iter().flatten().filter(|child| below.insert(**child)));
            }
            to.join(group, &below);
        }
    }

    fn gather_service(
        &self,
        service: &Object,
        commands: &BTreeMap<&str, &Object>,
        macros: &MacroFile,
        to: &mut Gathered,
    ) {
        let Some(name) = service.get("service_description") else {
            to.warn(&service.place, "a service without service_description is passed over");
            return;
        };
        let handler = service
            .get("event_handler")
            .filter(|_| service.get("event_handler_enabled") != Some("0"))
            .and_then(|command| event_handler(command, service, commands, macros, to));
        let row = to.service(name, &service.place);
        if let Some(note) = service.get("notes").or_else(|| service.get("display_name")) {
            row.description.get_or_insert_with(|| note.to_owned());
        }
        if let Some(handler) = handler {
            add(&mut row.handlers, &handler);
        }
        for (variable, value) in variables(service) {
            set_variable(&mut row.vars, variable, value.to_owned());
        }
        for group in service.list("hostgroup_name").into_iter().filter(|group| !group.starts_with('!')) {
            add(&mut to.hostgroup(group, &service.place).services, name);
        }
        let hosts = service.list("host_name");
        let not: BTreeSet<&str> = hosts.iter().filter_map(|host| host.strip_prefix('!')).collect();
        let all: Vec<&str> = if hosts.contains(&"*") {
            self.of("host").filter_map(|host| host.get("host_name")).collect()
        } else {
            hosts.into_iter().filter(|host| !host.starts_with('!')).collect()
        };
        for host in all.into_iter().filter(|host| !not.contains(host)) {
            add(&mut to.host(host, &service.place).services, name);
        }
    }
}

/// Objects by kind and name, and what was resolved of them: a template that many objects use is looked at once.
struct Templates<'a> {
    objects: &'a [Object],
    by_name: BTreeMap<(&'a str, &'a str), usize>,
    resolved: BTreeMap<usize, Rc<BTreeMap<String, String>>>,
    /// The length of what was looked at and taken over in templates so far.
    bytes: usize,
    /// How long that may get.
    limit: usize,
}

impl<'a> Templates<'a> {
    fn of(objects: &'a [Object], limit: usize) -> Self {
        let named = objects.iter().enumerate();
        let by_name = named
            .filter_map(|(index, object)| Some(((object.kind.as_str(), object.get("name")?), index)))
            .collect();
        Self { objects, by_name, resolved: BTreeMap::new(), bytes: 0, limit }
    }

    /// The directives of an object with those of its templates: the first template counts most, `+` adds to a list, and
    /// `null` takes away. Its name and whether it is registered are its own.
    fn resolve(&mut self, index: usize, depth: usize) -> Result<Rc<BTreeMap<String, String>>, Problem> {
        let Some(object) = self.objects.get(index) else { return Ok(Rc::default()) };
        if depth > MAX_DEPTH {
            return Err(Problem::new(&object.place, "the templates use each other in a circle, or too deep"));
        }
        if let Some(known) = self.resolved.get(&index) {
            return Ok(Rc::clone(known));
        }
        let mut all = object.directives.clone();
        for name in object.list("use") {
            let template = self.by_name.get(&(object.kind.as_str(), name)).copied().ok_or_else(|| {
                Problem::new(&object.place, format!("there is no template '{name}' of this kind"))
            })?;
            for (key, value) in self.resolve(template, depth + 1)?.iter() {
                if matches!(key.as_str(), "name" | "register" | "use") {
                    continue;
                }
                let taken = match all.get_mut(key) {
                    Some(own) if own.starts_with('+') => {
                        *own = format!("{own},{}", value.trim_start_matches('+'));
                        own.len()
                    }
                    Some(_) => 0,
                    None => {
                        all.insert(key.clone(), value.clone());
                        value.len()
                    }
                };
                self.count(key.len() + taken, object)?;
            }
        }
        let all = Rc::new(all);
        if object.get("name").is_some() {
            self.resolved.insert(index, Rc::clone(&all));
        }
        Ok(all)
    }

    fn count(&mut self, bytes: usize, object: &Object) -> Result<(), Problem> {
        self.bytes += bytes;
        if self.bytes <= self.limit {
            return Ok(());
        }
        let mib = self.limit / 1024 / 1024;
        Err(Problem::new(
            &object.place,
            format!("templates give more than {mib} MiB to the objects up to here"),
        ))
    }
}

fn without_comment(line: &str) -> &str {
    let trimmed = line.trim();
    if trimmed.starts_with('#') {
        return "";
    }
    // A semicolon behind a backslash is one.
    let comment = trimmed
        .char_indices()
        .find(|(at, c)| *c == ';' && !trimmed.get(..*at).is_some_and(|before| before.ends_with('\\')));
    comment.and_then(|(at, _)| trimmed.get(..at)).unwrap_or(trimmed).trim_end()
}

/// `define host {`. Other lines, such as those of a main configuration, are no objects.
fn begin(line: &str, place: Place) -> Result<Option<Object>, Problem> {
    let Some(rest) = line.strip_prefix("define").filter(|rest| rest.starts_with(char::is_whitespace)) else {
        return Err(Problem::new(&place, "is no object of Nagios; expected 'define KIND {'"));
    };
    let kind = rest.trim().strip_suffix('{').map(str::trim).filter(|kind| !kind.is_empty());
    let kind = kind.ok_or_else(|| Problem::new(&place, "a definition begins with 'define KIND {'"))?;
    Ok(Some(Object { kind: kind.to_owned(), place, directives: BTreeMap::new() }))
}

/// Custom variables, without their underscore.
fn variables(object: &Object) -> impl Iterator<Item = (&str, &str)> {
    let custom =
        object.directives.iter().filter_map(|(key, value)| Some((key.strip_prefix('_')?, value.as_str())));
    custom.filter(|(name, _)| is_variable(name) && !is_secret(name))
}

fn gather_host(object: &Object, to: &mut Gathered) {
    let Some(name) = object.get("host_name") else {
        to.warn(&object.place, "a host without host_name is passed over");
        return;
    };
    let host = to.host(name, &object.place);
    host.address = Some(object.get("address").unwrap_or(name).to_owned());
    host.description = object.get("alias").filter(|alias| *alias != name).map(str::to_owned);
    host.hostgroups.get_or_insert_default();
    host.services.get_or_insert_default();
    for (variable, value) in variables(object) {
        set_variable(&mut host.vars, variable, value.to_owned());
    }
    for group in object.list("hostgroups") {
        add(&mut to.host(name, &object.place).hostgroups, group);
        to.hostgroup(group, &object.place);
    }
}

fn gather_hostgroup(object: &Object, to: &mut Gathered) {
    let Some(name) = object.get("hostgroup_name") else {
        to.warn(&object.place, "a host group without hostgroup_name is passed over");
        return;
    };
    let group = to.hostgroup(name, &object.place);
    group.description = object.get("alias").filter(|alias| *alias != name).map(str::to_owned);
    let members = object.list("members");
    if members.contains(&"*") {
        to.join_all(name);
    }
    for member in members.into_iter().filter(|member| *member != "*" && !member.starts_with('!')) {
        add(&mut to.host(member, &object.place).hostgroups, name);
    }
}

/// The event handler of `command!arg!arg`; its name is the command's, with the arguments where there are any.
fn event_handler(
    command: &str,
    service: &Object,
    commands: &BTreeMap<&str, &Object>,
    macros: &MacroFile,
    to: &mut Gathered,
) -> Option<String> {
    let mut parts = command.split('!');
    let name = parts.next().unwrap_or_default();
    let given: Vec<&str> = parts.collect();
    let Some(definition) = commands.get(name) else {
        to.warn(&service.place, format!("there is no command '{name}' for the event handler"));
        return None;
    };
    let line = definition.get("command_line").unwrap_or_default();
    let handler_name = if given.is_empty() { name.to_owned() } else { format!("{name} {}", given.join(" ")) };
    match handler(handler_name.clone(), line, &given) {
        Ok(handler) => {
            let complaints = handler.complaints(macros);
            if let Some(complaint) = complaints.first() {
                let message = format!("the command '{name}' is passed over: {}", complaint.text);
                to.warn(&definition.place, message);
                return None;
            }
            to.event_handler(handler, &definition.place);
            Some(handler_name)
        }
        Err(why) => {
            to.warn(&definition.place, format!("the command '{name}' is passed over: {why}"));
            None
        }
    }
}

fn handler(name: String, line: &str, given: &[&str]) -> Result<EventHandler, String> {
    let mut line = line.to_owned();
    for number in (1..=32).rev() {
        let value = given.get(number - 1).copied().unwrap_or_default();
        line = line.replace(&format!("$ARG{number}$"), value);
    }
    let mut words = words(&line)?.into_iter();
    let program = words.next().filter(|program| !program.is_empty()).ok_or("it has no command_line")?;
    let plugin = program.rsplit('/').next().unwrap_or_default().to_owned();
    let mut row = serde_json::json!({"name": name, "plugin": plugin});
    if let Some(fields) = row.as_object_mut() {
        fields.insert("arguments".to_owned(), words.collect::<Vec<String>>().into());
        fields.insert("description".to_owned(), "Event handler of Nagios".into());
        // What only an alert knows, such as $SERVICESTATE$, has no value where a person starts it.
        fields.insert("empty_macros".to_owned(), true.into());
        fields.insert("risk".to_owned(), Risk::Normal.as_str().into());
    }
    serde_json::from_value(row).map_err(|error| error.to_string())
}

/// The words of a command line that needs no shell: quotes are fine, anything that a shell would act on is not.
fn words(line: &str) -> Result<Vec<String>, String> {
    foreign::words(line, |quote, c, _| match (quote, c) {
        (None | Some('"'), '`' | '\\')
        | (None, '|' | ';' | '&' | '<' | '>' | '(' | ')' | '*' | '?' | '~') => {
            Err(format!("it needs a shell ('{c}'); make a script of it a plugin"))
        }
        _ => Ok(false),
    })
}

#[cfg(test)]
mod tests {
    use super::{Objects, Templates};
    use crate::document::Place;
    use std::path::Path;

    #[test]
    fn what_templates_give_is_bounded() {
        let text = "define host {\n name a\n members +0123456789\n}\n\
                    define host {\n name b\n members +x\n use a,a\n}\ndefine host {\n members +y\n use b,b\n}\n";
        let mut objects = Objects::default();
        let place = Place { file: Path::new("x.cfg").into(), line: 0, entry: None };
        assert!(objects.read(&place, text).is_ok());
        let resolved = |limit| Templates::of(&objects.objects, limit).resolve(2, 0);
        assert!(resolved(1000).is_ok_and(|all| all.get("members").is_some_and(|list| list.len() > 40)));
        let refused = resolved(100).err().map(|problem| problem.to_string()).unwrap_or_default();
        assert!(refused.starts_with("x.cfg:10: templates give more than"), "{refused}");
    }
}
