//! `[influxdata]`, `[influxdata_services]` and `[influxdata_tags]`

use super::ini::{IniError, IniFile};
use super::loads::{SOURCE_NAME, is_source_name};
use std::path::PathBuf;
use std::str::FromStr;

/// Where hosts and services are read from time series, and how.
#[derive(Debug, Clone)]
pub struct InfluxSettings {
    /// Address of the server; without it nothing is read.
    pub url: Option<String>,
    /// Database of 1.x; in 2.x the bucket, by its mapping for the 1.x API.
    pub database: String,
    /// Retention policy; the database's default where nothing is said.
    pub retention_policy: Option<String>,
    /// Who asks. With 2.x: nobody, the secret alone proves it.
    pub username: Option<String>,
    /// The name under `[secrets]` of the password of 1.x or the token of 2.x.
    pub secret: Option<String>,
    /// Under which name the inventory is brought.
    pub source: String,
    /// The tag that names the host.
    pub host_tag: String,
    /// The tag that names the service, where it is not the measurement.
    pub service_tag: Option<String>,
    /// Series without a point in so many hours do not count.
    pub window_hours: u32,
    /// The environment that all hosts get, unless a tag says another one.
    pub environment: Option<String>,
    /// Authorities to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// Which service a measurement, or a value of the service's tag, means; the first pattern that fits counts.
    pub services: Vec<ServiceRule>,
    /// What other tags say of the host.
    pub tags: Vec<(String, TagUse)>,
    /// Patterns as in [`ServiceRule`]: names that may become hosts. Those that are hosts already need none.
    pub hosts: Vec<String>,
}

/// `pattern = service`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceRule {
    /// `*` stands for any characters, everything else for itself.
    pub pattern: String,
    /// The service; `None`: none.
    pub service: Option<String>,
}

/// What a tag's value becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TagUse {
    /// A custom variable of the same name.
    Variable,
    /// A host group.
    Hostgroup,
    /// An environment.
    Environment,
}

impl FromStr for TagUse {
    type Err = ();

    fn from_str(word: &str) -> Result<Self, ()> {
        match word {
            "variable" => Ok(Self::Variable),
            "hostgroup" => Ok(Self::Hostgroup),
            "environment" => Ok(Self::Environment),
            _ => Err(()),
        }
    }
}

impl ServiceRule {
    /// Whether the rule is about `name`.
    pub fn fits(&self, name: &str) -> bool {
        fits(&self.pattern, name)
    }
}

/// Whether the pattern, in which `*` stands for any characters, is about `name`.
fn fits(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    let mut last = None;
    for part in parts {
        // The part before was followed by a star and another part: its first place is as good as any.
        if let Some(middle) = last.replace(part) {
            let Some((_, behind)) = rest.split_once(middle) else { return false };
            rest = behind;
        }
    }
    last.map_or(rest.is_empty(), |last| rest.ends_with(last))
}

impl InfluxSettings {
    /// Whether a name that is no host yet may become one.
    pub fn may_become_host(&self, name: &str) -> bool {
        self.hosts.iter().any(|pattern| fits(pattern, name))
    }

    pub(super) fn read(file: &mut IniFile) -> Result<Self, IniError> {
        let mut section = file.section("influxdata");
        let source_line = section.line_of("source");
        let source: String = section.value("source", "influxdata".to_owned(), "a word")?;
        if !is_source_name(&source) {
            let why = format!("[influxdata] source = '{source}' is wrong: must be {SOURCE_NAME}");
            return Err(section.error(source_line, why));
        }
        let text = "text";
        let settings = Self {
            url: section.optional("url", "an address")?,
            database: section.value("database", "telegraf".to_owned(), text)?,
            retention_policy: section.optional("retention_policy", text)?,
            username: section.optional("username", text)?,
            secret: section.optional("secret", "the name of a secret in macros.ini")?,
            source,
            host_tag: section.value("host_tag", "host".to_owned(), text)?,
            service_tag: section.optional("service_tag", text)?,
            window_hours: section.number("window_hours", 24, 1..=87_600)?,
            environment: section.optional("environment", text)?,
            ca_file: section.optional("ca_file", "a path")?,
            services: Vec::new(),
            tags: Vec::new(),
            hosts: section.words("hosts", "")?,
        };
        section.finish()?;
        Ok(Self { services: read_services(file), tags: read_tags(file)?, ..settings })
    }
}

/// Without a rule every measurement is a service of its own name.
fn read_services(file: &mut IniFile) -> Vec<ServiceRule> {
    let rules = file.section("influxdata_services").rest().into_iter();
    rules
        .map(|(pattern, service, _)| ServiceRule {
            pattern,
            service: (!service.is_empty()).then_some(service),
        })
        .collect()
}

fn read_tags(file: &mut IniFile) -> Result<Vec<(String, TagUse)>, IniError> {
    let mut section = file.section("influxdata_tags");
    let mut tags = Vec::new();
    for (tag, word, line) in section.rest() {
        let why = || {
            format!("[influxdata_tags] {tag} = '{word}' is wrong: must be variable, hostgroup or environment")
        };
        let meaning = word.parse().map_err(|()| section.error(line, why()))?;
        tags.push((tag, meaning));
    }
    Ok(tags)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_characters() {
        for (pattern, name) in [
            ("cpu", "cpu"),
            ("*", ""),
            ("*", "x"),
            ("win_*", "win_cpu"),
            ("*_io", "disk_io"),
            ("a*b*c", "abbc"),
            ("a*a", "aa"),
        ] {
            assert!(fits(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [
            ("cpu", "cpu2"),
            ("cpu", "xcpu"),
            ("win_*", "swin_"),
            ("*_io", "iox"),
            ("a*b*c", "acb"),
            ("a*a", "a"),
        ] {
            assert!(!fits(pattern, name), "{pattern} {name}");
        }
    }
}
