//! Debian's chromium and chromedriver on free ports. Both end with the value, and with the test process however that
//! ends: a browser that chromedriver had started would outlive a killed test.

use std::fs::File;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::Signal;
use supervisor::process::{GuardedChild, ProcessSpec};
use tempfile::TempDir;
use test_support::{FreePort, eventually};

const FLAGS: &[&str] = &[
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1280,900",
    "--remote-debugging-port=0",
];

pub struct Chromedriver {
    /// `http://127.0.0.1:PORT`
    pub url: String,
    /// `127.0.0.1:PORT`, where the browser listens for chromedriver.
    pub browser: String,
    children: [GuardedChild; 2],
    _port: FreePort,
    _home: TempDir,
}

impl Chromedriver {
    pub fn start() -> Self {
        let home = tempfile::tempdir().unwrap();
        let profile = home.path().join("profile");
        let browser_log = home.path().join("chromium.log");
        let browser = program("chromium", home.path())
            .args(FLAGS.iter().copied())
            .arg(format!("--user-data-dir={}", profile.display()))
            .arg("about:blank")
            .spawn(&File::create(&browser_log).unwrap())
            .unwrap();
        // It ends where its port is not free by IPv4 and by IPv6; one that it chooses by itself is only free by IPv6.
        let port = FreePort::claim();
        let log = home.path().join("chromedriver.log");
        let driver = program("chromedriver", home.path())
            .arg(format!("--port={}", port.number()))
            .spawn(&File::create(&log).unwrap())
            .unwrap();
        let active = profile.join("DevToolsActivePort");
        let browser_port = eventually("chromium names its port", || {
            assert!(browser.ended().is_none(), "chromium ended: {}", text(&browser_log));
            first_number(&active)
        });
        eventually("chromedriver answers", || {
            assert!(driver.ended().is_none(), "chromedriver ended: {}", text(&log));
            TcpStream::connect(port.address()).ok()
        });
        Self {
            url: format!("http://{}", port.address()),
            browser: format!("127.0.0.1:{browser_port}"),
            children: [browser, driver],
            _port: port,
            _home: home,
        }
    }
}

impl Drop for Chromedriver {
    fn drop(&mut self) {
        // SIGKILL: a browser that writes its profile while the directory is removed would leave a part of it.
        for child in &self.children {
            child.signal(Signal::SIGKILL);
            child.wait(Duration::from_secs(10));
        }
    }
}

/// A program that `make test` installs; the test fails where it is missing.
fn program(name: &str, home: &Path) -> ProcessSpec {
    let path = PathBuf::from("/usr/bin").join(name);
    assert!(
        path.exists(),
        "{} is missing: the browser test needs the packages chromium and chromium-driver, which \"make test\" installs",
        path.display()
    );
    ProcessSpec::new(path).env("PATH", "/usr/local/bin:/usr/bin:/bin").env("HOME", home.display().to_string())
}

/// The number in the first line of a file that is just being written; the whole line must be there.
fn first_number(path: &Path) -> Option<u16> {
    text(path).split_once('\n')?.0.parse().ok()
}

/// What stands in a file; nothing where it is not there yet.
fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}
