//! What the contract puts into a plugin's environment; nothing else is read from there.
#![expect(clippy::disallowed_methods, reason = "the environment is part of a plugin's contract")]

use std::env;
use std::path::PathBuf;
use std::time::Duration;

use crate::arguments::{BadArgument, refuse_controls};

/// The value of a secret that the handler declares.
pub fn secret(name: &str) -> Result<String, BadArgument> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if name.is_empty() || !name.bytes().all(plain) {
        return Err(BadArgument(format!("'{name}' is no name of a secret (letters, digits and _)")));
    }
    match env::var(format!("SELFSERVICE_SECRET_{name}")) {
        Ok(value) if !value.is_empty() => {
            refuse_controls(&format!("the secret {name}"), &value)?;
            Ok(value)
        }
        _ => Err(BadArgument(format!("the secret {name} is not given: the handler must declare it"))),
    }
}

/// The task's id, or an empty text outside the queue.
pub fn task() -> String {
    env::var("SELFSERVICE_TASK_UUID").unwrap_or_default()
}

/// How long a cancel may take: what the manager gives before it kills, less the time to say how it went. 8 s outside of
/// the queue.
pub fn grace() -> Duration {
    let given = env::var("SELFSERVICE_GRACE").ok().and_then(|text| text.parse::<u64>().ok());
    Duration::from_secs(given.unwrap_or(10).saturating_sub(2).max(1))
}

/// The FIFO that takes progress lines.
pub fn progress() -> Option<PathBuf> {
    env::var_os("SELFSERVICE_PROGRESS").map(PathBuf::from).filter(|path| !path.as_os_str().is_empty())
}
