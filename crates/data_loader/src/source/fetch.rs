//! Getting the text of an input, within bounds of size and time.

use super::whole;
use crate::document::Place;
use crate::problem::Problem;
use bundled_plugins::web::{Client, ClientOptions, Request, Rules, url::is_loopback};
use nix::fcntl::OFlag;
use plugin_runner::{Bounds, run_bounded};
use selfservice_core::config::LoadSettings;
use std::fs::OpenOptions;
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// A text and what it is called in complaints.
#[derive(Debug)]
pub(super) struct Fetched {
    pub place: Place,
    pub text: String,
}

/// Reads a file: a regular one, so that no device and no pipe keeps us.
pub(super) fn file(settings: &LoadSettings, path: &Path) -> Result<Fetched, Problem> {
    let place = Place { file: path.into(), line: 0, entry: None };
    let bytes = read(path, settings.max_bytes)
        .map_err(|error| Problem::new(&place, format!("cannot be read: {error}")))?;
    as_text(place, bytes)
}

fn read(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let file = OpenOptions::new().read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 <= limit { Ok(bytes) } else { Err(io::Error::other(too_large("it is", limit))) }
}

/// Asks a server for an inventory.
pub(super) fn url(settings: &LoadSettings, url: &str) -> Result<Fetched, Problem> {
    let place = whole(url);
    let asked =
        client(settings, url, None).and_then(|client| answer(&client, settings, Request::new("GET", url)));
    let text = asked.map_err(|why| Problem::new(&place, why))?;
    Ok(Fetched { place, text })
}

/// Who asks a server: over https, or over http on this machine. `ca_file` names authorities to trust instead of those
/// of `[loads]`. The error is a sentence about the server.
pub(super) fn client(
    settings: &LoadSettings,
    url: &str,
    ca_file: Option<&PathBuf>,
) -> Result<Client, String> {
    if !url.starts_with("https://") && !settings.plain_http && !is_loopback(url) {
        let why = "is asked over https only: anybody on the way could change the answer ([loads] plain_http allows it)";
        return Err(why.to_owned());
    }
    Client::new(ClientOptions {
        timeout: settings.timeout,
        ca_file: ca_file.or(settings.ca_file.as_ref()).cloned(),
        networks: Rules::any(),
        tls: url.starts_with("https://"),
        ..ClientOptions::default()
    })
}

/// What the server answers itself, without following it elsewhere. The error is a sentence about the server.
pub(super) fn answer(client: &Client, settings: &LoadSettings, request: Request) -> Result<String, String> {
    let request = request.header("accept", "application/json");
    let mut reply = client.send(&request).map_err(|trouble| trouble.to_string())?;
    let (bytes, more) = reply.read(settings.max_bytes).map_err(|trouble| trouble.to_string())?;
    if more {
        return Err(too_large("the answer is", settings.max_bytes));
    }
    if reply.status != 200 {
        let said: String = String::from_utf8_lossy(&bytes).chars().take(200).collect();
        return Err(format!("answered with the status {}: {}", reply.status, said.trim().escape_debug()));
    }
    String::from_utf8(bytes).map_err(|_| "the answer is not UTF-8 text".to_owned())
}

/// Runs a program of `[load_commands]`.
pub(super) fn command(settings: &LoadSettings, name: &str) -> Result<Fetched, Problem> {
    let place = whole(&format!("command:{name}"));
    let problem = |why: String| Problem::new(&place, why);
    let argv = settings.commands.get(name).ok_or_else(|| {
        let known: Vec<&str> = settings.commands.keys().map(String::as_str).collect();
        problem(format!("there is no such line in [load_commands]; there are: {}", known.join(", ")))
    })?;
    let bounds = Bounds { timeout: settings.timeout, max_bytes: settings.max_bytes };
    let bytes = run_bounded(argv, bounds).map_err(|error| problem(error.to_string()))?;
    as_text(place, bytes)
}

fn too_large(what: &str, limit: u64) -> String {
    format!("{what} larger than {} MiB ([loads] max_mib)", limit / 1024 / 1024)
}

fn as_text(place: Place, bytes: Vec<u8>) -> Result<Fetched, Problem> {
    match String::from_utf8(bytes) {
        Ok(mut text) => {
            if text.starts_with('\u{feff}') {
                text.drain(..'\u{feff}'.len_utf8());
            }
            Ok(Fetched { place, text })
        }
        Err(error) => {
            let before = error.as_bytes().get(..error.utf8_error().valid_up_to()).unwrap_or_default();
            let lines = before.split(|byte| *byte == b'\n').count();
            Err(Problem::new(&Place { line: lines as u64, ..place }, "is not UTF-8 text"))
        }
    }
}
