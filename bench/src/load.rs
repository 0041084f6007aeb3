//! How long a large inventory takes to load into an empty database, and once more when nothing has changed.

use crate::report::{Reading, Report};
use crate::world::{World, program, set_mode};
use anyhow::{Context as _, ensure};
use diesel::connection::SimpleConnection as _;
use selfservice_core::config::DatabaseSettings;
use selfservice_core::db::Pool;
use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const HOSTS: u32 = 100_000;
const SERVICES: u32 = 50;
/// Services of each host.
const OF_HOST: u32 = 10;
const LOOK: Duration = Duration::from_millis(20);

/// The rows that the load writes, ready to be copied.
const ROWS: &str = "
    CREATE UNLOGGED TABLE rows_hosts AS SELECT n::bigint AS id, 'host-' || n AS name, '10.' || n / 65536 || '.' || n / 256 % 256
        || '.' || n % 256 AS address FROM generate_series(0, 99999) n;
    CREATE UNLOGGED TABLE rows_members AS SELECT n::bigint AS hosts_id, ((n + s * 5) % 50 + 1)::bigint AS services_id
        FROM generate_series(0, 99999) n, generate_series(0, 9) s;
    INSERT INTO environments (id, name, name_key) VALUES (1, 'production', 'production');
    INSERT INTO services (id, name, name_key) SELECT n + 1, 'service-' || n, 'service-' || n FROM generate_series(0, 49) n;
    ANALYZE";
const COPIED: &str = "BEGIN;
    INSERT INTO hosts (id, name, name_key, address) SELECT id, name, name, address FROM rows_hosts;
    INSERT INTO environments_members (environments_id, hosts_id) SELECT 1, id FROM rows_hosts;
    INSERT INTO services_members (hosts_id, services_id, direct) SELECT hosts_id, services_id, true FROM rows_members;
    COMMIT";

/// `load_100k`, `load_100k_again`, `load_100k_rss`.
pub fn load(world: &World, report: &mut Report, rounds: usize) -> anyhow::Result<()> {
    let file = world.path("inventory.yaml");
    write_inventory(&file)?;
    let mut round = 0;
    report.rounds(rounds, || {
        round += 1;
        let copied = copied(world, round)?;
        let database = world.database(&format!("load_{round}"))?;
        let settings = settings(world, &database)?;
        let (first, memory) = run(&settings, &file)?;
        let (again, more_memory) = run(&settings, &file)?;
        world.drop_database(&format!("load_{round}"))?;
        Ok(vec![
            Reading::new("load_100k", "s", first, Some(copied)),
            Reading::new("load_100k_again", "s", again, Some(copied)),
            Reading::new("load_100k_rss", "MiB", memory.max(more_memory), None),
        ])
    })
}

/// Seconds that `INSERT ... SELECT` of the same rows takes.
fn copied(world: &World, round: u32) -> anyhow::Result<f64> {
    let name = format!("copied_{round}");
    let pool = Pool::new(&DatabaseSettings::for_url(&world.database(&name)?).for_long_work(), "bench");
    let seconds = {
        let mut connection = pool.get()?;
        connection.batch_execute("SET statement_timeout = 0")?;
        connection.batch_execute(ROWS)?;
        let begin = Instant::now();
        connection.batch_execute(COPIED)?;
        begin.elapsed().as_secs_f64()
    };
    drop(pool);
    world.drop_database(&name)?;
    Ok(seconds)
}

fn write_inventory(path: &Path) -> anyhow::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    writeln!(file, "environments: [{{name: production}}]\nservices:")?;
    for service in 0..SERVICES {
        writeln!(file, " - name: service-{service}")?;
    }
    writeln!(file, "hosts:")?;
    for host in 0..HOSTS {
        let services: Vec<String> =
            (0..OF_HOST).map(|service| format!("service-{}", (host + service * 5) % SERVICES)).collect();
        writeln!(
            file,
            " - name: host-{host}\n   address: 10.{}.{}.{}\n   environments: {{production: }}\n   services: [{}]",
            host / 65536,
            host / 256 % 256,
            host % 256,
            services.join(", ")
        )?;
    }
    Ok(file.flush()?)
}

fn settings(world: &World, database: &str) -> anyhow::Result<PathBuf> {
    let (path, macros) = (world.path("load.ini"), world.path("macros-of-load.ini"));
    fs::write(&macros, "")?;
    fs::write(&path, format!("[database]\nurl = {database}\n[files]\nmacros = {}\n", macros.display()))?;
    set_mode(&path, 0o600)?;
    Ok(path)
}

/// Seconds from start to end, and the most memory in MiB.
fn run(settings: &Path, file: &Path) -> anyhow::Result<(f64, f64)> {
    #[expect(clippy::disallowed_methods, reason = "the program that is measured")]
    let mut child = Command::new(program("data_loader")?)
        .arg("--settings")
        .arg(settings)
        .arg("apply")
        .arg(file)
        .stdout(Stdio::null())
        .spawn()
        .context("while starting data_loader")?;
    let begin = Instant::now();
    let mut most = 0.0_f64;
    loop {
        if let Some(status) = child.try_wait()? {
            ensure!(status.success(), "data_loader: {status}");
            return Ok((begin.elapsed().as_secs_f64(), most));
        }
        most = most.max(peak(child.id()).unwrap_or(most));
        std::thread::sleep(LOOK);
    }
}

/// The most memory that the process has had so far, in MiB.
fn peak(id: u32) -> Option<f64> {
    let status = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: f64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kib / 1024.0)
}
