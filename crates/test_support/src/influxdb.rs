//! A real InfluxDB 1.x on a free loopback port. It ends with its value, and by the kernel when the test's process ends
//! without dropping it.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;
use supervisor::TemporaryDirectory;
use supervisor::process::{GuardedChild, ProcessSpec};

use crate::FreePort;
use crate::eventually;

const SERVER: &str = "/usr/bin/influxd";
const LIMIT: Duration = Duration::from_secs(60);

/// A running server without users.
pub struct InfluxDb {
    server: GuardedChild,
    port: FreePort,
    _rpc_port: FreePort,
    _directory: TemporaryDirectory,
}

impl InfluxDb {
    /// # Panics
    /// With a sentence where InfluxDB is not installed, or does not start.
    pub fn start() -> Self {
        Self::try_start().unwrap_or_else(|error| panic!("no InfluxDB: {error:#}"))
    }

    fn try_start() -> Result<Self> {
        ensure!(
            Path::new(SERVER).exists(),
            "{SERVER} is missing: install the package influxdb (`make test` does)"
        );
        let directory = TemporaryDirectory::create(None)?;
        let (port, rpc_port) = (FreePort::claim(), FreePort::claim());
        let base = directory.path().display();
        let configuration = format!(
            "reporting-disabled = true\nbind-address = \"{}\"\n\
             [meta]\ndir = \"{base}/meta\"\n\
             [data]\ndir = \"{base}/data\"\nwal-dir = \"{base}/wal\"\nindex-version = \"tsi1\"\n\
             [monitor]\nstore-enabled = false\n\
             [http]\nbind-address = \"{}\"\nlog-enabled = false\n",
            rpc_port.address(),
            port.address()
        );
        let file = directory.path().join("influxdb.conf");
        fs::write(&file, configuration)?;
        let log = File::create(directory.path().join("influxdb.log"))?;
        let server = ProcessSpec::new(SERVER)
            .args(["run", "-config"])
            .arg(file.display().to_string())
            .env("HOME", directory.path().display().to_string())
            .death_signal(Signal::SIGKILL)
            .spawn(&log)
            .context("while starting influxd")?;
        let started = Self { server, port, _rpc_port: rpc_port, _directory: directory };
        eventually("InfluxDB answers", || started.request("GET", "/ping", "").ok());
        Ok(started)
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("http://{}", self.port.address())
    }

    /// Makes a database.
    ///
    /// # Panics
    /// Where the server refuses it.
    pub fn create_database(&self, name: &str) {
        let answer = self.request("POST", &format!("/query?q=CREATE+DATABASE+{name}"), "");
        assert!(answer.as_ref().is_ok_and(|answer| answer.starts_with("HTTP/1.1 200")), "{answer:?}");
    }

    /// Writes points in the line protocol.
    ///
    /// # Panics
    /// As [`InfluxDb::create_database`].
    pub fn write(&self, database: &str, points: &str) {
        let answer = self.request("POST", &format!("/write?db={database}&precision=s"), points);
        assert!(answer.as_ref().is_ok_and(|answer| answer.starts_with("HTTP/1.1 204")), "{answer:?}");
    }

    /// Lets it answer nothing until it ends. The signal is sent before all threads have stopped.
    pub fn freeze(&self) {
        self.server.signal(Signal::SIGSTOP);
        eventually("InfluxDB stands still", || {
            let mut threads = fs::read_dir(format!("/proc/{}/task", self.server.id())).ok()?.flatten();
            threads
                .all(|thread| {
                    let status = fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
                    status.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T'))
                })
                .then_some(())
        });
    }

    fn request(&self, method: &str, path: &str, body: &str) -> Result<String> {
        let mut stream = TcpStream::connect(self.port.address())?;
        stream.set_read_timeout(Some(LIMIT))?;
        let length = body.len();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: influxdb\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }
}

impl Drop for InfluxDb {
    fn drop(&mut self) {
        self.server.signal(Signal::SIGKILL);
        let _ended = self.server.wait(LIMIT);
    }
}
