//! One browser session, and how a test looks at what it shows.

use std::time::Instant;

use serde_json::{Value, json};
use thirtyfour::common::capabilities::desiredcapabilities::Capabilities;
use thirtyfour::prelude::*;
use thirtyfour::{ChromiumLikeCapabilities, LoggingPrefsLogLevel};

use test_support::{PATIENCE, next_look};

use crate::chromedriver::Chromedriver;
use crate::chromium;

pub struct Browser {
    pub driver: WebDriver,
    // Dropped before the browser is given back: it would go on telling it what to do.
    _chromedriver: Chromedriver,
    _chromium: chromium::Borrowed,
}

impl Browser {
    pub async fn start() -> Self {
        let chromium = chromium::Borrowed::new().await;
        let chromedriver = Chromedriver::start();
        let mut wanted = DesiredCapabilities::chrome();
        wanted.set_debugger_address(chromium.address()).unwrap();
        for log in ["browser", "performance"] {
            wanted.set_logging_prefs(log, LoggingPrefsLogLevel::All).unwrap();
        }
        let driver = WebDriver::new(&chromedriver.url, Capabilities::from(wanted)).await.unwrap();
        // The session ends with chromedriver; the library would ask for it by a connection that stands still by then.
        driver.clone().leak().unwrap();
        driver.set_script_timeout(PATIENCE).await.unwrap();
        let browser = Self { driver, _chromedriver: chromedriver, _chromium: chromium };
        // Cookies know no ports, so they would be sent to this test's programs too.
        browser.devtools("Network.clearBrowserCookies", json!({})).await;
        browser
    }

    /// Runs a function body in the present frame.
    pub async fn js(&self, script: &str, arguments: Vec<Value>) -> Value {
        self.try_js(script, arguments).await.unwrap_or_else(|error| panic!("{error}\n{script}"))
    }

    async fn try_js(&self, script: &str, arguments: Vec<Value>) -> WebDriverResult<Value> {
        Ok(self.driver.execute(script, arguments).await?.json().clone())
    }

    /// Runs `script` again and again until it gives something true; a page that is just being replaced gives nothing.
    pub async fn until(&self, what: &str, script: &str, arguments: Vec<Value>) -> Value {
        let begun = Instant::now();
        loop {
            let seen = self.try_js(script, arguments.clone()).await;
            match &seen {
                Ok(Value::Null | Value::Bool(false)) | Err(_) => {}
                Ok(value) => return value.clone(),
            }
            if begun.elapsed() > PATIENCE {
                let page = self.try_js("const root = document.querySelector('selfservice-popup')?.shadowRoot;
                    return [document.title, root?.querySelector('.popup').innerText ?? document.body.innerText,
                      [...(root ?? document).querySelectorAll('input')].map((one) => one.value)]", vec![]).await;
                panic!("waited for {PATIENCE:?}, but never: {what}\nlast: {seen:?}\npage: {page:?}");
            }
            tokio::time::sleep(next_look(begun.elapsed())).await;
        }
    }

    /// The element that `script` gives, as soon as it does.
    pub async fn element(&self, what: &str, script: &str, arguments: Vec<Value>) -> WebElement {
        let value = self.until(what, script, arguments).await;
        WebElement::from_json(value, self.driver.handle().clone()).unwrap()
    }

    /// A command of the browser's own protocol, to the page.
    pub async fn devtools(&self, command: &str, parameters: Value) -> Value {
        let handle = self.driver.handle();
        let url = format!("{}session/{}/goog/cdp/execute", handle.server_url(), handle.session_id());
        let sent = reqwest::Client::new().post(url).json(&json!({"cmd": command, "params": parameters}));
        let answer: Value = sent.send().await.unwrap().json().await.unwrap();
        assert!(answer["value"]["error"].is_null(), "{command}: {answer}");
        answer["value"].clone()
    }

    /// Presses keys one after the other, wherever the focus is.
    pub async fn keys(&self, keys: impl Into<TypingData>) {
        let mut chain = self.driver.action_chain();
        for key in keys.into().as_vec() {
            chain = chain.send_keys(key.to_string());
        }
        chain.perform().await.unwrap();
    }

    /// Types into the field with this id, in place of what stands there.
    pub async fn type_by_id(&self, id: &str, text: &str) {
        let script = "return document.getElementById(arguments[0])";
        let field = self.element(&format!("there is a field {id}"), script, vec![json!(id)]).await;
        field.clear().await.unwrap();
        field.send_keys(text).await.unwrap();
    }

    /// Signs in on the page `/signin` and comes back at `path`.
    pub async fn sign_in(&self, app: &str, name: &str, path: &str) {
        self.driver.goto(format!("{app}/signin?next={path}")).await.unwrap();
        self.driver.find(By::Id("name")).await.unwrap().send_keys(name).await.unwrap();
        let password = self.driver.find(By::Id("password")).await.unwrap();
        password.send_keys(crate::stage::PASSWORD).await.unwrap();
        password.send_keys(Key::Enter).await.unwrap();
        let there = "return !location.pathname.endsWith('/signin')";
        self.until("the sign-in leads on", there, vec![]).await;
    }

    /// A call of the JSON API as the page in the present frame would make it: status and body.
    pub async fn api(&self, method: &str, path: &str, body: Value) -> (u64, Value) {
        let script = "
            const [method, path, body, done] = arguments;
            (async () => {
              const session = await (await fetch('/api/v1/session')).json();
              const headers = { 'Content-Type': 'application/json', 'X-CSRF-Token': session.csrf_token ?? '' };
              const answer = await fetch('/api/v1' + path, { method, headers, body: body && JSON.stringify(body) });
              done([answer.status, await answer.json().catch(() => null)]);
            })().catch((error) => done([0, String(error)]));";
        let arguments = vec![json!(method), json!(path), body];
        let answer = self.driver.execute_async(script, arguments).await.unwrap();
        let answer = answer.json();
        (answer[0].as_u64().unwrap(), answer[1].clone())
    }
}
