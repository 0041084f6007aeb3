//! `[loads]`, `[load_intervals]`, `[load_commands]` and `[load_secrets]`

use super::ini::{IniError, IniFile};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// What all loads of the inventory have in common.
#[derive(Debug, Clone)]
pub struct LoadSettings {
    /// The source of files that name none.
    pub source: String,
    /// Sources from the highest to the lowest; those that do not stand here rank below.
    pub ranking: Vec<String>,
    /// So many percent of what a source brought may go at once.
    pub max_shrink_percent: u32,
    /// The largest file or answer that is read, in bytes.
    pub max_bytes: u64,
    /// How long a program or a server may take for all of its answer.
    pub timeout: Duration,
    /// Whether other machines may be asked without encryption.
    pub plain_http: bool,
    /// Authorities to trust for https instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// Sources that must be loaded again and again: at least every so many hours.
    pub intervals: BTreeMap<String, u32>,
    /// Name to a program, by its path, and its arguments.
    pub commands: BTreeMap<String, Vec<String>>,
    /// Host, in lower case, to the name of the secret that it gets.
    pub secrets: BTreeMap<String, String>,
}

/// Whether a source may be called so.
pub fn is_source_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let begins_well = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    begins_well && name.len() <= 64 && name.chars().all(plain) && name != crate::models::inventory::HAND
}

/// What is wrong with a name that is none.
pub const SOURCE_NAME: &str = "a word of at most 64 letters, digits, '.', '_' and '-' that begins with a letter or digit and is not 'hand'";

impl LoadSettings {
    pub(super) fn read(file: &mut IniFile) -> Result<Self, IniError> {
        let mut section = file.section("loads");
        let (source_line, ranking_line) = (section.line_of("source"), section.line_of("ranking"));
        let source: String = section.value("source", "files".to_owned(), "a word")?;
        if !is_source_name(&source) {
            let why = format!("[loads] source = '{source}' is wrong: must be {SOURCE_NAME}");
            return Err(section.error(source_line, why));
        }
        let ranking = section.words("ranking", "")?;
        if let Some(wrong) = ranking.iter().find(|name| !is_source_name(name)) {
            let why = format!("[loads] ranking: '{wrong}' is wrong: must be {SOURCE_NAME}");
            return Err(section.error(ranking_line, why));
        }
        let max_shrink_percent = section.number("max_shrink_percent", 20, 0..=100)?;
        let max_mib = section.number("max_mib", 256, 1..=4096)?;
        let timeout_seconds = section.number("timeout_seconds", 60, 1..=3600)?;
        let plain_http = section.switch("plain_http", false)?;
        let ca_file = section.optional("ca_file", "a path")?;
        section.finish()?;
        Ok(Self {
            source,
            ranking,
            max_shrink_percent,
            max_bytes: u64::from(max_mib) * 1024 * 1024,
            timeout: Duration::from_secs(timeout_seconds.into()),
            plain_http,
            ca_file,
            intervals: read_intervals(file)?,
            commands: read_commands(file)?,
            secrets: read_secrets(file),
        })
    }
}

fn read_secrets(file: &mut IniFile) -> BTreeMap<String, String> {
    let lines = file.section("load_secrets").rest().into_iter();
    lines.map(|(host, secret, _)| (host.to_ascii_lowercase(), secret)).collect()
}

/// The longest interval that may be asked for: a year.
const MOST_HOURS: u32 = 8784;

fn read_intervals(file: &mut IniFile) -> Result<BTreeMap<String, u32>, IniError> {
    let mut section = file.section("load_intervals");
    let mut intervals = BTreeMap::new();
    for (source, text, line) in section.rest() {
        if !is_source_name(&source) {
            let why = format!("[load_intervals] '{source}' is wrong: must be {SOURCE_NAME}");
            return Err(section.error(line, why));
        }
        match text.trim().parse::<u32>() {
            Ok(hours @ 1..=MOST_HOURS) => intervals.insert(source, hours),
            _ => {
                let why = format!(
                    "[load_intervals] {source} = '{text}' is wrong: must be hours, a whole number from 1 to {MOST_HOURS}"
                );
                return Err(section.error(line, why));
            }
        };
    }
    Ok(intervals)
}

fn read_commands(file: &mut IniFile) -> Result<BTreeMap<String, Vec<String>>, IniError> {
    let mut section = file.section("load_commands");
    let mut commands = BTreeMap::new();
    for (name, text, line) in section.rest() {
        let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        if !words.first().is_some_and(|program| program.starts_with('/')) {
            let why = format!("[load_commands] {name} must begin with the path of a program, from '/' on");
            return Err(section.error(line, why));
        }
        commands.insert(name, words);
    }
    Ok(commands)
}
