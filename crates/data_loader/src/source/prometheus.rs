//! What Prometheus watches: the targets of a configuration (`static_configs` and `file_sd_configs`), and lists of
//! targets with labels as `file_sd` files and `http_sd` answers have them.
//!
//! A target's host becomes a host, a job a service on it, and labels become variables.

use super::Reader;
use super::foreign::{Gathered, add, is_secret, is_variable, set_variable};
use crate::document::Place;
use crate::problem::Problem;
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What of a configuration is of interest; the rest may be anything.
#[derive(Deserialize)]
struct Configuration {
    #[serde(default)]
    scrape_configs: Vec<Job>,
}

#[derive(Deserialize)]
struct Job {
    job_name: String,
    #[serde(default)]
    static_configs: Vec<Targets>,
    #[serde(default)]
    file_sd_configs: Vec<Files>,
    #[serde(default)]
    relabel_configs: Vec<IgnoredAny>,
}

#[derive(Deserialize)]
struct Files {
    #[serde(default)]
    files: Vec<String>,
}

/// Targets with the labels that they have in common.
#[derive(Deserialize)]
struct Targets {
    #[serde(default)]
    targets: Vec<String>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
}

/// Reads a configuration or a list of targets, in YAML or JSON. Only a configuration that is a file (`is_file`) may name
/// other files to read.
pub(super) fn parse(
    reader: &Reader<'_>,
    whole: &Place,
    is_file: bool,
    text: &str,
    to: &mut Gathered,
) -> Result<(), Problem> {
    if is_list(text) {
        let lists: Vec<Targets> = super::yaml::read(whole, text)?;
        lists.iter().for_each(|list| gather(None, list, whole, to));
        return Ok(());
    }
    let configuration: Configuration = super::yaml::read(whole, text)?;
    if !is_file && configuration.scrape_configs.iter().any(|job| !job.file_sd_configs.is_empty()) {
        let why = "has file_sd_configs: which files of this machine are read, only a file says; name them as inputs";
        return Err(Problem::new(whole, why));
    }
    configuration.scrape_configs.iter().try_for_each(|job| read_job(reader, job, whole, to))
}

fn is_list(text: &str) -> bool {
    let lines = text.lines().map(str::trim_start);
    let mut said =
        lines.filter(|line| !line.is_empty() && !line.starts_with('#') && !line.starts_with("---"));
    said.next().is_some_and(|line| line.starts_with(['-', '[']))
}

fn read_job(reader: &Reader<'_>, job: &Job, whole: &Place, to: &mut Gathered) -> Result<(), Problem> {
    if !job.relabel_configs.is_empty() {
        let job = job.job_name.escape_debug();
        to.warn(whole, format!("the relabel_configs of the job '{job}' are not applied: its hosts are its targets as they are written"));
    }
    job.static_configs.iter().for_each(|list| gather(Some(&job.job_name), list, whole, to));
    for pattern in job.file_sd_configs.iter().flat_map(|files| &files.files) {
        for path in matching(&whole.file, pattern).map_err(|why| Problem::new(whole, why))? {
            let mut fetched = reader.fetch_file(&path)?;
            let text = fetched.text()?;
            let lists: Vec<Targets> = super::yaml::read(&fetched.place, &text)?;
            lists.iter().for_each(|list| gather(Some(&job.job_name), list, &fetched.place, to));
        }
    }
    Ok(())
}

/// The files of a pattern, which is relative to the configuration and may have one star in its last part.
fn matching(configuration: &Path, pattern: &str) -> Result<Vec<PathBuf>, String> {
    let path = configuration.parent().unwrap_or(Path::new("")).join(pattern);
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let Some((start, end)) = name.split_once('*') else { return Ok(vec![path]) };
    let directory = path.parent().unwrap_or(Path::new("."));
    let entries = std::fs::read_dir(directory).map_err(|error| {
        format!("the directory {} of file_sd cannot be read: {error}", directory.display())
    })?;
    let fits =
        |name: &str| name.len() >= start.len() + end.len() && name.starts_with(start) && name.ends_with(end);
    let mut found: Vec<PathBuf> = entries
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(|path| path.file_name().and_then(|name| name.to_str()).is_some_and(fits))
        .collect();
    found.sort();
    Ok(found)
}

fn gather(job: Option<&str>, list: &Targets, place: &Place, to: &mut Gathered) {
    let job = list.labels.get("job").map(String::as_str).or(job);
    for target in &list.targets {
        let Some(name) = host_of(target) else {
            to.warn(place, format!("the target '{}' names no host", target.escape_debug()));
            continue;
        };
        let host = to.host(name, place);
        host.address.get_or_insert_with(|| name.to_owned());
        let labels = list.labels.iter().filter(|(label, _)| {
            !label.starts_with("__") && *label != "job" && is_variable(label) && !is_secret(label)
        });
        host.vars.get_or_insert_default();
        for (label, value) in labels {
            set_variable(&mut host.vars, label, value.clone());
        }
        host.services.get_or_insert_default();
        if let Some(job) = job {
            add(&mut host.services, job);
            to.service(job, place);
        }
    }
}

/// `host`, `host:port`, `[::1]:port`, or the host of an address such as those that black box probes have.
fn host_of(target: &str) -> Option<&str> {
    let target = target.split_once("://").map_or(target, |(_, rest)| rest);
    let authority = target.split(['/', '?']).next().unwrap_or_default();
    let authority = authority.rsplit('@').next().unwrap_or_default();
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?.0,
        // More than one colon: an address of IPv6 without brackets.
        None if authority.matches(':').count() > 1 => authority,
        None => authority.split(':').next().unwrap_or_default(),
    };
    (!host.is_empty()).then_some(host)
}

#[cfg(test)]
mod tests {
    use super::host_of;

    #[test]
    fn the_host_of_a_target_is_found_in_every_form() {
        for (target, host) in [
            ("localhost:9090", Some("localhost")),
            ("web-1", Some("web-1")),
            ("[2001:db8::1]:9100", Some("2001:db8::1")),
            ("2001:db8::1", Some("2001:db8::1")),
            ("https://example.com:8443/health?x=1", Some("example.com")),
            ("http://user@example.com/", Some("example.com")),
            (":9100", None),
            ("", None),
        ] {
            assert_eq!(host_of(target), host, "{target}");
        }
    }
}
