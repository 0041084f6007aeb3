//! A schedule from the form to the result of its run, with a real scheduler and manager.

use crate::stage::Stage;

#[tokio::test]
async fn a_schedule_is_made_and_runs_at_once_when_asked() {
    let mut stage = Stage::new().await;
    stage.app.start_program("schedulerd");
    let browser = &stage.browser;
    browser.width(1280).await;
    browser.sign_in(&stage.app.url, "root", "/schedules").await;
    browser.push("New schedule").await;
    browser.type_into("Name", "look at the web every night").await;
    browser.type_into("Times", "30 25 * * *").await;
    browser.type_into("Host", "web-1").await;
    browser.type_into("Service", "os").await;
    browser.type_into("Event handler", "ok").await;
    browser.push("Make it").await;
    browser.reads("'25' is no hour").await;
    browser.pictured("schedule-refused").await;
    browser.type_into("Times", "30 2 * * MON-FRI").await;
    browser.push("Make it").await;
    browser.reads("ok on web-1 (os)").await;
    browser.push("Run now look at the web every night").await;
    browser.reads("A run was asked for").await;
    test_support::eventually("the scheduler queued the task and the manager ran it", || {
        let runs = "SELECT t.result FROM tasks t JOIN schedule_runs r ON t.id = ANY(r.task_ids)";
        (stage.database.sql(runs) == "ok").then_some(())
    });
    browser.push("Schedules").await;
    browser.reads("30 2 * * MON-FRI").await;
    browser.pictured("schedules").await;
    browser.push("look at the web every night").await;
    browser.reads("queued 1 task").await;
    browser.pictured("schedule").await;
    browser.push("Edit").await;
    browser.reads("Edit look at the web every night").await;
    browser.pictured("schedule-edit").await;
    stage.database.sql("UPDATE schedules SET expression = '@daily', revision = revision + 1");
    browser.type_into("Times", "30 3 * * *").await;
    browser.push("Save").await;
    browser.reads("Stored by now").await;
    browser.pictured("schedule-stale").await;
    browser.push("Save mine over it").await;
    browser.reads("30 3 * * *").await;
    browser.push("task\u{a0}1").await;
    browser.sees("all is well").await;
    browser.clean_conduct(&[&stage.app.url]).await;
}
