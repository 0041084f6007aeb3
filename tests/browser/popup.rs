//! What a person does in the popup. The present frame is the one that holds the component; `enter_popup` goes there.

use std::time::Duration;

use serde_json::{Value, json};
use thirtyfour::WebElement;

use crate::browser::Browser;

const ROOT: &str =
    "const root = document.querySelector('selfservice-popup')?.shadowRoot; if (!root) return null;";

/// Finds a button or link by its name.
const NAMED: &str =
    "const named = (name) => [...root.querySelectorAll('button, a')].find((one) => !one.disabled
    && one.checkVisibility() && (one.getAttribute('aria-label') ?? one.textContent).trim() === name);";

impl Browser {
    /// Goes from the page around into the frame that `embed.js` has opened.
    pub async fn enter_popup(&self) {
        self.driver.enter_default_frame().await.unwrap();
        let frame = "return [...document.body.children].map((one) => one.shadowRoot?.querySelector('iframe')).find(Boolean)";
        let frame = self.element("the popup is open", frame, vec![]).await;
        frame.enter_frame().await.unwrap();
        self.in_popup("the popup has loaded", "return root.querySelector('h1')", vec![]).await;
    }

    /// Goes into the frame of the bare page around.
    pub async fn enter_frame(&self) {
        let frame = self.element("there is a frame", "return document.querySelector('iframe')", vec![]).await;
        frame.enter_frame().await.unwrap();
        self.in_popup("the popup has loaded", "return root.querySelector('h1, .pill')", vec![]).await;
    }

    /// Goes to the tab that the popup has opened.
    pub async fn enter_second_tab(&self) {
        for _ in 0..500 {
            if let [_, second] = self.driver.windows().await.unwrap().as_slice() {
                return self.driver.switch_to_window(second.clone()).await.unwrap();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("no tab was opened");
    }

    /// Waits until a script that sees the component's `root` gives something true.
    pub async fn in_popup(&self, what: &str, script: &str, arguments: Vec<Value>) -> Value {
        self.until(what, &format!("{ROOT}{script}"), arguments).await
    }

    /// Waits until the popup shows `text`, and gives all that it shows.
    pub async fn sees(&self, text: &str) -> String {
        let script =
            "const text = root.querySelector('.popup').innerText; return text.includes(arguments[0]) && text";
        let seen = self.in_popup(&format!("the popup shows {text:?}"), script, vec![json!(text)]).await;
        seen.as_str().unwrap().to_owned()
    }

    /// Waits until the popup shows `text` no more.
    pub async fn sees_no(&self, text: &str) {
        let script = "return !root.querySelector('.popup').innerText.includes(arguments[0])";
        self.in_popup(&format!("the popup shows {text:?} no more"), script, vec![json!(text)]).await;
    }

    /// The button or link of this name, which is what a screen reader says.
    pub async fn button(&self, name: &str) -> WebElement {
        let script = format!("{ROOT}{NAMED}return named(arguments[0])");
        self.element(&format!("there is a button {name:?}"), &script, vec![json!(name)]).await
    }

    /// Presses the button as soon as it can be pressed. The page around makes the frame as high as its content, which
    /// moves the buttons: a press in the middle of that would land beside, so the button must have stayed where it is
    /// for some looks in a row.
    pub async fn press(&self, name: &str) {
        let rest = format!(
            "{NAMED}const button = named(arguments[0]);
            if (!button || window === top) return button;
            const seen = () => JSON.stringify([innerHeight, root.querySelector('.popup').scrollHeight,
                button.isConnected, button.getBoundingClientRect()]);
            const before = seen();
            return new Promise((go) => {{
                const look = (left) => before !== seen() ? go(false) : left === 0 ? go(true)
                    : setTimeout(() => requestAnimationFrame(() => look(left - 1)), 50);
                look(6);
            }})"
        );
        self.in_popup(&format!("the button {name:?} stays where it is"), &rest, vec![json!(name)]).await;
        self.button(name).await.click().await.unwrap();
    }

    /// The names of all buttons that can be seen.
    pub async fn buttons(&self) -> Vec<String> {
        let script = "return [...root.querySelectorAll('button')].filter((one) => one.checkVisibility())
            .map((one) => (one.getAttribute('aria-label') ?? one.textContent).trim())";
        let names = self.in_popup("there are buttons", script, vec![]).await;
        serde_json::from_value(names).unwrap()
    }

    /// Replaces what an input of the popup holds.
    pub async fn fill(&self, id: &str, text: &str) {
        let script = format!("{ROOT}return root.getElementById(arguments[0])");
        let input = self.element(&format!("there is an input {id:?}"), &script, vec![json!(id)]).await;
        self.js("arguments[0].focus(); arguments[0].select()", vec![input.to_json().unwrap()]).await;
        self.keys(text).await;
    }

    /// Signs in inside the popup.
    pub async fn sign_in_inside(&self, name: &str) {
        self.sees("to see the actions that you may use").await;
        self.fill("name", name).await;
        self.fill("password", crate::stage::PASSWORD).await;
        self.press("Sign in").await;
    }

    /// The state pill of a run, as soon as it says one of `words`.
    pub async fn pill(&self, words: &[&str]) -> String {
        let script = "const text = root.querySelector('.pill')?.innerText ?? '';
            return arguments[0].some((word) => text.includes(word)) && text";
        let pill = self.in_popup(&format!("the run is {words:?}"), script, vec![json!(words)]).await;
        pill.as_str().unwrap().to_owned()
    }

    /// The id of the run that is shown.
    pub async fn task_id(&self) -> String {
        let script =
            "const raw = [...root.querySelectorAll('footer a')].find((one) => one.textContent === 'Raw');
            return raw && raw.href.match(/tasks\\/([0-9a-f-]{36})\\//)?.[1]";
        let id = self.in_popup("the run has an id", script, vec![]).await;
        id.as_str().unwrap().to_owned()
    }
}
