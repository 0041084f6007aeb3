//! The program itself: its routine, an outage of the database, and its end.

use nix::sys::signal::Signal;
use std::time::Duration;
use test_support::{AppOptions, TestApp, TestDatabase, eventually, impatient};

#[test]
fn the_routine_goes_on_after_an_outage_and_term_ends_it() {
    let database = TestDatabase::new();
    let mut settings = impatient();
    settings.push(("load_intervals", "cmdb = 2".to_owned()));
    let options = AppOptions { manager: false, web: false, settings, ..AppOptions::default() };
    let mut app = TestApp::start(&database, &options);
    app.start_program("schedulerd");
    let old = "the inventory is old: the source 'cmdb' has never been loaded and is expected every 2 hours";
    eventually("old inventory is told of", || app.log("schedulerd").contains(old).then_some(()));
    let add = "INSERT INTO signin_failures VALUES ('x', 1, now() - interval '2 days')";
    let gone = || (database.sql("SELECT count(*) FROM signin_failures") == "0").then_some(());
    database.sql(add);
    eventually("old failures are removed", gone);

    database.shut_out();
    eventually("the outage is noticed", || app.log("schedulerd").contains("trying again").then_some(()));
    database.let_in();
    database.sql(add);
    eventually("the routine goes on", gone);

    app.program("schedulerd").signal(Signal::SIGTERM);
    let ended = app.program("schedulerd").wait(Duration::from_secs(60)).unwrap();
    assert!(ended.success(), "{ended}");
}
