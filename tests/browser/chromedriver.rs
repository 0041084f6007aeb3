//! Debian's chromium and chromedriver on free ports. Both end with the value, and with the test process however that
//! ends: a browser that chromedriver had started would outlive a killed test.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::Signal;
use supervisor::process::{GuardedChild, ProcessSpec};
use tempfile::TempDir;
use test_support::eventually;

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
    _home: TempDir,
}

impl Chromedriver {
    pub fn start() -> Self {
        let home = tempfile::tempdir().unwrap();
        let profile = home.path().join("profile");
        let browser = program("chromium", home.path())
            .args(FLAGS.iter().copied())
            .arg(format!("--user-data-dir={}", profile.display()))
            .arg("about:blank")
            .spawn(&File::create(home.path().join("chromium.log")).unwrap())
            .unwrap();
        let log = home.path().join("chromedriver.log");
        let driver =
            program("chromedriver", home.path()).arg("--port=0").spawn(&File::create(&log).unwrap()).unwrap();
        let active = profile.join("DevToolsActivePort");
        let browser_port = eventually("chromium names its port", || first_number(&active, ""));
        let port = eventually("chromedriver names its port", || first_number(&log, "successfully on port "));
        Self {
            url: format!("http://127.0.0.1:{port}"),
            browser: format!("127.0.0.1:{browser_port}"),
            children: [browser, driver],
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

/// The number that follows `before` in a file that is just being written; a whole line must be there.
fn first_number(path: &Path, before: &str) -> Option<u16> {
    let text = std::fs::read_to_string(path).ok()?;
    let (_, rest) = text.split_once(before)?;
    let (line, _) = rest.split_once('\n')?;
    line.trim_end_matches('.').parse().ok()
}
