//! A platform engineer at work: from an empty inventory to an action that runs, in the browser alone.

use serde_json::json;
use thirtyfour::Key;
use thirtyfour::prelude::*;

use crate::browser::Browser;
use crate::keyboard::tab_to;
use crate::stage::Stage;

/// The labelled control that stands under this name, in the last row of a list where it stands in several.
const CONTROL: &str = "
    const named = [...document.querySelectorAll('form.editor label')].filter((one) => {
      const text = [...one.childNodes].filter((node) => !(node instanceof Element) || node.tagName === 'SPAN');
      return text.map((node) => node.textContent).join('').trim() === arguments[0];
    });
    return named.at(-1)?.control;";

impl Browser {
    async fn control(&self, label: &str) -> WebElement {
        self.element(&format!("there is a field {label}"), CONTROL, vec![json!(label)]).await
    }

    /// Types into a field, in place of what stands there.
    pub async fn type_into(&self, label: &str, text: &str) {
        let control = self.control(label).await;
        if control.tag_name().await.unwrap() == "select" {
            control.send_keys(text).await.unwrap();
        } else {
            control.clear().await.unwrap();
            control.send_keys(text).await.unwrap();
        }
    }

    /// Adds a row to a list and types into its fields.
    pub async fn add_row(&self, item: &str, cells: &[(&str, &str)]) {
        self.push(&format!("Add {}", item.to_lowercase())).await;
        for (label, text) in cells {
            self.type_into(label, text).await;
        }
    }

    /// Presses a button or follows a link of a page.
    pub async fn push(&self, name: &str) {
        let script = "return [...document.querySelectorAll('button, a')].find((one) => one.checkVisibility()
            && (one.getAttribute('aria-label') ?? one.textContent).trim() === arguments[0])";
        let button = self.element(&format!("there is a button {name}"), script, vec![json!(name)]).await;
        button.click().await.unwrap();
    }

    /// Waits until a page says this.
    pub async fn reads(&self, text: &str) {
        let script = "return document.querySelector('main').textContent.includes(arguments[0])";
        self.until(&format!("the page says {text}"), script, vec![json!(text)]).await;
    }

    /// Looks at a page in both themes, narrow and wide.
    pub async fn pictured(&self, name: &str) {
        for width in [480, 1280] {
            self.width(width).await;
            for theme in ["dark", "light"] {
                self.js("document.documentElement.dataset.theme = arguments[0]", vec![json!(theme)]).await;
                self.accessible(&format!("{name} ({width}, {theme})")).await;
                self.shot(&format!("{name}-{width}-{theme}")).await;
            }
            let spill = "return document.documentElement.scrollWidth - innerWidth";
            assert_eq!(self.js(spill, vec![]).await, json!(0), "{name} spills over at {width}");
        }
    }
}

#[tokio::test]
async fn from_an_empty_inventory_to_an_action_that_runs() {
    let stage = Stage::new().await;
    stage.database.sql(
        "DELETE FROM hosts; DELETE FROM services; DELETE FROM event_handlers; DELETE FROM hostgroups; \
         DELETE FROM environments",
    );
    let browser = &stage.browser;
    browser.width(1280).await;
    browser.sign_in(&stage.app.url, "root", "/environments").await;
    browser.push("New environment").await;
    browser.type_into("Name", "lab").await;
    browser.type_into("Colour", "blue").await;
    browser.push("Create environment").await;
    browser.reads("lab").await;

    browser.push("Event handlers").await;
    browser.push("New event handler").await;
    browser.type_into("Name", "Say hello").await;
    browser.type_into("Description", "Says a word to the host.").await;
    browser.type_into("Plugin", "echo").await;
    browser.add_row("Argument", &[("Argument", "--host=$HOSTADDRESS$")]).await;
    browser.add_row("Argument", &[("Argument", "$_PARAMword$ $_SERVICEPORT$")]).await;
    let parameter =
        [("Name: $_PARAMname$", "word"), ("Label (the name where empty)", "Word"), ("Default", "hello")];
    browser.add_row("Parameter", &parameter).await;
    browser.pictured("edit-handler").await;
    browser.type_into("Time-out in seconds", "soon").await;
    browser.push("Create event handler").await;
    browser.reads("'soon' must be a whole number from 1 to 86400.").await;
    browser.pictured("edit-handler-refused").await;
    browser.type_into("Time-out in seconds", "30").await;
    browser.push("Create event handler").await;
    browser.reads("$_PARAMword$ $_SERVICEPORT$").await;
    browser.pictured("handler").await;

    browser.push("Edit").await;
    browser.type_into("Description", "Says a word to the host, and its port.").await;
    browser.push("Save").await;
    browser.push("Revisions").await;
    browser.reads("Says a word to the host, and its port.").await;
    browser.pictured("handler-revisions").await;

    browser.push("Services").await;
    browser.push("New service").await;
    browser.type_into("Name", "Greeter").await;
    browser.add_row("Variable", &[("Name", "port"), ("Value", "4711")]).await;
    browser.add_row("Event handler", &[("Event handler", "Say hello")]).await;
    browser.pictured("edit-service").await;
    browser.push("Create service").await;
    browser.reads("Say hello").await;

    browser.push("Host groups").await;
    browser.push("New host group").await;
    browser.type_into("Name", "greeters").await;
    browser.add_row("Service", &[("Service", "Greeter")]).await;
    browser.push("Create host group").await;
    browser.reads("Greeter").await;

    browser.push("Hosts").await;
    browser.push("New host").await;
    browser.type_into("Name", "build-01").await;
    browser.type_into("Address", "10.0.0.9").await;
    browser
        .add_row("Environment", &[("Environment", "lab"), ("as host group (may be empty)", "greeters")])
        .await;
    browser.add_row("Host group", &[("Host group", "greeters")]).await;
    browser.pictured("edit-host").await;
    browser.push("Create host").await;
    browser.reads("host group greeters").await;
    browser.pictured("host").await;

    browser.push("Take away Say hello").await;
    browser.reads("dropped on this host").await;
    browser.pictured("host-dropped").await;
    browser.push("Give back Say hello").await;
    browser
        .until("it is back", "return !document.body.innerText.includes('dropped on this host')", vec![])
        .await;

    browser.push("Say hello").await;
    browser.push("Try").await;
    for (name, text) in [("host", "build-01"), ("service", "Greeter"), ("parameter.word", "moin")] {
        let field = browser.driver.find(By::Name(name)).await.unwrap();
        field.clear().await.unwrap();
        field.send_keys(text).await.unwrap();
    }
    browser.push("Show the command").await;
    browser.reads("moin 4711").await;
    browser.pictured("handler-try").await;
    browser.push("Hosts").await;
    browser.push("build-01").await;

    browser.push("Open popup").await;
    browser.press("Run Say hello").await;
    browser.press("Run on build-01").await;
    browser.pill(&["OK"]).await;
    browser.sees("hello 4711").await;
    browser.sees("--host=10.0.0.9").await;
    browser.clean_conduct(&[&stage.app.url]).await;
}

#[tokio::test]
async fn a_template_that_changes_and_an_editor_who_comes_late() {
    let stage = Stage::new().await;
    let browser = &stage.browser;
    browser.width(1280).await;
    let group = stage.database.sql("SELECT id FROM hostgroups WHERE name = 'web'");
    browser.sign_in(&stage.app.url, "root", &format!("/hostgroups/{group}/edit")).await;
    browser.add_row("Service", &[("Service", "Backup")]).await;
    browser.push("Save").await;
    browser.reads("Not applied yet").await;
    browser.pictured("template-pending").await;
    browser.push("Apply to 2 hosts").await;
    browser
        .until("it is applied", "return !document.body.innerText.includes('Not applied yet')", vec![])
        .await;

    let url = format!("{}/hosts/{}/join?name=web", stage.app.url, stage.world.both);
    browser.driver.goto(&url).await.unwrap();
    browser.pictured("host-join").await;
    browser.push("Add both to web").await;
    browser.reads("host group web").await;

    let url = format!("{}/hosts/{}/edit", stage.app.url, stage.world.web_1);
    browser.driver.goto(&url).await.unwrap();
    browser.type_into("Description", "what I think").await;
    stage
        .database
        .sql("UPDATE hosts SET description = 'what others think', tags = '{dmz}' WHERE name = 'web-1'");
    browser.push("Save").await;
    browser.reads("Somebody else has changed this since you opened it.").await;
    browser.pictured("edit-stale").await;
    browser.push("Save mine over it").await;
    browser.reads("what I think").await;
    // Rows that nobody touched are kept, those that are only chosen and not typed too.
    let kept = "SELECT e.name, (SELECT count(*) FROM host_aliases a WHERE a.hosts_id = h.id), h.tags FROM hosts h \
                JOIN environments_members m ON m.hosts_id = h.id JOIN environments e ON e.id = m.environments_id \
                WHERE h.name = 'web-1'";
    assert_eq!(stage.database.sql(kept), "production|1|{}");

    browser.push("Delete").await;
    browser.reads("What hangs on it").await;
    browser.pictured("delete-host").await;
    browser.push("Delete the host web-1").await;
    browser.until("it leads to the list", "return location.pathname === '/hosts'", vec![]).await;
    assert_eq!(stage.database.sql("SELECT count(*) FROM hosts WHERE name = 'web-1'"), "0");
    browser.clean_conduct(&[&stage.app.url]).await;
}

#[tokio::test]
async fn names_of_macros_are_completed_without_a_mouse() {
    let stage = Stage::new().await;
    let browser = &stage.browser;
    browser.width(1280).await;
    browser.sign_in(&stage.app.url, "root", "/event_handlers/new").await;
    let parameter = [("Name: $_PARAMname$", "drain")];
    browser.add_row("Parameter", &parameter).await;
    browser.push("Add argument").await;
    let offers = "const one = document.activeElement; const list = document.getElementById(one?.getAttribute('aria-controls'));
        const chosen = document.getElementById(one?.getAttribute('aria-activedescendant'));
        return list?.contains(chosen) && chosen.getAttribute('aria-selected') === 'true'
            && chosen.textContent.includes(arguments[0])";
    let holds = "return document.activeElement.value === arguments[0]";
    let closed = "return !document.getElementById('macro-list')";
    browser.keys("--host=$hosta").await;
    browser
        .until("what begins so is offered", offers, vec![json!("$HOSTALIAS$ description of the host")])
        .await;
    browser.keys(Key::Down).await;
    browser.until("the next one", offers, vec![json!("$HOSTADDRESS$ address of the host")]).await;
    browser.pictured("handler-macros").await;
    browser.keys(Key::Enter).await;
    browser.until("it is taken", holds, vec![json!("--host=$HOSTADDRESS$")]).await;
    browser.until("the list is gone", closed, vec![]).await;
    browser.keys(" $_par").await;
    browser
        .until("parameters of the form", offers, vec![json!("$_PARAMDRAIN$ parameter 'drain' of the run")])
        .await;
    browser.keys(Key::Enter).await;
    browser.keys(" $_host").await;
    browser.until("custom variables", offers, vec![json!("$_HOST…$")]).await;
    browser.keys(Key::Enter).await;
    browser.keys("rack$ $$ costs").await;
    browser.until("$$ opens no name", closed, vec![]).await;
    browser.keys(" $USER").await;
    browser.until("nothing is called so here", closed, vec![]).await;
    browser.keys("1$ $TI").await;
    browser.until("the time", offers, vec![json!("$TIME$")]).await;
    browser.keys(Key::Escape).await;
    browser.until("Escape closes the list", closed, vec![]).await;
    let all = "--host=$HOSTADDRESS$ $_PARAMDRAIN$ $_HOSTrack$ $$ costs $USER1$ $TI";
    browser.until("what was typed stays", holds, vec![json!(all)]).await;
    browser.clean_conduct(&[&stage.app.url]).await;
}

#[tokio::test]
async fn several_hosts_are_changed_at_once_without_a_mouse() {
    let stage = Stage::new().await;
    let browser = &stage.browser;
    browser.width(1280).await;
    browser.sign_in(&stage.app.url, "root", "/hosts").await;
    browser.reads("Change the chosen hosts").await;
    let focus = "document.querySelector(`main [name=${arguments[0]}]`).focus()";
    browser.js(focus, vec![json!("query")]).await;
    for name in ["Choose web-1", "Choose web-2"] {
        tab_to(browser, name).await;
        browser.keys(" ").await;
    }
    browser.pictured("hosts-choose").await;
    tab_to(browser, "Change the chosen hosts").await;
    browser.keys(Key::Enter).await;
    browser.reads("Change 2 hosts").await;
    browser.driver.find(By::Name("add_hostgroup")).await.unwrap().send_keys("databases").await.unwrap();
    browser.keys(Key::Enter).await;
    browser.reads("joins the host group databases").await;
    browser.pictured("hosts-bulk").await;
    browser.js(focus, vec![json!("remove_variable")]).await;
    tab_to(browser, "Change 2 hosts").await;
    browser.keys(Key::Enter).await;
    browser.until("back in the list", "return location.pathname === '/hosts'", vec![]).await;
    let members = "SELECT count(*) FROM hostgroups_members m JOIN hostgroups g ON g.id = m.hostgroups_id WHERE g.name = 'databases'";
    assert_eq!(stage.database.sql(members), "3");
    browser.clean_conduct(&[&stage.app.url]).await;
}
