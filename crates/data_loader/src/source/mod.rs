//! Where inventory comes from: one file per format, whose objects all go the same way.

mod ansible;
mod checked;
mod csv;
mod fetch;
mod foreign;
pub mod influxdb;
mod json;
mod nagios;
mod prometheus;
mod sections;
mod yaml;

use crate::document::{Found, Item, Place, Take};
use crate::problem::Problem;
use fetch::Fetched;
use foreign::Gathered;
use selfservice_core::config::{LoadSettings, MacroFile};
use selfservice_core::models::inventory::Noun;
use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What a line of `[load_commands]` is called by, before its name.
const COMMAND: &str = "command:";

/// What an inventory is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Our own, in YAML
    Yaml,
    /// The same in JSON
    Json,
    /// Tables of our own objects: `hosts.csv`, `services.csv` ...
    Csv,
    /// An inventory of Ansible, or what `ansible-inventory --list` prints
    Ansible,
    /// Object files of Nagios
    Nagios,
    /// A configuration of Prometheus, or a list of targets (`file_sd`, `http_sd`)
    Prometheus,
}

/// Where something is read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A file.
    File(PathBuf),
    /// An address.
    Url(String),
    /// What a program prints that stands under this name in `[load_commands]`.
    Command(String),
}

impl From<&str> for Input {
    fn from(text: &str) -> Self {
        if text.starts_with("http://") || text.starts_with("https://") {
            Self::Url(text.to_owned())
        } else if let Some(name) = text.strip_prefix(COMMAND) {
            Self::Command(name.to_owned())
        } else {
            Self::File(text.into())
        }
    }
}

/// How inputs are read.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'a> {
    /// Limits, and the commands that may be named.
    pub settings: &'a LoadSettings,
    /// Which macros the arguments of a handler may hold.
    pub macros: &'a MacroFile,
    /// What the inputs are written in; by their names and first characters where nothing is said.
    pub format: Option<Format>,
    /// The environment of hosts of other programs' inventories, which know of none.
    pub environment: Option<&'a str>,
    /// Whether servers and programs may bring what gives rights and what is run, as files may.
    pub with_rights: bool,
}

impl Reader<'_> {
    /// Reads all inputs as one inventory and gives away what they say; `done` is told after each input.
    ///
    /// # Errors
    /// The complaints of all inputs. What was given away before is worth nothing then.
    pub fn read(
        &self,
        inputs: &[Input],
        take: &mut Take<'_>,
        mut done: impl FnMut(&Input),
    ) -> Result<(), Vec<Problem>> {
        let mut others = Others::default();
        let mut problems = Vec::new();
        let mut guard = Guard::new(inputs, self.with_rights);
        for input in inputs {
            let read = self.read_one(input, &mut others, &mut |item| guard.pass(item, take));
            // Where something was stopped, that says why the rest was not read.
            problems.extend(guard.stopped.take().map_or(read, Err).err());
            done(input);
        }
        let Others { nagios, mut gathered } = others;
        problems.extend(nagios.gather(self.macros, &mut gathered).err());
        if problems.is_empty() {
            // Who wants no more says why.
            let _ = gathered.into_document(self.environment).give(&mut |item| guard.pass(item, take));
            problems.extend(guard.stopped);
        }
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    fn read_one(&self, input: &Input, others: &mut Others, take: &mut Take<'_>) -> Result<(), Problem> {
        let mut fetched = match input {
            Input::File(path) => self.fetch_file(path)?,
            Input::Url(url) => fetch::url(self.settings, self.macros, url)?,
            Input::Command(name) => fetch::command(self.settings, name)?,
        };
        let format = match self.format {
            Some(format) => Some(format),
            None => guess(&mut fetched)?,
        };
        let place = fetched.place.clone();
        match format {
            Some(Format::Yaml) => fetched.read(|place, input| yaml::parse(place, input, take)),
            Some(Format::Json) => fetched.read(|place, input| json::parse(place, input, take)),
            Some(Format::Csv) => fetched.read(|place, input| csv::parse(place, input, take)),
            Some(Format::Ansible) => ansible::parse(&place, &fetched.text()?, &mut others.gathered),
            Some(Format::Nagios) => others.nagios.read(&place, &fetched.text()?),
            Some(Format::Prometheus) => {
                let is_file = matches!(input, Input::File(_));
                prometheus::parse(self, &place, is_file, &fetched.text()?, &mut others.gathered)
            }
            None => Err(Problem::new(&place, "cannot be told by its name what it is; say so by --format")),
        }
    }

    fn fetch_file(&self, path: &Path) -> Result<Fetched, Problem> {
        fetch::file(self.settings, path)
    }
}

/// Stops what gives rights and what is run, where it does not come from a file: whoever answers in the place of a server or a
/// program would choose who may do what.
struct Guard {
    /// Inputs that may not bring it, as places call them.
    distant: BTreeSet<PathBuf>,
    /// What is wrong with what was stopped.
    stopped: Option<Problem>,
}

impl Guard {
    fn new(inputs: &[Input], with_rights: bool) -> Self {
        let distant = inputs.iter().filter(|_| !with_rights).filter_map(|input| match input {
            Input::File(_) => None,
            Input::Url(url) => Some(url.into()),
            Input::Command(name) => Some(format!("{COMMAND}{name}").into()),
        });
        Self { distant: distant.collect(), stopped: None }
    }

    fn pass(&mut self, item: Item, take: &mut Take<'_>) -> ControlFlow<()> {
        if let Item::Object(Found { row, place }) = &item
            && matches!(row.noun(), Noun::Grant | Noun::Team | Noun::EventHandler)
            && self.distant.contains(&*place.file)
        {
            let why = format!(
                "brings {row}: grants, teams and event handlers are taken from files only (--with-rights takes them \
                 from servers and programs, too)"
            );
            self.stopped = Some(Problem::new(place, why));
            return ControlFlow::Break(());
        }
        take(item)
    }
}

/// What inventories of other programs say, until all of them are read: they speak of one object in several files.
#[derive(Debug, Default)]
struct Others {
    nagios: nagios::Objects,
    gathered: Gathered,
}

/// What an input is by the end of its name; JSON also by what it begins with.
fn guess(fetched: &mut Fetched) -> Result<Option<Format>, Problem> {
    let file = Arc::clone(&fetched.place.file);
    let extension = file.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    Ok(match extension {
        "yaml" | "yml" => Some(Format::Yaml),
        "csv" => Some(Format::Csv),
        "cfg" | "cache" => Some(Format::Nagios),
        "ini" => Some(Format::Ansible),
        _ => match fetched.beginning()?.chars().next() {
            // Our own form is an object, and http_sd answers with a list.
            Some('[') => Some(Format::Prometheus),
            Some('{') if fetched.mentions("\"_meta\"")? => Some(Format::Ansible),
            Some('{') => Some(Format::Json),
            _ => None,
        },
    })
}

/// The place of a whole input.
fn whole(name: &str) -> Place {
    Place { file: Path::new(name).into(), line: 0, entry: None }
}
