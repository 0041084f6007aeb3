//! How long a line that `ssh.sh` brings from another machine takes into the popup. The other machine is this one, with an
//! OpenSSH server of its own.

use crate::http::Http;
use crate::output::{events, readings};
use crate::report::Report;
use crate::world::{Handler, World, set_mode, until};
use anyhow::Context as _;
use std::fs;
use std::path::Path;
use test_support::sshd::Sshd;

/// The bundled plugins, where the source is.
const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../plugins");

/// `remote_line_to_popup`: one task prints 200 lines a second on the other machine.
pub fn lines(world: &World, report: &mut Report, rounds: usize) -> anyhow::Result<()> {
    let server = Sshd::start()?;
    prepare(world, &server)?;
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

/// Puts `ssh.sh` among the plugins, and its keys where the user who runs plugins can read them.
fn prepare(world: &World, server: &Sshd) -> anyhow::Result<()> {
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
    let [identity, known_hosts, witness] =
        [identity, known_hosts, world.plugins().join("bench_witness")].map(|path| path.display().to_string());
    let connection = ["--host", "127.0.0.1", "--port", &server.port.to_string(), "--user", &user];
    let keys = ["--identity", &identity, "--known-hosts", &known_hosts];
    let arguments = [&connection[..], &keys, &["--", &witness, "lines", "5", "1000"]].concat();
    world.set_arguments(Handler::Remote, &arguments)
}
