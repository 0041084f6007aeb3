//! Debian's chromium. Starting one takes longer than most tests, so a test takes over the browser of one that has passed,
//! without its tabs and its cookies; what pages store belongs to their port, which no other test has.

use std::fs::File;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::Value;
use supervisor::TemporaryDirectory;
use supervisor::process::GuardedChild;
use test_support::{PATIENCE, eventually, next_look};

use crate::chromedriver::{program, text};

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

/// Browsers that no test uses.
static IDLE: Mutex<Vec<Chromium>> = Mutex::new(Vec::new());

/// A browser. It ends with the value, and with the test process however that ends.
struct Chromium {
    address: String,
    child: GuardedChild,
    // Idle browsers end with the process, and nobody drops them: the next one sweeps.
    _home: TemporaryDirectory,
}

/// A browser with one empty tab, which no other test uses as long as the value lives.
pub struct Borrowed(Option<Chromium>);

impl Borrowed {
    /// One that was given back, or a fresh one.
    pub async fn new() -> Self {
        let idle = IDLE.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let chromium = match idle {
            Some(used) => {
                used.forget_tabs().await;
                used
            }
            None => Chromium::start(),
        };
        Self(Some(chromium))
    }

    /// `127.0.0.1:PORT`, where it listens for chromedriver.
    pub fn address(&self) -> &str {
        &self.0.as_ref().unwrap().address
    }
}

impl Drop for Borrowed {
    fn drop(&mut self) {
        // Nobody knows what state a failed test has left it in.
        if !std::thread::panicking() {
            IDLE.lock().unwrap_or_else(PoisonError::into_inner).extend(self.0.take());
        }
    }
}

impl Chromium {
    fn start() -> Self {
        let home = TemporaryDirectory::create(None).unwrap();
        let profile = home.path().join("profile");
        let log = home.path().join("chromium.log");
        let child = program("chromium", home.path())
            .args(FLAGS.iter().copied())
            .arg(format!("--user-data-dir={}", profile.display()))
            .arg("about:blank")
            .spawn(&File::create(&log).unwrap())
            .unwrap();
        let active = profile.join("DevToolsActivePort");
        let port = eventually("chromium names its port", || {
            assert!(child.ended().is_none(), "chromium ended: {}", text(&log));
            first_number(&text(&active))
        });
        Self { address: format!("127.0.0.1:{port}"), child, _home: home }
    }

    /// Opens an empty tab and closes all others.
    async fn forget_tabs(&self) {
        let client = reqwest::Client::new();
        let url = |command: &str| format!("http://{}/json/{command}", self.address);
        let opened: Value = client.put(url("new")).send().await.unwrap().json().await.unwrap();
        let begun = Instant::now();
        loop {
            let all: Vec<Value> = client.get(url("list")).send().await.unwrap().json().await.unwrap();
            let tabs = all.iter().filter(|target| target["type"] == "page");
            let others: Vec<&Value> = tabs.map(|tab| &tab["id"]).filter(|id| **id != opened["id"]).collect();
            if others.is_empty() {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "tabs of the test before do not close: {all:?}");
            for id in others {
                // One that closes by itself just now is no target any more.
                let close = url(&format!("close/{}", id.as_str().unwrap()));
                client.get(close).send().await.unwrap();
            }
            tokio::time::sleep(next_look(begun.elapsed())).await;
        }
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        // SIGKILL: a browser that writes its profile while the directory is removed would leave a part of it.
        self.child.signal(Signal::SIGKILL);
        self.child.wait(Duration::from_secs(10));
    }
}

/// The number in the first line of what is just being written; the whole line must be there.
fn first_number(text: &str) -> Option<u16> {
    text.split_once('\n')?.0.parse().ok()
}
