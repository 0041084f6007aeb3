//! Getting the text of an input, within bounds of size and time.

use super::checked::{Checked, too_large};
use super::whole;
use crate::document::Place;
use crate::problem::Problem;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bundled_plugins::web::{Client, ClientOptions, Request, Rules, url::is_loopback};
use nix::fcntl::OFlag;
use plugin_runner::{Bounds, run_bounded};
use selfservice_core::config::{LoadSettings, MacroFile};
use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Cursor, Read, Seek};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// So much of an input is looked at to tell what it is.
const BEGINNING: u64 = 4096;
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// What can be read more than once.
pub(super) trait Content: Read + Seek {}

impl<T: Read + Seek> Content for T {}

/// An input that is there, and what it is called in complaints.
pub(super) struct Fetched {
    pub place: Place,
    input: Box<dyn Content>,
    limit: u64,
}

impl Fetched {
    /// Its first characters that are no white space.
    pub fn beginning(&mut self) -> Result<String, Problem> {
        let mut bytes = Vec::new();
        self.rewound(|input| input.take(BEGINNING).read_to_end(&mut bytes))?;
        Ok(String::from_utf8_lossy(&bytes).trim_start_matches('\u{feff}').trim_start().to_owned())
    }

    /// Whether `word` stands anywhere in it.
    pub fn mentions(&mut self, word: &str) -> Result<bool, Problem> {
        let limit = self.limit;
        self.rewound(|input| {
            let mut window = Vec::new();
            let mut input = input.take(limit);
            loop {
                let kept = window.split_off(window.len().saturating_sub(word.len()));
                window = kept;
                if (&mut input).take(BEGINNING).read_to_end(&mut window)? == 0 {
                    return Ok(false);
                }
                if window.windows(word.len()).any(|part| part == word.as_bytes()) {
                    return Ok(true);
                }
            }
        })
    }

    /// All of it.
    pub fn text(&mut self) -> Result<String, Problem> {
        let mut text = String::new();
        self.read(|_, input| {
            // What goes wrong, `Checked` tells.
            let _ = input.read_to_string(&mut text);
            Ok(())
        })?;
        Ok(text)
    }

    /// Lets `parse` read it piece by piece.
    pub fn read(
        &mut self,
        parse: impl FnOnce(&Place, &mut BufReader<&mut Checked<&mut Box<dyn Content>>>) -> Result<(), Problem>,
    ) -> Result<(), Problem> {
        let marked = self.rewound(|input| {
            let mut bytes = Vec::new();
            input.take(BYTE_ORDER_MARK.len() as u64).read_to_end(&mut bytes)?;
            Ok(bytes == BYTE_ORDER_MARK)
        })?;
        if !marked {
            self.rewound(|_| Ok(()))?;
        }
        let mut checked = Checked::new(&mut self.input, self.place.clone(), self.limit);
        let parsed = parse(&self.place, &mut BufReader::with_capacity(64 * 1024, &mut checked));
        checked.trouble().map_or(parsed, Err)
    }

    fn rewound<T>(&mut self, read: impl FnOnce(&mut dyn Content) -> io::Result<T>) -> Result<T, Problem> {
        let input = self.input.as_mut();
        input.rewind().and_then(|()| read(input)).map_err(|error| unreadable(&self.place, &error))
    }
}

fn unreadable(place: &Place, error: &io::Error) -> Problem {
    Problem::new(place, format!("cannot be read: {error}"))
}

/// Opens a file: a regular one, so that no device and no pipe keeps us.
pub(super) fn file(settings: &LoadSettings, path: &Path) -> Result<Fetched, Problem> {
    let place = Place { file: path.into(), line: 0, entry: None };
    let file = open(path).map_err(|error| unreadable(&place, &error))?;
    Ok(Fetched { place, input: Box::new(file), limit: settings.max_bytes })
}

fn open(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("it is no regular file")) }
}

/// Asks a server for an inventory.
pub(super) fn url(settings: &LoadSettings, macros: &MacroFile, url: &str) -> Result<Fetched, Problem> {
    let place = whole(&without_user(url));
    let asked = client(settings, url, None).and_then(|client| {
        let mut request = Request::new("GET", url);
        if let Some(authorization) = authorization(settings, macros, url)? {
            request = request.header("authorization", authorization);
        }
        answer(&client, settings, request)
    });
    let text = asked.map_err(|why| Problem::new(&place, why))?;
    Ok(held(place, text.into_bytes()))
}

/// Answers are bounded already.
fn held(place: Place, bytes: Vec<u8>) -> Fetched {
    let limit = bytes.len() as u64;
    Fetched { place, input: Box::new(Cursor::new(bytes)), limit }
}

/// The part of an address in which the host stands, and perhaps a user, and what stands before and behind it.
fn authority(url: &str) -> (&str, &str, &str) {
    let start = url.find("://").map_or(0, |at| at + "://".len());
    let end = url.get(start..).and_then(|rest| rest.find(['/', '?', '#'])).map_or(url.len(), |at| start + at);
    let part = |range: std::ops::Range<usize>| url.get(range).unwrap_or_default();
    (part(0..start), part(start..end), part(end..url.len()))
}

/// The address as it may stand in complaints: a password in it is nobody's business.
pub(super) fn without_user(url: &str) -> String {
    let (before, authority, behind) = authority(url);
    let host = authority.rsplit('@').next().unwrap_or_default();
    format!("{before}{host}{behind}")
}

/// What proves to the host of the address who asks, where `[load_secrets]` names a secret for it.
fn authorization(settings: &LoadSettings, macros: &MacroFile, url: &str) -> Result<Option<String>, String> {
    let (_, authority, _) = authority(url);
    let host = match authority.strip_prefix('[') {
        Some(address) => address.split(']').next(),
        None => authority.split(':').next(),
    };
    let Some(name) = settings.secrets.get(&host.unwrap_or_default().to_ascii_lowercase()) else {
        return Ok(None);
    };
    if !url.starts_with("https://") && !is_loopback(url) {
        return Err("gets its secret of [load_secrets] over https only".to_owned());
    }
    let secret = macros.secrets.get(name).ok_or_else(|| {
        format!("the secret '{name}' of [load_secrets] does not stand under [secrets] in macros.ini")
    })?;
    let secret = secret.expose();
    let is_password = secret.contains(':');
    Ok(Some(if is_password {
        format!("Basic {}", STANDARD.encode(secret))
    } else {
        format!("Bearer {secret}")
    }))
}

/// Who asks a server: over https, or over http on this machine. `ca_file` names authorities to trust instead of those
/// of `[loads]`. The error is a sentence about the server.
pub(super) fn client(
    settings: &LoadSettings,
    url: &str,
    ca_file: Option<&PathBuf>,
) -> Result<Client, String> {
    if authority(url).1.contains('@') {
        let why = "holds a user or a password, which would stand in lists of processes and in the audit log: name a \
                   secret of macros.ini for the host instead ([load_secrets], [influxdata] secret)";
        return Err(why.to_owned());
    }
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
    Ok(held(place, bytes))
}
