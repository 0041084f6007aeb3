//! Debian's chromedriver on a free port, for one browser session. It ends with the value, and with the test process
//! however that ends.

use std::fs::File;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::Signal;
use supervisor::process::{GuardedChild, ProcessSpec};
use tempfile::TempDir;
use test_support::{FreePort, eventually};

pub struct Chromedriver {
    /// `http://127.0.0.1:PORT`
    pub url: String,
    child: GuardedChild,
    _port: FreePort,
    _home: TempDir,
}

impl Chromedriver {
    pub fn start() -> Self {
        let home = tempfile::tempdir().unwrap();
        // It ends where its port is not free by IPv4 and by IPv6; one that it chooses by itself is only free by IPv6.
        let port = FreePort::claim();
        let log = home.path().join("chromedriver.log");
        let child = program("chromedriver", home.path())
            .arg(format!("--port={}", port.number()))
            .spawn(&File::create(&log).unwrap())
            .unwrap();
        eventually("chromedriver answers", || {
            assert!(child.ended().is_none(), "chromedriver ended: {}", text(&log));
            TcpStream::connect(port.address()).ok()
        });
        Self { url: format!("http://{}", port.address()), child, _port: port, _home: home }
    }
}

impl Drop for Chromedriver {
    fn drop(&mut self) {
        self.child.signal(Signal::SIGKILL);
        self.child.wait(Duration::from_secs(10));
    }
}

/// A program that `make test` installs; the test fails where it is missing.
pub fn program(name: &str, home: &Path) -> ProcessSpec {
    let path = PathBuf::from("/usr/bin").join(name);
    assert!(
        path.exists(),
        "{} is missing: the browser test needs the packages chromium and chromium-driver, which \"make test\" installs",
        path.display()
    );
    ProcessSpec::new(path).env("PATH", "/usr/local/bin:/usr/bin:/bin").env("HOME", home.display().to_string())
}

/// What stands in a file; nothing where it is not there yet.
pub fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}
