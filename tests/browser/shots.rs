//! Screenshots, left in `target/screenshots` for people to look at.

use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use crate::browser::Browser;

impl Browser {
    /// Makes the window as wide as asked for; pages are laid out anew.
    pub async fn width(&self, width: u32) {
        let size = json!({"width": width, "height": 700, "deviceScaleFactor": 1, "mobile": false});
        self.devtools("Emulation.setDeviceMetricsOverride", size).await;
    }

    /// Takes a picture of the whole page, however high it is.
    pub async fn shot(&self, name: &str) {
        let bottom = "return [innerWidth, Math.ceil(document.querySelector('selfservice-popup:not([wide])')?.getBoundingClientRect().bottom
            ?? Math.max(700, document.documentElement.scrollHeight))]";
        let size = self.js(bottom, vec![]).await;
        let clip = json!({"x": 0, "y": 0, "width": size[0], "height": size[1], "scale": 1});
        let picture = self
            .devtools(
                "Page.captureScreenshot",
                json!({"format": "png", "clip": clip, "captureBeyondViewport": true}),
            )
            .await;
        let png = STANDARD.decode(picture["data"].as_str().unwrap()).unwrap();
        std::fs::write(directory().join(format!("{name}.png")), png).unwrap();
    }
}

/// `target/screenshots`, beside the directory of the test's own program.
pub fn directory() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let target = test.ancestors().nth(3).unwrap();
    let directory = target.join("screenshots");
    std::fs::create_dir_all(&directory).unwrap();
    directory
}
