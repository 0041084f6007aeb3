//! The queue's promises, statement by statement.

use chrono::Utc;
use selfservice_core::db::{DbError, PgConnection, QueryError};
use selfservice_core::models::event_handlers::Risk;
use selfservice_core::models::logs::{Chunk, Stream};
use selfservice_core::models::tasks::{Identity, Origin, Task, TaskKind, TaskResult, TaskState};
use selfservice_core::models::workers::{Presence, Worker};
use selfservice_core::queue::{self, Cancelled, Claim, Enqueued, Finish, NewTask};
use std::time::Duration;
use test_support::TestDatabase;
use test_support::fixture::World;
use uuid::Uuid;

/// Longer than any server of these tests has been up.
const LEASE: Duration = Duration::from_secs(3600);

fn new_task(world: &World, handler: i64) -> NewTask {
    NewTask {
        id: Uuid::now_v7(),
        event_handlers_id: handler,
        handler_name: "ok".into(),
        handler_revision: 1,
        hosts_id: world.web_1,
        host_name: "web-1".into(),
        services_id: world.os,
        service_name: "os".into(),
        environments: vec!["production".into()],
        plugin: "ok".into(),
        argv: vec!["a".into()],
        plan_hash: vec![1],
        parameters: serde_json::json!({}),
        kind: TaskKind::Run,
        secret_parameters: Vec::new(),
        risk: Risk::Normal,
        timeout_seconds: 30,
        reason: None,
        users_id: Some(world.alice),
        requester: "alice".into(),
        identity: Identity::Password,
        token_verb: None,
        origin: Origin::Gui,
        request_key: Uuid::new_v4(),
        created_at: Utc::now(),
        expires_at: Utc::now() + Duration::from_secs(60),
        retry_of: None,
        attempt: 1,
    }
}

fn run<T>(database: &TestDatabase, work: impl FnOnce(&mut PgConnection) -> Result<T, QueryError>) -> T {
    database.pool().transaction::<_, DbError>(|connection| Ok(work(connection)?)).unwrap()
}

fn presence(slots: u32, tags: &[String], lease: Duration) -> Presence<'_> {
    Presence { slots, tags, running: 0, stopping: false, lease }
}

fn register(database: &TestDatabase, name: &str, lease: Duration) -> Worker {
    run(database, |c| Worker::register(c, Uuid::now_v7(), name, "0", &presence(4, &[], lease)))
}

fn enqueue_new(database: &TestDatabase, task: &NewTask) -> Uuid {
    assert!(matches!(run(database, |c| queue::enqueue(c, task)), Enqueued::New(_)));
    task.id
}

fn claim(database: &TestDatabase, worker: &Worker, limit: usize) -> Vec<Claim> {
    run(database, |c| queue::claim(c, worker, LEASE, limit, None))
}

fn task(database: &TestDatabase, id: Uuid) -> Task {
    run(database, |c| Task::find(c, id)).unwrap()
}

fn end(id: Uuid, epoch: i64) -> Finish {
    Finish {
        id,
        epoch,
        result: TaskResult::Ok,
        exit_code: Some(0),
        result_text: None,
        summary: None,
        perfdata: None,
    }
}

#[test]
fn the_same_click_and_the_same_command_never_make_a_second_task() {
    let database = TestDatabase::new();
    let world = World::new(&database);
    let first = new_task(&world, world.ok);
    enqueue_new(&database, &first);
    let again = NewTask { id: Uuid::now_v7(), ..first.clone() };
    assert!(
        matches!(run(&database, |c| queue::enqueue(c, &again)), Enqueued::Attached(t) if t.id == first.id)
    );
    let same_command = NewTask { id: Uuid::now_v7(), request_key: Uuid::new_v4(), ..first.clone() };
    assert!(
        matches!(run(&database, |c| queue::enqueue(c, &same_command)), Enqueued::Attached(t) if t.id == first.id)
    );
    let other_command = NewTask { argv: vec!["b".into()], ..same_command };
    assert!(
        matches!(run(&database, |c| queue::enqueue(c, &other_command)), Enqueued::Busy(t) if t.id == first.id)
    );
    assert_eq!(database.sql("SELECT count(*) FROM tasks"), "1");
}

#[test]
fn fifty_clicks_at_once_make_one_task() {
    let database = TestDatabase::new();
    let world = World::new(&database);
    let template = new_task(&world, world.ok);
    let ids: Vec<Uuid> = std::thread::scope(|scope| {
        let clicks: Vec<_> = (0..50)
            .map(|_| {
                let click = NewTask { id: Uuid::now_v7(), ..template.clone() };
                let database = &database;
                scope.spawn(move || match run(database, |c| queue::enqueue(c, &click)) {
                    Enqueued::New(task) | Enqueued::Attached(task) | Enqueued::Busy(task) => task.id,
                })
            })
            .collect();
        clicks.into_iter().map(|click| click.join().unwrap()).collect()
    });
    assert!(ids.iter().all(|id| Some(id) == ids.first()));
    assert_eq!(database.sql("SELECT count(*) FROM tasks"), "1");
}

#[test]
fn managers_claim_disjoint_tasks() {
    let database = TestDatabase::new();
    let world = World::new(&database);
    let handlers = [world.ok, world.warning, world.critical, world.slow, world.echo, world.danger];
    for handler in handlers {
        enqueue_new(&database, &new_task(&world, handler));
    }
    let workers: Vec<Worker> = (0..4).map(|n| register(&database, &format!("m{n}"), LEASE)).collect();
    let mut claimed: Vec<Uuid> = std::thread::scope(|scope| {
        let claims: Vec<_> =
            workers.iter().map(|worker| scope.spawn(|| claim(&database, worker, 3))).collect();
        claims.into_iter().flat_map(|c| c.join().unwrap()).map(|claim| claim.task.id).collect()
    });
    // SKIP LOCKED may leave a task that another claim held for a moment.
    claimed.extend(claim(&database, workers.first().unwrap(), 10).into_iter().map(|claim| claim.task.id));
    claimed.sort();
    claimed.dedup();
    assert_eq!(claimed.len(), handlers.len());
    assert_eq!(
        database.sql("SELECT count(*) FROM tasks WHERE state = 'running'"),
        handlers.len().to_string()
    );
}

#[test]
fn a_manager_whose_lease_ran_out_gets_nothing() {
    let database = TestDatabase::new();
    let world = World::new(&database);
    enqueue_new(&database, &new_task(&world, world.ok));
    let worker = register(&database, "m", LEASE);
    database.sql("UPDATE workers SET alive_until = now() - interval '1 s'");
    assert!(claim(&database, &worker, 1).is_empty());
}

#[test]
fn a_stale_epoch_writes_nothing() {
    let database = TestDatabase::new();
    let world = World::new(&database);
    let id = enqueue_new(&database, &new_task(&world, world.ok));
    let worker = register(&database, "m", LEASE);
    assert_eq!(claim(&database, &worker, 1).len(), 1);
    let stale = worker.epoch - 1;
    assert!(!run(&database, |c| queue::finish(c, &end(id, stale))));
    assert!(run(&database, |c| queue::renew(c, stale, &[id], LEASE)).is_empty());
    assert_eq!(run(&database, |c| queue::give_back(c, stale, &[id])), 0);
    assert_eq!(task(&database, id).state, TaskState::Running);
    assert!(run(&database, |c| queue::finish(c, &end(id, worker.epoch))));
    assert!(!run(&database, |c| queue::finish(c, &end(id, worker.epoch))), "final is final");
}

#[test]
fn a_lost_task_takes_the_real_result_of_its_own_epoch_once_and_flags_it() {
    let database = TestDatabase::new();
    let world = World::new(&database);
    let id = enqueue_new(&database, &new_task(&world, world.ok));
    let worker = register(&database, "m", LEASE);
    claim(&database, &worker, 1);
    assert!(run(&database, queue::rescue).lost.is_empty(), "the lease is good");
    database.sql("UPDATE tasks SET lease_until = now() - interval '1 s'");
    assert!(
        run(&database, queue::rescue).lost.is_empty(),
        "the test's server has been up for less than a lease: the manager may still renew"
    );
    database.sql("UPDATE workers SET alive_until = heartbeat_at");
    assert_eq!(run(&database, queue::rescue).lost, [id]);
    assert_eq!(task(&database, id).result, Some(TaskResult::Lost));
    assert!(!run(&database, |c| queue::finish(c, &end(id, worker.epoch + 1))));
    let again = Finish { result: TaskResult::Lost, ..end(id, worker.epoch) };
    assert!(!run(&database, |c| queue::finish(c, &again)), "lost already");
    assert!(!task(&database, id).late);
    assert!(run(&database, |c| queue::finish(c, &end(id, worker.epoch))));
    let late = task(&database, id);
    assert_eq!((late.result, late.late), (Some(TaskResult::Ok), true));
    assert!(!run(&database, |c| queue::finish(c, &end(id, worker.epoch))));
}

#[test]
fn what_is_given_back_is_queued_again_and_what_waits_too_long_expires() {
    let database = TestDatabase::new();
    let world = World::new(&database);
    let id = enqueue_new(&database, &new_task(&world, world.ok));
    let worker = register(&database, "m", LEASE);
    claim(&database, &worker, 1);
    assert_eq!(run(&database, |c| queue::give_back(c, worker.epoch, &[id])), 1);
    let back = task(&database, id);
    assert_eq!((back.state, back.started_at, back.workers_id), (TaskState::Queued, None, None));
    assert!(run(&database, queue::expire).is_empty());
    database.sql("UPDATE tasks SET expires_at = now() - interval '1 s'");
    assert!(claim(&database, &worker, 1).is_empty(), "an expired task is not started");
    assert_eq!(run(&database, queue::expire), [id]);
    assert_eq!(task(&database, id).result, Some(TaskResult::Expired));
    assert_eq!(log(&database, id), "Expired: no manager took it in time.\n");
}

#[test]
fn cancelling_ends_a_queued_task_at_once_and_asks_for_a_running_one() {
    let database = TestDatabase::new();
    let world = World::new(&database);
    let queued = enqueue_new(&database, &new_task(&world, world.ok));
    assert_eq!(run(&database, |c| queue::cancel(c, queued, "bob")), Cancelled::BeforeStart);
    assert_eq!(task(&database, queued).result, Some(TaskResult::Cancelled));
    assert_eq!(log(&database, queued), "Cancelled by bob before it started.\n");
    let running = enqueue_new(&database, &new_task(&world, world.ok));
    let worker = register(&database, "m", LEASE);
    claim(&database, &worker, 1);
    assert_eq!(run(&database, |c| queue::cancel(c, running, "bob")), Cancelled::Requested);
    let renewed = run(&database, |c| queue::renew(c, worker.epoch, &[running], LEASE));
    assert!(renewed.iter().all(|row| row.cancel_requested_at.is_some()) && renewed.len() == 1);
    run(&database, |c| queue::finish(c, &end(running, worker.epoch)));
    assert_eq!(run(&database, |c| queue::cancel(c, running, "bob")), Cancelled::TooLate);
}

fn log(database: &TestDatabase, id: Uuid) -> String {
    let chunks = run(database, |c| Chunk::after(c, id, 0, 100));
    String::from_utf8(chunks.into_iter().flat_map(|chunk| chunk.bytes).collect()).unwrap()
}

#[test]
fn output_can_be_read_on_from_any_byte_and_a_replay_changes_nothing() {
    let database = TestDatabase::new();
    let id = Uuid::now_v7();
    let mut chunks = Vec::new();
    let (mut byte_offset, mut first_line) = (0, 0);
    for bytes in [b"one\ntwo\n".to_vec(), vec![0, 0xff, b'\n'], b"three".to_vec()] {
        let lines = i64::try_from(bytes.iter().filter(|b| **b == b'\n').count()).unwrap();
        let length = i64::try_from(bytes.len()).unwrap();
        let (stream, written_at) = (Stream::Stdout, Utc::now());
        chunks.push(Chunk { task_id: id, byte_offset, first_line, stream, written_at, bytes });
        byte_offset += length;
        first_line += lines;
    }
    run(&database, |c| Chunk::append(c, &chunks));
    run(&database, |c| Chunk::append(c, &chunks));
    let whole: Vec<u8> = chunks.iter().flat_map(|chunk| chunk.bytes.clone()).collect();
    for offset in 0..=whole.len() {
        let read = run(&database, |c| Chunk::after(c, id, i64::try_from(offset).unwrap(), 10));
        assert_eq!(
            read.first().map_or(byte_offset, |chunk| chunk.byte_offset),
            i64::try_from(offset).unwrap()
        );
        let line_ends = whole.iter().take(offset).filter(|b| **b == b'\n').count();
        assert!(read.first().is_none_or(|chunk| chunk.first_line == i64::try_from(line_ends).unwrap()));
        let bytes: Vec<u8> = read.into_iter().flat_map(|chunk| chunk.bytes).collect();
        assert_eq!(Some(bytes.as_slice()), whole.get(offset..));
    }
}
