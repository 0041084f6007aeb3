//! The server, its settings, its clock, and our tables.

use super::Finding;
use chrono::{DateTime, TimeDelta, Utc};
use selfservice_core::db::health::ServerHealth;
use selfservice_core::db::{PgConnection, migrations};

const OLDEST: i32 = 150_000;
/// Clocks that differ by more confuse people who compare times; leases do not depend on them.
const CLOCKS_DIFFER: TimeDelta = TimeDelta::seconds(2);
/// autovacuum begins to hurry at 200,000,000; the server refuses writes at some 2,000,000,000.
const OLD_TRANSACTIONS: i32 = 1_000_000_000;

/// What the server says.
pub fn look(connection: &mut PgConnection) -> anyhow::Result<Vec<Finding>> {
    let before = Utc::now();
    let health = ServerHealth::look(connection)?;
    let mut findings = judge(&health, before, Utc::now());
    if health.version >= OLDEST && !health.read_only {
        findings.push(if migrations::pending(connection)? {
            Finding::failed("tables", "are not up to date", "Run 'tasks migrate'.")
        } else {
            Finding::ok("tables", format!("are up to date, {} MiB", health.bytes / 1_048_576))
        });
    }
    Ok(findings)
}

fn judge(health: &ServerHealth, before: DateTime<Utc>, after: DateTime<Utc>) -> Vec<Finding> {
    let mut findings = vec![version(health)];
    if health.read_only {
        findings.push(Finding::failed(
            "database",
            "takes no writes: it is a standby, or was told so",
            "Let [database] url name the primary; several hosts may stand there, separated by commas.",
        ));
    }
    findings.push(if health.fsync && health.full_page_writes {
        Finding::ok("durability", "what was committed survives a crash of the machine")
    } else {
        let off: Vec<&str> = [("fsync", health.fsync), ("full_page_writes", health.full_page_writes)]
            .into_iter()
            .filter_map(|(name, on)| (!on).then_some(name))
            .collect();
        Finding::failed(
            "durability",
            format!(
                "{} off: a power cut loses acknowledged tasks and can spoil the database",
                off.join(" and ")
            ),
            format!(
                "As a superuser: ALTER SYSTEM SET {} = on; SELECT pg_reload_conf();",
                off.join(" = on; ALTER SYSTEM SET ")
            ),
        )
    });
    if health.encoding != "UTF8" {
        findings.push(Finding::failed(
            "encoding",
            format!("of the database is {}", health.encoding),
            "Make the database anew with --encoding=UTF8 --template=template0, and restore a backup into it.",
        ));
    }
    findings.push(clocks(health.time, before, after));
    let used = i64::from(health.connections) * 100 / i64::from(health.most_connections.max(1));
    if used >= 80 {
        findings.push(Finding::warning(
            "connections",
            format!("{} of {} are in use", health.connections, health.most_connections),
            "Raise max_connections of the server, or lower [database] pool_size.",
        ));
    }
    if health.transaction_age > OLD_TRANSACTIONS {
        findings.push(Finding::warning(
            "vacuum",
            format!("rows are {} transactions old", health.transaction_age),
            "autovacuum does not keep up: end old transactions and prepared ones, then run VACUUM.",
        ));
    }
    findings
}

fn version(health: &ServerHealth) -> Finding {
    let (major, minor) = (health.version / 10_000, health.version % 10_000);
    if health.version < OLDEST {
        return Finding::failed(
            "database",
            format!("PostgreSQL {major} is too old"),
            "Install PostgreSQL 15 or newer.",
        );
    }
    Finding::ok("database", format!("PostgreSQL {major}.{minor}, database '{}'", health.database))
}

/// The server was asked between `before` and `after`.
fn clocks(server: DateTime<Utc>, before: DateTime<Utc>, after: DateTime<Utc>) -> Finding {
    let behind = (before - server).max(server - after);
    if behind <= CLOCKS_DIFFER {
        return Finding::ok("clocks", "this machine and the database agree");
    }
    Finding::warning(
        "clocks",
        format!("this machine and the database differ by {} s", behind.num_seconds()),
        "Let both follow a time server (systemd-timesyncd, chrony).",
    )
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;

    fn health() -> ServerHealth {
        ServerHealth {
            database: "selfservice".to_owned(),
            version: 150_007,
            time: DateTime::UNIX_EPOCH,
            read_only: false,
            fsync: true,
            full_page_writes: true,
            encoding: "UTF8".to_owned(),
            bytes: 0,
            connections: 5,
            most_connections: 100,
            transaction_age: 50,
            tables: 30,
        }
    }

    fn judged(health: &ServerHealth) -> Vec<(&'static str, State)> {
        let at = DateTime::UNIX_EPOCH;
        let findings = judge(health, at, at + TimeDelta::milliseconds(3));
        assert!(findings.iter().all(|finding| finding.mend.is_some() == (finding.state != State::Ok)));
        findings
            .iter()
            .filter(|finding| finding.state != State::Ok)
            .map(|found| (found.about, found.state))
            .collect()
    }

    #[test]
    fn a_sound_server_gives_no_complaint() {
        assert_eq!(judged(&health()), []);
    }

    #[test]
    fn each_thing_that_can_be_wrong_is_told() {
        let wrong = [
            (ServerHealth { version: 140_010, ..health() }, ("database", State::Failed)),
            (ServerHealth { read_only: true, ..health() }, ("database", State::Failed)),
            (ServerHealth { fsync: false, ..health() }, ("durability", State::Failed)),
            (ServerHealth { full_page_writes: false, ..health() }, ("durability", State::Failed)),
            (ServerHealth { encoding: "LATIN1".to_owned(), ..health() }, ("encoding", State::Failed)),
            (ServerHealth { connections: 80, ..health() }, ("connections", State::Warning)),
            (ServerHealth { transaction_age: 1_500_000_000, ..health() }, ("vacuum", State::Warning)),
            (
                ServerHealth { time: DateTime::UNIX_EPOCH + TimeDelta::seconds(9), ..health() },
                ("clocks", State::Warning),
            ),
            (
                ServerHealth { time: DateTime::UNIX_EPOCH - TimeDelta::seconds(9), ..health() },
                ("clocks", State::Warning),
            ),
        ];
        for (health, told) in wrong {
            assert_eq!(judged(&health), [told], "{health:?}");
        }
    }
}
