//! What this machine has: files and their rights, plugins, the launcher, room on its disks.

use super::Finding;
use crate::runs::registry;
use nix::sys::statvfs::statvfs;
use selfservice_core::config::Settings;
use std::fs;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::Path;

/// A disk that is fuller gives a warning ...
const FULL_WARNING: u64 = 85;
/// ... and a failure.
const FULL_FAILED: u64 = 95;
const BY_OTHERS: u32 = 0o007;
const WRITTEN_BY_GROUP_OR_OTHERS: u32 = 0o022;

/// What can be seen without the database.
pub fn look(settings: &Settings) -> Vec<Finding> {
    let mut findings = vec![Finding::ok("settings", format!("{} is understood", settings.path.display()))];
    findings.push(macros(settings));
    findings.extend(programs(settings));
    findings.push(plugins(settings));
    findings.push(launcher(settings));
    findings.push(spool(&settings.manager.spool_directory));
    findings.extend(keys(&settings.ssh.directory));
    findings.extend(disks(settings));
    findings
}

fn macros(settings: &Settings) -> Finding {
    match settings.macro_file() {
        Ok(file) => Finding::ok(
            "macros",
            format!("{} is understood, {} secrets", settings.macros.display(), file.secrets.len()),
        ),
        Err(error) => Finding::failed("macros", error.to_string(), "Mend the file as the sentence says."),
    }
}

/// In an installed tree nobody but root may change what runs.
fn programs(settings: &Settings) -> Option<Finding> {
    if !settings.plugins.installed {
        return None;
    }
    let own = std::env::current_exe().ok()?;
    let tree = own.parent()?.parent()?;
    let loose: Vec<String> = [tree.to_owned(), tree.join("bin"), tree.join("sbin"), own.clone()]
        .iter()
        .filter(|path| {
            path.metadata()
                .is_ok_and(|about| about.uid() != 0 || about.mode() & WRITTEN_BY_GROUP_OR_OTHERS != 0)
        })
        .map(|path| path.display().to_string())
        .collect();
    Some(if loose.is_empty() {
        Finding::ok("programs", format!("only root can change what is in {}", tree.display()))
    } else {
        Finding::warning(
            "programs",
            format!("others than root can change {}", loose.join(", ")),
            format!("chown root: {0}; chmod go-w {0}", loose.join(" ")),
        )
    })
}

fn plugins(settings: &Settings) -> Finding {
    let survey = registry(&settings.plugins).survey();
    let usable = survey.iter().filter(|(_, found)| found.is_ok()).count();
    let problems: Vec<String> =
        survey.iter().filter_map(|(_, found)| found.as_ref().err().map(ToString::to_string)).collect();
    match (usable, problems.first()) {
        (0, _) => Finding::failed(
            "plugins",
            "none can be used",
            "Let [plugins] directories name where they are; 'tasks plugin list' says what is wrong with each.",
        ),
        (_, None) => Finding::ok("plugins", format!("{usable} can be used")),
        (_, Some(first)) => Finding::warning(
            "plugins",
            format!("{usable} can be used, {} cannot; {first}", problems.len()),
            "'tasks plugin list' says what is wrong with each.",
        ),
    }
}

fn launcher(settings: &Settings) -> Finding {
    let plugins = &settings.plugins;
    let Some(socket) = &plugins.launcher_socket else {
        return match plugins.launcher.metadata() {
            Ok(about) if about.mode() & 0o111 != 0 => {
                Finding::ok("launcher", format!("each manager starts {}", plugins.launcher.display()))
            }
            _ => Finding::failed(
                "launcher",
                format!("{} is not there, or cannot be executed", plugins.launcher.display()),
                "Install it, or put its path into [plugins] launcher.",
            ),
        };
    };
    match plugin_runner::Launcher::connect(socket) {
        Ok(_) => Finding::ok("launcher", format!("answers at {}", socket.display())),
        Err(error) if socket.metadata().is_ok_and(|about| about.file_type().is_socket()) => Finding::failed(
            "launcher",
            format!("at {} does not take this user: {error}", socket.display()),
            "Run this as the service's user or as root; start the launcher again where it is gone: systemctl restart \
             selfservice-launcher.",
        ),
        Err(_) => Finding::failed(
            "launcher",
            format!("nobody listens at {}", socket.display()),
            "Start it: systemctl start selfservice-launcher. No action runs before.",
        ),
    }
}

fn spool(directory: &Path) -> Finding {
    let place = directory.display();
    match directory.metadata() {
        Err(_) => Finding::warning(
            "spool",
            format!("{place} is not there; the manager makes it if it may"),
            format!("install -d -o selfservice -g selfservice -m 700 {place}"),
        ),
        Ok(about) if about.mode() & 0o077 != 0 => Finding::failed(
            "spool",
            format!(
                "others may look into {place} (mode {:04o}); the manager refuses that",
                about.mode() & 0o7777
            ),
            format!("chmod 700 {place}"),
        ),
        Ok(_) => {
            let waiting = fs::read_dir(directory).map_or(0, |entries| entries.flatten().count());
            Finding::ok("spool", format!("{place} is closed to others, {waiting} entries"))
        }
    }
}

/// Private keys that others may read; `None` where there is no directory for them.
fn keys(directory: &Path) -> Option<Finding> {
    let entries = fs::read_dir(directory).ok()?.flatten();
    let open: Vec<String> = entries
        .filter(|entry| entry.path().extension().is_none_or(|ending| ending != "pub"))
        .filter(|entry| {
            let secret = fs::read(entry.path()).is_ok_and(|text| text.starts_with(b"-----BEGIN"));
            secret && entry.metadata().is_ok_and(|about| about.mode() & BY_OTHERS != 0)
        })
        .map(|entry| entry.path().display().to_string())
        .collect();
    Some(if open.is_empty() {
        Finding::ok("keys", format!("{} holds none that others may read", directory.display()))
    } else {
        Finding::failed(
            "keys",
            format!("everybody on this machine may read {}", open.join(", ")),
            format!("chmod o= {}", open.join(" ")),
        )
    })
}

fn disks(settings: &Settings) -> Vec<Finding> {
    let places = [
        Some(settings.manager.spool_directory.as_path()),
        settings.plugins.work_directory.as_deref(),
        Some(Path::new("/tmp")),
    ];
    let mut seen = Vec::new();
    let places = places.into_iter().flatten().filter(|place| {
        let device = place.metadata().map(|about| about.dev()).ok();
        let first = device.is_some_and(|device| !seen.contains(&device));
        seen.extend(device);
        first
    });
    places.filter_map(disk).collect()
}

fn disk(place: &Path) -> Option<Finding> {
    let room = statvfs(place).ok()?;
    let (all, free) = (room.blocks(), room.blocks_available());
    Some(judge_disk(place, 100 - (free * 100).checked_div(all.max(1))?))
}

fn judge_disk(place: &Path, full: u64) -> Finding {
    let text = format!("of {} is {full} % full", place.display());
    let mend = "Make room, or let [manager] spool_directory and [plugins] work_directory be elsewhere.";
    match full {
        FULL_FAILED.. => Finding::failed("disk", text, mend),
        FULL_WARNING.. => Finding::warning("disk", text, mend),
        _ => Finding::ok("disk", text),
    }
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;

    #[test]
    fn a_disk_that_fills_is_told_of() {
        for (full, state) in
            [(84, State::Ok), (85, State::Warning), (94, State::Warning), (95, State::Failed)]
        {
            assert_eq!(judge_disk(Path::new("/"), full).state, state, "{full} %");
        }
    }
}
