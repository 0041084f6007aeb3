//! How long a line that `ssh.sh` brings from another machine takes into the popup, and how long a cancel takes there.
//! The other machine is this one, with an OpenSSH server of its own.

use crate::http::Http;
use crate::output::{events, readings};
use crate::report::{Reading, Report};
use crate::world::{Handler, World, set_mode, until};
use anyhow::{Context as _, ensure};
use selfservice_core::db::DbError;
use selfservice_core::models::logs::Chunk;
use serde_json::json;
use std::fs;
use std::path::Path;
use std::time::Instant;
use test_support::sshd::Sshd;

/// The bundled plugins, where the source is.
const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../plugins");

/// `remote_line_to_popup`: one task prints 200 lines a second on the other machine.
pub fn lines(world: &World, report: &mut Report, rounds: usize) -> anyhow::Result<()> {
    let server = Sshd::start()?;
    let witness = world.plugins().join("bench_witness").display().to_string();
    prepare(world, &server, &[&witness, "lines", "5", "1000"])?;
    let _manager = world.manager(4)?;
    let (_web, address) = world.web()?;
    let http = Http::new(address, &world.token()?)?;
    report.rounds(rounds, || {
        let tasks = world.queue(Handler::Remote, 1..2)?;
        let task = *tasks.first().context("nothing was queued")?;
        until("it prints", || {
            let query = "SELECT count(*) AS count FROM tasks WHERE state = 'running' AND output_bytes > 0";
            Ok(world.count(query)? == 1)
        })?;
        let delays = events(&http, task)?;
        world.drained()?;
        Ok(readings("remote_line_to_popup", "remote_line_to_popup_p90", &delays))
    })
}

/// From sending the cancel until the command's processes are gone and the result is stored: of a command that obeys
/// SIGTERM, and of one that must be killed after `grace_seconds`, which is 1 here.
pub fn cancels(world: &World, report: &mut Report, rounds: usize) -> anyhow::Result<()> {
    let server = Sshd::start()?;
    let _manager = world.manager(4)?;
    let (_web, address) = world.web()?;
    let http = Http::new(address, &world.token()?)?;
    for (name, trap) in [("cancel_remote", ""), ("cancel_remote_stubborn", "trap '' TERM; ")] {
        // "$$" is a dollar sign in a handler's arguments.
        let script = format!("{trap}sleep 600 & echo $$$$ $$!; wait; wait");
        prepare(world, &server, &["sh", "-c", &script])?;
        report.rounds(rounds, || {
            let tasks = world.queue(Handler::Remote, 1..2)?;
            let task = *tasks.first().context("nothing was queued")?;
            let mut said = String::new();
            until("it prints", || {
                let chunks =
                    world.pool.run::<_, DbError>(|connection| Ok(Chunk::after(connection, task, 0, 1)?))?;
                said = chunks.iter().map(|chunk| String::from_utf8_lossy(&chunk.bytes)).collect();
                Ok(said.ends_with('\n'))
            })?;
            let lives = |id: &str| Path::new("/proc").join(id).exists();
            ensure!(
                said.split_whitespace().count() == 2 && said.split_whitespace().all(lives),
                "it said {said:?}"
            );
            let from = Instant::now();
            http.post(&format!("/api/v1/tasks/{task}/cancel"), &json!({}))?;
            until("its processes are gone", || Ok(!said.split_whitespace().any(lives)))?;
            world.drained()?;
            Ok(vec![Reading::new(name, "s", from.elapsed().as_secs_f64(), None)])
        })?;
    }
    Ok(())
}

/// Puts `ssh.sh` among the plugins, and its keys where the user who runs plugins can read them; the handler runs
/// `command` there.
fn prepare(world: &World, server: &Sshd, command: &[&str]) -> anyhow::Result<()> {
    for name in ["ssh.sh", "ssh_remote.sh", "lib.sh"] {
        let target = world.plugins().join(name);
        fs::copy(Path::new(SOURCE).join(name), &target).with_context(|| format!("while copying {name}"))?;
        set_mode(&target, 0o755)?;
    }
    let (identity, known_hosts) = (world.path("identity"), world.path("known_hosts"));
    fs::copy(&server.identity, &identity)?;
    // ssh.sh looks for the key under the name of the task's host.
    let key = fs::read_to_string(&server.known_hosts)?;
    let key = key.split_once(' ').context("the server's key has no name")?.1;
    fs::write(&known_hosts, format!("host-1 {key}"))?;
    // ssh refuses a key that others can read only where it is its own user's.
    set_mode(&identity, 0o644)?;
    set_mode(&known_hosts, 0o644)?;
    let user = nix::unistd::User::from_uid(nix::unistd::geteuid())?.context("we have no name")?.name;
    let [identity, known_hosts] = [identity, known_hosts].map(|path| path.display().to_string());
    let connection = ["--host", "127.0.0.1", "--port", &server.port.to_string(), "--user", &user];
    let keys = ["--identity", &identity, "--known-hosts", &known_hosts];
    let arguments = [&connection[..], &keys, &["--"], command].concat();
    world.set_arguments(Handler::Remote, &arguments)
}
