//! `jenkins.sh` against the stand-in of `jenkins_server`.

use std::net::TcpListener;
use std::thread;
use std::time::{Duration, Instant};

use test_support::FreePort;

use crate::hostile;
use crate::http::encode;
use crate::http_server::{read_request, reply};
use crate::jenkins_server::{Behaviour, Fault, Jenkins};
use crate::run::{Ended, Plugin, eventually};

fn plugin(jenkins: &Jenkins) -> Plugin {
    signed_in(&jenkins.url).args(["--job", "restart"])
}

/// Everything but the job.
pub fn signed_in(url: &str) -> Plugin {
    Plugin::new("jenkins.sh")
        .args(["--url", url, "--user", "jane", "--token-secret", "TOKEN", "--poll", "1", "--patience", "20"])
        .env("SELFSERVICE_SECRET_TOKEN", "token-of-jane")
}

fn with_password(jenkins: &Jenkins) -> Plugin {
    Plugin::new("jenkins.sh")
        .args(["--url", &jenkins.url, "--job", "restart", "--user", "jane", "--password-secret", "PASSWORD"])
        .env("SELFSERVICE_SECRET_PASSWORD", "password-of-jane")
}

fn run(behaviour: Behaviour, rest: &[&str]) -> (Jenkins, Ended) {
    let jenkins = Jenkins::start(behaviour);
    let ended = plugin(&jenkins).args(rest).run();
    (jenkins, ended)
}

fn last_line(ended: &Ended) -> String {
    ended.text().lines().last().unwrap_or_default().to_owned()
}

#[test]
fn the_result_decides() {
    for (result, code, word) in [
        ("SUCCESS", 0, "OK"),
        ("UNSTABLE", 1, "WARNING"),
        ("FAILURE", 2, "CRITICAL"),
        ("ABORTED", 2, "CRITICAL"),
        ("NOT_BUILT", 3, "UNKNOWN"),
        ("SOMETHING_NEW", 3, "UNKNOWN"),
    ] {
        let (jenkins, ended) = run(Behaviour { result: result.to_owned(), ..Behaviour::default() }, &[]);
        assert_eq!(ended.code, code, "{result}: {ended:?}");
        let line = last_line(&ended);
        assert!(
            line.starts_with(&format!("{word} - restart build 7 ended as {result} after 61.005 s |")),
            "{line}"
        );
        assert!(line.contains("'duration'=61.005s") && line.contains("'number'=7"), "{line}");
        assert!(
            ended.text().contains("waiting in the queue: Waiting for next available executor\n"),
            "{ended:?}"
        );
        assert!(ended.text().contains("Started by user jane\nFinished\n"), "{ended:?}");
        assert_eq!(jenkins.triggers(), [""]);
    }
}

#[test]
fn folders_and_parameters_arrive_as_they_are() {
    let behaviour = Behaviour {
        job: "/job/ops%20team/job/web/job/restart%3Fnow".to_owned(),
        parameters: vec!["UNIT".to_owned(), "KEY".to_owned()],
        ..Behaviour::default()
    };
    let jenkins = Jenkins::start(behaviour);
    let ended = signed_in(&jenkins.url)
        .args([
            "--job",
            "ops team/web/restart?now",
            "--param",
            "UNIT=a&b=c; $(id)",
            "--param-secret",
            "KEY=TOKEN",
        ])
        .run();
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_eq!(jenkins.triggers(), ["UNIT=a%26b%3Dc%3B%20%24%28id%29&KEY=token-of-jane"]);
    assert!(!ended.text().contains("token-of-jane"), "{ended:?}");
}

#[test]
fn hostile_parameters_arrive_as_they_are_and_secrets_by_name_only() {
    for value in hostile::VALUES {
        let behaviour = Behaviour {
            parameters: vec!["UNIT".to_owned(), "LAST".to_owned()],
            polls_in_queue: Some(0),
            ..Behaviour::default()
        };
        let rest = ["--no-wait", "--param", &format!("UNIT={value}"), "--param", "LAST=1"];
        let (jenkins, ended) = run(behaviour, &rest);
        assert_eq!(ended.code, 0, "{value:?}: {ended:?}");
        assert_eq!(jenkins.triggers(), [format!("UNIT={}&LAST=1", encode(value))], "{value:?}");
    }
    let ended =
        signed_in("http://127.0.0.1:9").args(["--job", "x", "--param-secret", "KEY=@/etc/passwd"]).run();
    assert_eq!((ended.code, ended.text().lines().count()), (3, 1), "{ended:?}");
}

#[test]
fn hostile_job_names_are_one_segment_or_refused() {
    let jenkins = Jenkins::start(Behaviour::default());
    for value in hostile::VALUES.iter().chain(&["../../createItem", "a/../b", "a//b", "./a", "a/"]) {
        let ended = signed_in(&jenkins.url).args(["--check", "--job", value]).run();
        assert_ne!(ended.code, 0, "{value:?}: {ended:?}");
    }
    for request in jenkins.requests() {
        let path = request.target().split('?').next().unwrap().to_owned();
        assert!(path.starts_with("/job/") && path.ends_with("/api/json"), "{path}");
        assert!(!path.split('/').any(|segment| segment == "." || segment == ".."), "{path}");
    }
}

#[test]
fn a_parameter_that_the_job_does_not_declare_is_refused() {
    let behaviour = Behaviour { parameters: vec!["UNIT".to_owned()], ..Behaviour::default() };
    let (jenkins, ended) = run(behaviour, &["--param", "UNTI=x"]);
    assert_eq!(ended.code, 3, "{ended:?}");
    assert!(last_line(&ended).contains("has no parameter 'UNTI'; it has UNIT"), "{ended:?}");
    let (other, ended) = run(Behaviour::default(), &["--param", "UNIT=x"]);
    assert_eq!(ended.code, 3, "{ended:?}");
    assert_eq!(jenkins.trigger_requests() + other.trigger_requests(), 0);
}

#[test]
fn a_password_brings_the_crumb_of_its_session() {
    let jenkins = Jenkins::start(Behaviour::default());
    let ended = with_password(&jenkins).run();
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_eq!(jenkins.triggers().len(), 1);
}

#[test]
fn wrong_logins_names_and_disabled_jobs_are_told_apart() {
    let jenkins = Jenkins::start(Behaviour::default());
    let ended = plugin(&jenkins).env("SELFSERVICE_SECRET_TOKEN", "wrong").run();
    assert_eq!(ended.code, 2, "{ended:?}");
    assert!(last_line(&ended).contains("refused the sign-in (401)"), "{ended:?}");
    let ended = signed_in(&jenkins.url).args(["--job", "other"]).run();
    assert_eq!(ended.code, 2, "{ended:?}");
    assert!(last_line(&ended).contains("no such job"), "{ended:?}");
    let (disabled, ended) = run(Behaviour { buildable: false, ..Behaviour::default() }, &[]);
    assert_eq!(ended.code, 2, "{ended:?}");
    assert!(last_line(&ended).contains("disabled"), "{ended:?}");
    assert_eq!(jenkins.trigger_requests() + disabled.trigger_requests(), 0);
}

#[test]
fn an_item_that_waits_already_is_attached_to() {
    let (jenkins, ended) = run(Behaviour { waiting_already: true, ..Behaviour::default() }, &[]);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(ended.text().contains("attached to queue item 42"), "{ended:?}");
    assert_eq!(jenkins.trigger_requests(), 1);
}

#[test]
fn a_location_on_another_host_is_not_followed() {
    for location in ["http://elsewhere.example:1", "/a/prefix", "https://127.0.0.2/jenkins"] {
        let (_jenkins, ended) = run(Behaviour { location: location.to_owned(), ..Behaviour::default() }, &[]);
        assert_eq!(ended.code, 0, "{location}: {ended:?}");
    }
}

#[test]
fn cancelled_in_the_queue_is_critical() {
    let (_jenkins, ended) = run(Behaviour { cancelled: true, ..Behaviour::default() }, &[]);
    assert_eq!(ended.code, 2, "{ended:?}");
    assert!(last_line(&ended).contains("was cancelled on Jenkins; nothing was built"), "{ended:?}");
}

#[test]
fn a_forgotten_queue_item_is_found_among_the_builds() {
    let (_jenkins, ended) = run(Behaviour { forgotten: true, ..Behaviour::default() }, &[]);
    assert_eq!(ended.code, 0, "{ended:?}");
    let behaviour = Behaviour { forgotten: true, lost: true, ..Behaviour::default() };
    let (_jenkins, ended) = run(behaviour, &["--patience", "2"]);
    assert_eq!(ended.code, 3, "{ended:?}");
    assert!(last_line(&ended).contains("has vanished"), "{ended:?}");
}

#[test]
fn a_console_without_the_mark_of_more_is_read_on_while_it_builds() {
    let console = ["one\n", "two\n", "three \u{fc}\n"].map(str::to_owned).to_vec();
    let behaviour = Behaviour { console, more_data_missing: true, ..Behaviour::default() };
    let (_jenkins, ended) = run(behaviour, &[]);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(ended.text().contains("\none\ntwo\nthree \u{fc}\n"), "{ended:?}");
}

#[test]
fn the_next_part_starts_where_jenkins_says() {
    let console = ["one\n", "two\n", "three \u{fc}\n"].map(str::to_owned).to_vec();
    let (_jenkins, ended) = run(Behaviour { console, notes: 40, ..Behaviour::default() }, &[]);
    assert_eq!(ended.code, 0, "{ended:?}");
    for line in ["one", "two", "three \u{fc}"] {
        assert_eq!(ended.text().matches(&format!("\n{line}\n")).count(), 1, "{ended:?}");
    }
}

#[test]
fn a_console_without_its_size_is_counted() {
    let console = ["one\n", "two\n", "three \u{fc}\n"].map(str::to_owned).to_vec();
    let (_jenkins, ended) = run(Behaviour { console, size_missing: true, ..Behaviour::default() }, &[]);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(ended.text().contains("\none\ntwo\nthree \u{fc}\n"), "{ended:?}");
}

#[test]
fn a_slow_jenkins_is_waited_for_and_asked_once() {
    let delay = Duration::from_millis(700);
    let (jenkins, ended) = run(Behaviour { delay, ..Behaviour::default() }, &["--connect-timeout", "1"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_eq!(jenkins.trigger_requests(), 1);
}

#[test]
fn resets_and_bad_gateways_of_questions_are_asked_again() {
    let faults = [
        ("GET /job/restart/api/json", Fault::Reset),
        ("/queue/item/", Fault::Status(502)),
        ("/queue/item/", Fault::Reset),
        ("/7/api/json", Fault::AnswerLost),
        ("progressiveText", Fault::Status(503)),
        ("progressiveText", Fault::HalfAnswer),
    ];
    let faults = faults.map(|(part, fault)| (part.to_owned(), fault)).to_vec();
    let (jenkins, ended) = run(Behaviour { faults, ..Behaviour::default() }, &[]);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_eq!(ended.text().matches("Started by user jane").count(), 1);
    assert_eq!(jenkins.trigger_requests(), 1);
}

#[test]
fn the_trigger_is_never_sent_twice() {
    for fault in [Fault::Reset, Fault::AnswerLost, Fault::Status(502)] {
        let faults = vec![("POST".to_owned(), fault)];
        let (jenkins, ended) = run(Behaviour { faults, ..Behaviour::default() }, &[]);
        assert_eq!(ended.code, 3, "{fault:?}: {ended:?}");
        assert!(last_line(&ended).contains("whether Jenkins took the request is not known"), "{ended:?}");
        assert_eq!(jenkins.trigger_requests(), 1, "{fault:?}");
    }
}

#[test]
fn a_trigger_that_never_reached_jenkins_is_sent_again() {
    let port = FreePort::claim();
    let listener = TcpListener::bind(port.address()).unwrap();
    // Answers the question about the job, and is gone before that answer is out.
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let question = read_request(&stream).unwrap();
        drop(listener);
        reply(&mut stream, 200, "", b"{\"buildable\":true,\"property\":[{}]}").unwrap();
        question
    });
    let ended = signed_in(&format!("http://{}", port.address())).args(["--job", "restart"]).run();
    assert_eq!(server.join().unwrap().method(), "GET");
    assert_eq!(ended.code, 3, "{ended:?}");
    assert_eq!(
        ended.stderr.matches("once more, since Jenkins has seen nothing of it").count(),
        2,
        "{ended:?}"
    );
}

#[test]
fn a_lost_answer_is_made_good_by_the_id_parameter() {
    let behaviour = |polls| Behaviour {
        parameters: vec!["TASK".to_owned()],
        faults: vec![("POST".to_owned(), Fault::AnswerLost)],
        polls_in_queue: Some(polls),
        ..Behaviour::default()
    };
    for polls in [0, 2] {
        let (jenkins, ended) = run(behaviour(polls), &["--id-param", "TASK"]);
        assert_eq!(ended.code, 0, "{ended:?}");
        assert!(ended.text().contains("was found by its parameter"), "{ended:?}");
        assert_eq!(jenkins.triggers(), ["TASK=01890000-0000-7000-8000-000000000001"]);
        assert_eq!(jenkins.trigger_requests(), 1);
    }
}

#[test]
fn jenkins_out_of_reach_is_unknown() {
    let unused = FreePort::claim();
    let ended = signed_in(&format!("http://{}", unused.address()))
        .args(["--job", "restart", "--patience", "2"])
        .run();
    assert_eq!(ended.code, 3, "{ended:?}");
    assert!(last_line(&ended).contains("refused"), "{ended:?}");
}

#[test]
fn plain_http_to_another_machine_is_refused() {
    let ended = signed_in("http://192.0.2.1:8080").args(["--job", "restart", "--patience", "1"]).run();
    assert_eq!(ended.code, 3, "{ended:?}");
    assert!(last_line(&ended).contains("192.0.2.1 is another machine"), "{ended:?}");
}

#[test]
fn a_cancel_in_the_queue_takes_the_item_out() {
    let jenkins = Jenkins::start(Behaviour { polls_in_queue: None, ..Behaviour::default() });
    let mut running = plugin(&jenkins).start();
    running.wait_for_line("waiting in the queue");
    running.cancel();
    let ended = running.end();
    assert_eq!(ended.code, 2, "{ended:?}");
    assert!(last_line(&ended).contains("stopped; queue item 42 was cancelled, confirmed"), "{ended:?}");
    assert!(jenkins.item_was_cancelled());
}

#[test]
fn a_cancel_ends_the_build_as_hard_as_is_needed() {
    for (ends_by, ends) in
        [("stop", &["stop"][..]), ("term", &["stop", "term"]), ("kill", &["stop", "term", "kill"])]
    {
        let jenkins = Jenkins::start(Behaviour { ends_by: Some(ends_by.to_owned()), ..Behaviour::default() });
        let mut running = plugin(&jenkins).args(["--grace", "3"]).start();
        running.wait_for_line("Started by user jane");
        running.cancel();
        let ended = running.end();
        assert_eq!(ended.code, 2, "{ended:?}");
        assert!(last_line(&ended).contains("stopped; build 7 has ended as ABORTED, confirmed"), "{ended:?}");
        assert_eq!(jenkins.ends(), ends);
    }
}

#[test]
fn a_build_that_does_not_stop_is_not_said_to_have_ended() {
    let jenkins = Jenkins::start(Behaviour { ends_by: Some("never".to_owned()), ..Behaviour::default() });
    let mut running = plugin(&jenkins).args(["--grace", "2"]).start();
    running.wait_for_line("Started by user jane");
    running.cancel();
    let ended = running.end();
    assert_eq!(ended.code, 2, "{ended:?}");
    assert!(last_line(&ended).contains("that build 7 has ended is not confirmed"), "{ended:?}");
}

#[test]
fn a_session_that_ended_meanwhile_does_not_keep_a_build_from_being_stopped() {
    let behaviour = Behaviour {
        ends_by: Some("stop".to_owned()),
        faults: vec![("/7/stop".to_owned(), Fault::SessionLost)],
        ..Behaviour::default()
    };
    let jenkins = Jenkins::start(behaviour);
    let mut running = with_password(&jenkins).start();
    running.wait_for_line("Started by user jane");
    running.cancel();
    let ended = running.end();
    assert!(last_line(&ended).contains("stopped; build 7 has ended as ABORTED, confirmed"), "{ended:?}");
    assert_eq!(jenkins.ends(), ["stop"], "a refused crumb is no stop");
}

#[test]
fn a_trigger_with_a_refused_crumb_is_not_sent_again() {
    let faults = vec![("POST /job/restart/build".to_owned(), Fault::SessionLost)];
    let jenkins = Jenkins::start(Behaviour { faults, ..Behaviour::default() });
    let ended = with_password(&jenkins).run();
    assert_eq!(ended.code, 2, "{ended:?}");
    assert!(last_line(&ended).contains("refused the crumb (403)"), "{ended:?}");
    assert_eq!((jenkins.trigger_requests(), jenkins.triggers().len()), (1, 0));
}

#[test]
fn a_stop_that_was_lost_is_sent_again_and_others_know_one_way_only() {
    let behaviour = Behaviour {
        ends_by: Some("stop".to_owned()),
        freestyle: true,
        faults: vec![("/7/stop".to_owned(), Fault::Reset)],
        ..Behaviour::default()
    };
    let jenkins = Jenkins::start(behaviour);
    let mut running = plugin(&jenkins).start();
    running.wait_for_line("Started by user jane");
    running.cancel();
    let ended = running.end();
    assert!(last_line(&ended).contains("stopped; build 7 has ended as ABORTED, confirmed"), "{ended:?}");
    assert_eq!(jenkins.ends(), ["stop"]);
    let stubborn = Behaviour { ends_by: Some("never".to_owned()), freestyle: true, ..Behaviour::default() };
    let jenkins = Jenkins::start(stubborn);
    let mut running = plugin(&jenkins).args(["--grace", "2"]).start();
    running.wait_for_line("Started by user jane");
    running.cancel();
    let ended = running.end();
    assert!(last_line(&ended).contains("that build 7 has ended is not confirmed: http"), "{ended:?}");
}

#[test]
fn a_jenkins_that_falls_silent_does_not_hold_up_a_cancel() {
    for (line, silent_from) in [("waiting in the queue", "/queue/cancelItem"), ("Started by user", "/7/stop")]
    {
        let behaviour = Behaviour {
            polls_in_queue: (silent_from == "/7/stop").then_some(1),
            ends_by: Some("stop".to_owned()),
            silent_from: Some(silent_from.to_owned()),
            ..Behaviour::default()
        };
        let jenkins = Jenkins::start(behaviour);
        let mut running = plugin(&jenkins).env("SELFSERVICE_GRACE", "4").start();
        running.wait_for_line(line);
        let begun = Instant::now();
        running.cancel();
        let ended = running.end();
        assert_eq!(ended.code, 2, "{ended:?}");
        assert!(last_line(&ended).contains("is not confirmed"), "{ended:?}");
        // Far less than the minute that a request may take otherwise.
        assert!(begun.elapsed() < Duration::from_secs(30), "{ended:?}");
    }
}

#[test]
fn what_cannot_be_cancelled_in_the_queue_is_not_said_to_be() {
    let jenkins =
        Jenkins::start(Behaviour { polls_in_queue: None, cancel_refused: true, ..Behaviour::default() });
    let mut running = plugin(&jenkins).args(["--grace", "1"]).start();
    running.wait_for_line("waiting in the queue");
    running.cancel();
    let ended = running.end();
    assert!(last_line(&ended).contains("that queue item 42 was cancelled is not confirmed"), "{ended:?}");
}

#[test]
fn a_cancel_that_meets_the_start_of_the_build_ends_the_build() {
    let behaviour =
        Behaviour { polls_in_queue: Some(1), ends_by: Some("stop".to_owned()), ..Behaviour::default() };
    let jenkins = Jenkins::start(behaviour);
    let mut running = plugin(&jenkins).args(["--poll", "10"]).start();
    // It is a build when the plugin asks the next time.
    running.wait_for_line("waiting in the queue");
    running.cancel();
    let ended = running.end();
    assert!(last_line(&ended).contains("stopped; build 7 has ended as ABORTED, confirmed"), "{ended:?}");
    assert!(!jenkins.item_was_cancelled());
}

#[test]
fn what_somebody_else_asked_for_is_left_alone() {
    let jenkins =
        Jenkins::start(Behaviour { polls_in_queue: None, waiting_already: true, ..Behaviour::default() });
    let mut running = plugin(&jenkins).start();
    running.wait_for_line("waiting in the queue");
    running.cancel();
    let ended = running.end();
    assert!(last_line(&ended).contains("was left alone, because somebody else"), "{ended:?}");
    assert!(!jenkins.item_was_cancelled());
}

#[test]
fn leave_running_and_no_wait_leave_the_build_alone() {
    let jenkins = Jenkins::start(Behaviour { ends_by: Some("stop".to_owned()), ..Behaviour::default() });
    let mut running = plugin(&jenkins).args(["--leave-running"]).start();
    running.wait_for_line("Started by user jane");
    running.cancel();
    let ended = running.end();
    assert_eq!(ended.code, 2, "{ended:?}");
    assert!(last_line(&ended).contains("the build goes on"), "{ended:?}");
    assert!(jenkins.ends().is_empty());
    let (jenkins, ended) =
        run(Behaviour { ends_by: Some("stop".to_owned()), ..Behaviour::default() }, &["--no-wait"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(jenkins.ends().is_empty() && jenkins.triggers().len() == 1);
}

#[test]
fn limits_of_queue_and_build_end_them_on_jenkins() {
    let (jenkins, ended) =
        run(Behaviour { polls_in_queue: None, ..Behaviour::default() }, &["--queue-timeout", "1"]);
    assert_eq!(ended.code, 2, "{ended:?}");
    assert!(jenkins.item_was_cancelled());
    let behaviour = Behaviour { ends_by: Some("stop".to_owned()), ..Behaviour::default() };
    let (jenkins, ended) = run(behaviour, &["--timeout", "1"]);
    assert_eq!(ended.code, 2, "{ended:?}");
    assert!(last_line(&ended).contains("took longer than 1 s; build 7 has ended as ABORTED"), "{ended:?}");
    assert_eq!(jenkins.ends(), ["stop"]);
}

#[test]
fn a_check_signs_in_and_triggers_nothing() {
    let behaviour = Behaviour { parameters: vec!["UNIT".to_owned()], ..Behaviour::default() };
    let (jenkins, ended) = run(behaviour, &["--check", "--param", "UNIT=x"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_eq!(jenkins.trigger_requests(), 0);
}

#[test]
fn the_old_name_and_no_secret_in_argv() {
    let jenkins = Jenkins::start(Behaviour { ends_by: Some("stop".to_owned()), ..Behaviour::default() });
    let running = Plugin::new("Jenkins.sh")
        .args(["--url", &jenkins.url, "--job", "restart", "--user", "jane", "--token-secret", "TOKEN"])
        .env("SELFSERVICE_SECRET_TOKEN", "token-of-jane")
        .start();
    eventually("the trigger arrives", || jenkins.trigger_requests() == 1);
    assert!(!running.argv().contains("token-of-jane"), "{}", running.argv());
    running.cancel();
    assert_eq!(running.end().code, 2);
}
