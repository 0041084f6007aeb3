//! From a click to a row: plans, confirmations, duplicates, and what requests must not say.

use crate::common::{Api, Person, with_key};
use selfservice_core::access::Verb;
use selfservice_core::db::{DbError, PgConnection};
use selfservice_core::models::tasks::TaskResult;
use selfservice_core::models::typed_secrets;
use selfservice_core::models::workers::Worker;
use selfservice_core::queue;
use selfservice_core::sealing::OpeningKey;
use serde_json::{Value, json};
use uuid::Uuid;

/// The queued task's arguments, as JSON so that nothing is lost on the way.
fn stored_argv(api: &Api, id: Uuid) -> Vec<String> {
    let text = api.database.sql(&format!("SELECT to_json(argv) FROM tasks WHERE id = '{id}'"));
    serde_json::from_str(&text).unwrap()
}

#[tokio::test]
async fn what_was_shown_is_what_is_queued() {
    let api = Api::start();
    let alice = api.person(api.world.alice);
    let plan = api.echo(json!({"text": "it's $(here)", "count": "3"}));
    let shown = alice.post("/plans", &plan).await.body;
    assert_eq!(shown["argv"], json!(["echo", "127.0.0.1", "--text=it's $(here)", "3"]));
    assert_eq!(shown["command"], r"echo 127.0.0.1 '--text=it'\''s $(here)' 3");
    assert_eq!(shown["confirmation"], "confirm");
    assert_eq!(shown["environments"], json!([{"name": "production", "colour": "red"}]));
    let mut body = with_key(&plan, &shown["nonce"]);
    body["reason"] = json!("  the disk is full ");
    let made = alice.post("/tasks", &body).await;
    assert_eq!((made.status.as_u16(), &made.body["attached"]), (201, &json!(false)));
    let task = &made.body["task"];
    assert_eq!(task["argv"], json!(["127.0.0.1", "--text=it's $(here)", "3"]));
    assert_eq!(
        (&task["state"], &task["result"], &task["severity"]),
        (&json!("queued"), &Value::Null, &Value::Null)
    );
    assert_eq!(
        (&task["requester"], &task["origin"], &task["reason"]),
        (&json!("alice"), &json!("gui"), &json!("the disk is full"))
    );
    assert_eq!((&task["can_cancel"], &task["can_run"]), (&json!(true), &json!(true)));
    assert_eq!(task["waiting_reason"], "no plugins manager is running");
    assert_eq!(task["page_url"], format!("/tasks/{}", made.id()));
    assert_eq!(
        api.database.sql("SELECT actor, action, object, detail ->> 'reason', identity FROM audit"),
        "alice|task.create|echo on web-1|the disk is full|password"
    );
    assert_eq!(api.database.sql("SELECT task_id FROM audit"), made.id().to_string());
}

#[tokio::test]
async fn hostile_values_arrive_byte_for_byte_or_are_refused() {
    let api = Api::start();
    let alice = api.person(api.world.alice);
    for value in [
        ";",
        "|",
        "&",
        "$(reboot)",
        "`reboot`",
        "(",
        ")",
        "'",
        "\"",
        "\\",
        "$HOSTADDRESS$",
        "$USER1$",
        "$$",
        "$ARG2$",
        "%s",
        "a b",
        "a\tb",
        "~",
        "#",
        "!",
        "*?",
        "><",
        "é",
        "日本",
        "'; DROP TABLE tasks; --",
        "file:///etc/passwd",
        "{}",
        "$GREETING$",
    ] {
        let plan = api.echo(json!({"text": value}));
        let shown = alice.post("/plans", &plan).await;
        if value.contains('\t') {
            assert_eq!(shown.status, 400);
            continue;
        }
        let made = alice.confirm(&plan).await;
        assert_eq!(made.status, 201, "{value}: {made:?}");
        assert_eq!(stored_argv(&api, made.id()), ["127.0.0.1", &format!("--text={value}"), "1"], "{value}");
        let cancelled = alice.post(&format!("/tasks/{}/cancel", made.id()), &json!({})).await;
        assert_eq!(cancelled.status, 202);
    }
    let before = api.count("SELECT count(*) FROM tasks");
    for value in [
        "-oProxyCommand=x",
        "--text",
        "@file",
        "a\nb",
        "a\r\nb",
        "a\0b",
        "a\u{2028}b",
        "a\u{85}b",
        "\u{202e}cba",
    ] {
        let refused = alice.post("/plans", &api.echo(json!({"text": value}))).await;
        assert_eq!(refused.status, 400, "{value:?}: {refused:?}");
        assert!(refused.body["errors"]["text"].as_str().unwrap().starts_with("must not"), "{refused:?}");
        let token = api.token(api.world.alice, Verb::Run);
        let direct = token.post("/tasks", &with_key(&api.echo(json!({"text": value})), &Value::Null)).await;
        assert_eq!(direct.status, 400, "{value:?}: {direct:?}");
    }
    let long = alice.post("/plans", &api.echo(json!({"text": "x".repeat(2000)}))).await;
    assert_eq!(long.status, 400);
    assert_eq!(api.count("SELECT count(*) FROM tasks"), before, "nothing was queued");
}

#[tokio::test]
async fn parameters_are_checked_all_at_once() {
    let api = Api::start();
    let alice = api.person(api.world.alice);
    let refused =
        alice.post("/plans", &api.echo(json!({"text": "", "count": "10", "LD_PRELOAD": "x"}))).await;
    assert_eq!(refused.status, 400);
    assert_eq!(
        refused.body["errors"],
        json!({"text": "must not be empty", "count": "must be a whole number from 0 to 9", "LD_PRELOAD": "is not a parameter of this handler"})
    );
}

#[tokio::test]
async fn a_nonce_stands_for_one_command_of_one_person_once() {
    let api = Api::start();
    let world = &api.world;
    let alice = api.person(world.alice);
    let plan = api.echo(json!({"text": "a"}));
    let nonce = async |person: &Person| person.post("/plans", &plan).await.body["nonce"].clone();
    assert_eq!(alice.post("/tasks", &with_key(&plan, &Value::Null)).await.status, 400, "none");
    let theirs = nonce(&api.person(world.root)).await;
    let refused = async |body: Value, why: &str| {
        let answer = alice.post("/tasks", &body).await;
        assert_eq!(answer.status, 409, "{answer:?}");
        assert!(answer.detail().contains(why), "{answer:?}");
    };
    refused(with_key(&plan, &theirs), "used already, or it is too old").await;
    refused(with_key(&plan, &json!(Uuid::new_v4())), "used already").await;
    let other = api.echo(json!({"text": "b"}));
    refused(with_key(&other, &nonce(&alice).await), "changed since it was shown").await;
    let old = nonce(&alice).await;
    api.database.sql("UPDATE confirmations SET expires_at = now() - interval '1 second'");
    refused(with_key(&plan, &old), "too old").await;
    let before_change = nonce(&alice).await;
    api.database.sql(
        "UPDATE event_handlers SET arguments = '{--force}', revision = revision + 1 WHERE name = 'echo'",
    );
    refused(with_key(&plan, &before_change), "changed since it was shown").await;
    assert_eq!(api.count("SELECT count(*) FROM tasks"), 0);
    let good = nonce(&alice).await;
    assert_eq!(alice.post("/tasks", &with_key(&plan, &good)).await.status, 201);
    api.database.sql("UPDATE tasks SET state = 'finished', result = 'ok', finished_at = now()");
    refused(with_key(&plan, &good), "used already").await;
}

#[tokio::test]
async fn a_dangerous_action_needs_the_hosts_name() {
    let api = Api::start();
    let world = &api.world;
    let plan =
        json!({"host_id": world.web_1, "service_id": world.os, "handler_id": world.danger, "parameters": {}});
    let alice = api.person(world.alice);
    let shown = alice.post("/plans", &plan).await.body;
    assert_eq!(shown["confirmation"], "typed");
    let mut body = with_key(&plan, &shown["nonce"]);
    for wrong in [Value::Null, json!(""), json!("web-2"), json!("WEB-1"), json!("web-1 ")] {
        body["typed_host"] = wrong;
        let refused = alice.post("/tasks", &body).await;
        assert_eq!(refused.status, 400);
        assert!(refused.detail().contains("web-1"), "{refused:?}");
    }
    body["typed_host"] = json!("web-1");
    assert_eq!(alice.post("/tasks", &body).await.status, 201, "a wrong name did not use the nonce up");
    let program = api.token(world.alice, Verb::Run);
    assert_eq!(program.post("/tasks", &with_key(&plan, &Value::Null)).await.status, 400, "tokens too");
}

#[tokio::test]
async fn a_reason_is_asked_of_everybody() {
    let api = Api::start();
    api.database.sql("UPDATE event_handlers SET reason_required = true");
    let alice = api.person(api.world.alice);
    let mut body = api.check(api.world.web_1);
    for wrong in [Value::Null, json!(" \n"), json!("a\0b"), json!("x".repeat(1001)), json!("\u{202e}")] {
        body["reason"] = wrong;
        assert_eq!(alice.post("/tasks", &body).await.status, 400);
        assert_eq!(api.token(api.world.alice, Verb::Run).post("/tasks", &body).await.status, 400);
    }
    body["reason"] = json!("line one\nline two");
    assert_eq!(alice.post("/tasks", &body).await.body["task"]["reason"], "line one\nline two");
}

#[tokio::test]
async fn a_double_click_makes_one_task() {
    let api = Api::start();
    let alice = api.person(api.world.alice);
    let plan = api.echo(json!({"text": "a"}));
    let shown = alice.post("/plans", &plan).await.body;
    let body = with_key(&plan, &shown["nonce"]);
    let clicks = (0..20).map(|_| alice.post("/tasks", &body));
    let answers = futures_util::future::join_all(clicks).await;
    let made = answers.iter().filter(|answer| answer.status == 201).count();
    let attached = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!((made, attached), (1, 19), "{answers:?}");
    assert!(answers.iter().all(|answer| answer.id() == answers[0].id()));
    api.database.sql("UPDATE tasks SET state = 'finished', result = 'ok', finished_at = now()");
    let late = alice.post("/tasks", &body).await;
    assert_eq!((late.status.as_u16(), late.id()), (200, answers[0].id()), "a repeated request long after");
    assert_eq!(api.count("SELECT count(*) FROM tasks"), 1);
    let mut other = body.clone();
    other["parameters"] = json!({"text": "b"});
    assert_eq!(alice.post("/tasks", &other).await.status, 409, "a key belongs to one request");
}

#[tokio::test]
async fn the_same_attaches_and_other_parameters_wait() {
    let api = Api::start();
    let alice = api.person(api.world.alice);
    let root = api.person(api.world.root);
    let first = alice.confirm(&api.echo(json!({"text": "a"}))).await;
    let same = root.confirm(&api.echo(json!({"text": "a"}))).await;
    assert_eq!((same.status.as_u16(), &same.body["attached"]), (200, &json!(true)));
    assert_eq!((same.id(), &same.body["task"]["requester"]), (first.id(), &json!("alice")));
    let busy = root.confirm(&api.echo(json!({"text": "b"}))).await;
    assert_eq!((busy.status.as_u16(), &busy.body["task_id"]), (409, &json!(first.id())));
    assert!(busy.detail().contains("started by alice"), "{busy:?}");
    assert_eq!(
        api.database.sql("SELECT string_agg(actor || ' ' || action, ', ' ORDER BY id) FROM audit"),
        "alice task.create, root task.attach"
    );
}

#[tokio::test]
async fn a_check_and_a_question_are_confirmed_as_what_they_are() {
    let api = Api::start();
    let alice = api.person(api.world.alice);
    let with = |kind: &str| {
        let mut plan = api.echo(if kind == "help" { json!({}) } else { json!({"text": "a"}) });
        plan["kind"] = json!(kind);
        plan
    };
    for (kind, command) in [("check", "echo --check 127.0.0.1 --text=a 1"), ("help", "echo --help")] {
        let shown = alice.post("/plans", &with(kind)).await;
        assert_eq!((shown.status.as_u16(), &shown.body["command"]), (200, &json!(command)), "{shown:?}");
        let as_run = alice.post("/tasks", &with_key(&with("run"), &shown.body["nonce"])).await;
        assert_eq!(as_run.status, 409, "a run was not what was shown: {as_run:?}");
        let bob = api.person(api.world.bob);
        assert_eq!(bob.post("/plans", &with(kind)).await.status, 403, "who may not run it may not ask it");
        let made = alice.confirm(&with(kind)).await;
        assert_eq!((made.status.as_u16(), &made.body["task"]["kind"]), (201, &json!(kind)), "{made:?}");
        let busy = alice.confirm(&with("run")).await;
        let told = if kind == "check" { "already, as a check," } else { "already, to say what it is," };
        assert!(busy.status == 409 && busy.detail().contains(told), "{busy:?}");
        let manager = api.manager(1);
        api.claim(&manager);
        api.finish(made.id(), &manager, TaskResult::Ok);
    }
    assert_eq!(
        api.database.sql("SELECT string_agg(action, ' ' ORDER BY id) FROM audit WHERE task_id IS NOT NULL"),
        "task.check task.help"
    );
    let view = alice.get("/popup?host=web-1").await;
    let actions = view.body["services"][0]["actions"].as_array().unwrap().clone();
    let echo = actions.into_iter().find(|action| action["name"] == "echo").unwrap();
    assert_eq!(echo["recent"], json!([]), "neither of them has helped");
    assert_eq!(view.body["recent"][0]["kind"], "help");
    let unknown = alice.post("/plans", &with("explain")).await;
    assert_eq!(unknown.status, 400, "{unknown:?}");
}

#[tokio::test]
async fn a_secret_is_sealed_for_the_managers_that_live() {
    let api = Api::start();
    api.database.sql(
        "UPDATE event_handlers SET parameters = '[{\"name\": \"password\", \"type\": \"secret\"}]' WHERE name = 'ok'",
    );
    let (alice, alone) = (api.person(api.world.alice), api.check(api.world.web_1));
    let with = |secrets: Value| {
        let mut body = alone.clone();
        body["secrets"] = secrets;
        body["request_key"] = json!(Uuid::new_v4());
        body
    };
    let shown = alice.post("/plans", &json!({"host_id": api.world.web_1, "service_id": api.world.os, "handler_id": api.world.ok, "parameters": {}})).await;
    assert_eq!(
        (shown.status.as_u16(), &shown.body["command"]),
        (200, &json!("ok")),
        "no secret is needed to show it"
    );
    for (secrets, field, why) in [
        (json!({}), "password", "must not be empty"),
        (json!({"password": "x7!"}), "password", "is too short"),
        (json!({"password": "password1"}), "password", "is a common word"),
        (json!({"password": "hunter2\u{0}hunter2"}), "password", "must not contain control characters"),
        (
            json!({"password": "hunter2 hunter2", "user": "hunter2 hunter2"}),
            "user",
            "is not a secret parameter",
        ),
    ] {
        let refused = alice.post("/tasks", &with(secrets)).await;
        let text = refused.body["errors"][field].as_str().unwrap_or_default();
        assert!(refused.status == 400 && text.starts_with(why), "{refused:?}");
        assert!(!refused.body.to_string().contains("hunter2"), "{refused:?}");
    }
    let mut open = with(json!({}));
    open["parameters"] = json!({"password": "hunter2 hunter2"});
    let refused = alice.post("/tasks", &open).await;
    assert!(refused.body["errors"]["password"].as_str().unwrap().contains("'secrets'"), "{refused:?}");
    let refused = alice.post("/tasks", &with(json!({"password": ["hunter2 hunter2"]}))).await;
    assert!(refused.status == 400 && !refused.body.to_string().contains("hunter2"), "{refused:?}");
    let nobody = alice.post("/tasks", &with(json!({"password": "hunter2 hunter2"}))).await;
    assert!(nobody.status == 409 && nobody.detail().starts_with("No plugins manager"), "{nobody:?}");
    assert_eq!(api.count("SELECT count(*) FROM tasks"), 0);

    let (manager, other) = (api.manager(1), api.manager(1));
    let (key, other_key) = (OpeningKey::generate().unwrap(), OpeningKey::generate().unwrap());
    for (worker, key) in [(&manager, &key), (&other, &other_key)] {
        let told = |c: &mut _| Ok::<_, DbError>(Worker::tell_sealing_key(c, worker.id, key.sealing_key())?);
        api.database.pool().run(told).unwrap();
    }
    let body = with(json!({"password": "hunter2 hunter2"}));
    let made = alice.post("/tasks", &body).await;
    assert_eq!(
        (made.status.as_u16(), &made.body["task"]["secret_parameters"]),
        (201, &json!(["password"])),
        "{made:?}"
    );
    assert_eq!(alice.post("/tasks", &body).await.id(), made.id(), "the same click");
    let again = alice.post("/tasks", &with(json!({"password": "hunter2 hunter2"}))).await;
    assert!(again.status == 409 && again.detail().contains("with a secret that was typed"), "{again:?}");
    assert_eq!(api.database.rows_with("hunter2"), "", "in clear it stands in no table");
    let read = |worker: &Worker, key: &OpeningKey| {
        let read = |c: &mut _| Ok::<_, DbError>(typed_secrets::readable(c, worker.id, key, &[made.id()])?);
        api.database.pool().run(read).unwrap()
    };
    for (worker, key) in [(&manager, &key), (&other, &other_key)] {
        assert_eq!(read(worker, key)[&made.id()]["password"].expose(), "hunter2 hunter2");
    }
    assert!(read(&manager, &other_key).is_empty(), "each reads its own");
    api.database.sql("UPDATE typed_secrets SET tasks_id = gen_random_uuid() WHERE true");
    let moved: Uuid = api.database.sql("SELECT tasks_id FROM typed_secrets LIMIT 1").parse().unwrap();
    let read = |c: &mut _| Ok::<_, DbError>(typed_secrets::readable(c, manager.id, &key, &[moved])?);
    assert!(api.database.pool().run(read).unwrap().is_empty(), "in another task's row it is worth nothing");
}

#[tokio::test]
async fn a_secret_goes_with_its_task_however_that_ends() {
    let api = Api::start();
    api.database.sql(
        "UPDATE event_handlers SET parameters = '[{\"name\": \"password\", \"type\": \"secret\"}]' WHERE name = 'ok'",
    );
    let alice = api.person(api.world.alice);
    let manager = api.manager(1);
    let key = OpeningKey::generate().unwrap();
    let told = |c: &mut _| Ok::<_, DbError>(Worker::tell_sealing_key(c, manager.id, key.sealing_key())?);
    api.database.pool().run(told).unwrap();
    for end in ["cancel", "expire", "lose", "restore"] {
        let mut body = api.check(api.world.web_1);
        body["secrets"] = json!({"password": "hunter2 hunter2"});
        let made = alice.post("/tasks", &body).await;
        assert_eq!(
            (made.status.as_u16(), api.count("SELECT count(*) FROM typed_secrets")),
            (201, 1),
            "{made:?}"
        );
        let done = |work: &dyn Fn(&mut PgConnection) -> Result<(), DbError>| {
            api.database.pool().transaction(|c| work(c)).unwrap()
        };
        match end {
            "cancel" => {
                assert_eq!(alice.post(&format!("/tasks/{}/cancel", made.id()), &json!({})).await.status, 202)
            }
            "expire" => {
                api.database.sql("UPDATE tasks SET expires_at = now() - interval '1 s'");
                done(&|c| Ok(queue::expire(c).map(drop)?));
            }
            "lose" => {
                api.claim(&manager);
                api.finish(made.id(), &manager, TaskResult::Lost);
            }
            _ => {
                api.database.sql(queue::AFTER_RESTORE);
            }
        }
        assert_eq!(api.count("SELECT count(*) FROM typed_secrets"), 0, "{end}");
    }
}

#[tokio::test]
async fn an_unknown_macro_is_named() {
    let api = Api::start();
    api.database.sql("UPDATE event_handlers SET arguments = '{$NOSUCHTHING$}' WHERE name = 'echo'");
    let refused = api.person(api.world.alice).post("/plans", &api.echo(json!({}))).await;
    assert_eq!(refused.status, 400);
    assert!(refused.detail().contains("NOSUCHTHING"), "{refused:?}");
}

#[tokio::test]
async fn macros_of_the_installation_are_one_argument() {
    let api = Api::start();
    api.database.sql("UPDATE event_handlers SET arguments = '{$GREETING$,-H,$HOSTNAME$}' WHERE name = 'ok'");
    let id = api.queued().await;
    assert_eq!(stored_argv(&api, id), ["hello; $(reboot)", "-H", "web-1"]);
}

#[tokio::test]
async fn requests_are_read_strictly() {
    let api = Api::start();
    let world = &api.world;
    let alice = api.person(world.alice);
    let good = api.check(world.web_1);
    let changed = |name: &str, value: Value| {
        let mut body = good.clone();
        body[name] = value;
        body
    };
    for (name, value) in [
        ("state", json!("finished")),
        ("id", json!(Uuid::new_v4())),
        ("exit_code", json!(0)),
        ("created_at", json!("2026-01-01T00:00:00Z")),
        ("host_id", json!("1")),
        ("host_id", json!([1])),
        ("host_id", json!(1.5)),
        ("parameters", json!({"count": 1})),
        ("parameters", json!([])),
        ("parameters", Value::Null),
        ("reason", json!({})),
        ("request_key", json!("1")),
        ("request_key", json!("{67e55044-10b1-426f-9247-bb680e5fe0c8}")),
        ("request_key", json!("67e5504410b1426f9247bb680e5fe0c8")),
        ("nonce", json!("none")),
    ] {
        let answer = alice.post("/tasks", &changed(name, value.clone())).await;
        assert_eq!(answer.status, 400, "{name} = {value}: {answer:?}");
        assert!(answer.detail().ends_with('.'), "{answer:?}");
    }
    let text = good.to_string();
    for (wrong, word) in [
        (text.replacen('{', r#"{"host_id":1,"#, 1), "twice"),
        (text.replace(r#""parameters":{}"#, r#""parameters":{"a":"1","a":"2"}"#), "twice"),
        (format!("{}{}", "[".repeat(10_000), "]".repeat(10_000)), "not understood"),
        (text.clone() + "x", "not understood"),
        (String::new(), "not understood"),
    ] {
        let answer = alice.post_text("/tasks", &wrong).await;
        assert_eq!(answer.status, 400, "{wrong:.80}");
        assert!(answer.detail().contains(word), "{wrong:.80}: {answer:?}");
    }
    let many: serde_json::Map<_, _> = (0..101).map(|n| (format!("p{n}"), json!("x"))).collect();
    assert_eq!(alice.post("/tasks", &changed("parameters", json!(many))).await.status, 400);
    let huge = changed("reason", json!("x".repeat(3_000_000)));
    assert!([400, 413].contains(&alice.post("/tasks", &huge).await.status.as_u16()));
    assert_eq!(alice.post("/tasks/none/cancel", &json!({})).await.status, 404);
    assert_eq!(api.count("SELECT count(*) FROM tasks"), 0);
}

#[tokio::test]
async fn a_queued_task_is_cancelled_at_once_and_a_running_one_is_asked() {
    let api = Api::start();
    let alice = api.person(api.world.alice);
    let id = api.queued().await;
    let path = format!("/tasks/{id}/cancel");
    assert_eq!(alice.post(&path, &json!({"force": true})).await.status, 400);
    let answer = alice.post(&path, &json!({})).await;
    assert_eq!(answer.status, 202);
    assert_eq!(
        (&answer.body["task"]["result"], &answer.body["task"]["severity"]),
        (&json!("cancelled"), &json!("none"))
    );
    assert_eq!(answer.body["task"]["can_cancel"], json!(false));
    assert_eq!(alice.post(&path, &json!({})).await.status, 409, "it has finished");
    let worker = api.manager(1);
    let running = api.queued().await;
    api.claim(&worker);
    let answer = alice.post(&format!("/tasks/{running}/cancel"), &json!({})).await;
    assert_eq!((answer.status.as_u16(), &answer.body["task"]["state"]), (202, &json!("running")));
    assert_eq!(answer.body["task"]["cancel_requested_by"], "alice");
    assert_eq!(answer.body["task"]["manager"], "eu-1");
    assert_eq!(api.count("SELECT count(*) FROM audit WHERE action = 'task.cancel'"), 2);
}

#[tokio::test]
async fn a_waiting_task_says_what_it_waits_for() {
    let api = Api::start();
    let root = api.person(api.world.root);
    let reason = async |id: Uuid| root.get(&format!("/tasks/{id}")).await.body["waiting_reason"].clone();
    let first = api.queued().await;
    assert_eq!(reason(first).await, "no plugins manager is running");
    let worker = api.manager(1);
    assert_eq!(reason(first).await, Value::Null, "it is about to start");
    let second = root.post("/tasks", &api.check(api.world.web_2)).await.id();
    assert_eq!(reason(second).await, "1 task stands before it");
    api.database.sql(&format!("UPDATE workers SET running = 1 WHERE id = '{}'", worker.id));
    assert_eq!(reason(second).await, "all plugins managers are busy; 1 task stands before it");
    api.claim(&worker);
    assert_eq!(reason(second).await, Value::Null);
}
