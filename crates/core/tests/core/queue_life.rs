//! The life of a task beyond one manager: limits, pauses, tags, draining, losses, repetitions.

use chrono::{DateTime, Utc};
use selfservice_core::config::{DatabaseSettings, MacroFile};
use selfservice_core::db::{DbError, PgConnection, QueryError};
use selfservice_core::models::event_handlers::EventHandler;
use selfservice_core::models::hosts::Host;
use selfservice_core::models::tasks::{Identity, Origin, Task, TaskKind, TaskResult};
use selfservice_core::models::wait_reason::WaitReason;
use selfservice_core::models::workers::{Presence, Worker, WorkerState};
use selfservice_core::plan::{Plan, Repeated, Request, Requester, repeat_lost};
use selfservice_core::queue::{self, Cancelled, Claim, Enqueued, Finish};
use std::collections::{BTreeMap, HashSet};
use std::time::Duration;
use test_support::TestDatabase;
use test_support::fixture::World;
use uuid::Uuid;

const LEASE: Duration = Duration::from_secs(30);
const QUEUE_LIFE: Duration = Duration::from_secs(600);

/// A database with its world, and what the tests do to it.
struct Life {
    database: TestDatabase,
    world: World,
}

impl Life {
    fn new() -> Self {
        let database = TestDatabase::new();
        let world = World::new(&database);
        Self { database, world }
    }

    fn run<T>(&self, work: impl FnOnce(&mut PgConnection) -> Result<T, QueryError>) -> T {
        self.database.pool().transaction::<_, DbError>(|connection| Ok(work(connection)?)).unwrap()
    }

    fn sql(&self, sql: &str) -> String {
        self.database.sql(sql)
    }

    /// Queues a task of alice.
    fn queue(&self, host: i64, handler: i64) -> Uuid {
        let requester = Requester {
            users_id: self.world.alice,
            name: "alice".to_owned(),
            identity: Identity::Password,
            token_verb: None,
        };
        let request = Request {
            hosts_id: host,
            services_id: self.world.os,
            event_handlers_id: handler,
            kind: TaskKind::Run,
            parameters: BTreeMap::new(),
        };
        let (id, at) = (Uuid::now_v7(), Utc::now());
        self.run(|connection| {
            let plan = Plan::decide(connection, &MacroFile::default(), &requester, &request, id, at).unwrap();
            let task = plan.into_task(&requester, id, at, QUEUE_LIFE, Origin::Gui, Uuid::new_v4(), None);
            assert!(matches!(queue::enqueue(connection, &task)?, Enqueued::New(_)));
            Ok(id)
        })
    }

    /// More hosts like `web-1`, in production with every handler.
    fn add_hosts(&self, count: usize) -> Vec<i64> {
        self.sql(&format!(
            "WITH h AS (INSERT INTO hosts (name, name_key, address) \
                        SELECT 'more-' || n, 'more-' || n, '127.0.0.9' FROM generate_series(1, {count}) n RETURNING id), \
             e AS (INSERT INTO environments_members (environments_id, hosts_id) \
                   SELECT e.id, h.id FROM h, environments e WHERE e.name = 'production'), \
             m AS (INSERT INTO services_members (hosts_id, services_id, direct) \
                   SELECT h.id, s.id, true FROM h, services s RETURNING id) \
             INSERT INTO events_handlers_members (services_members_id, event_handlers_id, direct) \
             SELECT m.id, e.id, true FROM m, event_handlers e"
        ));
        let ids = self.sql("SELECT id FROM hosts WHERE name LIKE 'more-%' ORDER BY id");
        ids.lines().map(|id| id.parse().unwrap()).collect()
    }

    fn worker(&self, tags: &[&str]) -> Worker {
        let tags: Vec<String> = tags.iter().map(|tag| (*tag).to_owned()).collect();
        let presence = Presence { slots: 4, tags: &tags, running: 0, stopping: false, lease: LEASE };
        self.run(|c| Worker::register(c, Uuid::now_v7(), "m", "0", &presence))
    }

    fn claim(&self, worker: &Worker, limit: usize) -> Vec<Uuid> {
        self.claim_from(worker, limit, None)
    }

    fn claim_from(&self, worker: &Worker, limit: usize, from: Option<DateTime<Utc>>) -> Vec<Uuid> {
        let claims: Vec<Claim> = self
            .database
            .pool()
            .run::<_, DbError>(|c| Ok(queue::claim(c, worker, LEASE, limit, from)?))
            .unwrap();
        claims.into_iter().map(|claim| claim.task.id).collect()
    }

    fn finish(&self, worker: &Worker, id: Uuid, result: TaskResult) -> bool {
        let end = Finish {
            id,
            epoch: worker.epoch,
            result,
            exit_code: None,
            result_text: None,
            summary: None,
            perfdata: None,
        };
        self.run(|c| queue::finish(c, &end))
    }

    fn task(&self, id: Uuid) -> Task {
        self.run(|c| Task::find(c, id)).unwrap()
    }

    /// The manager dies, and its lease is over on a server that has been up for long enough.
    fn kill(&self, worker: &Worker) -> Vec<Uuid> {
        self.sql(&format!(
            "UPDATE workers SET alive_until = heartbeat_at WHERE id = '{0}'; \
             UPDATE tasks SET lease_until = clock_timestamp() - interval '1 ms' \
             WHERE workers_id = '{0}' AND state = 'running'",
            worker.id
        ));
        self.run(queue::rescue).lost
    }

    /// Takes a waiting task out of the queue.
    fn cancel(&self, id: Uuid) {
        assert_eq!(self.run(|c| queue::cancel(c, id, "bob")), Cancelled::BeforeStart);
    }

    fn handler(&self, id: i64) -> EventHandler {
        self.run(|c| EventHandler::find(c, id)).unwrap()
    }

    fn pause(&self, handler: i64) {
        assert!(self.run(|c| EventHandler::pause(c, handler, "bob", "the disk is being swapped")));
    }

    fn resume(&self, handler: i64) {
        assert!(self.run(|c| EventHandler::resume(c, handler)));
    }

    fn reason(&self, id: Uuid) -> Option<String> {
        let task = self.task(id);
        self.run(|c| WaitReason::of(c, &task)).map(|reason| reason.to_string())
    }

    fn repeat(&self) -> Vec<Repeated> {
        repeat_lost(self.database.pool(), &MacroFile::default(), QUEUE_LIFE).unwrap()
    }
}

/// Claims with four managers at once until everything has run, and looks after every claim whether `running` (a
/// count) is within `limit`. Gives the most that was seen.
fn drain_with_four(life: &Life, tasks: usize, running: &str, limit: usize) -> usize {
    let workers: Vec<Worker> = (0..4).map(|_| life.worker(&[])).collect();
    std::thread::scope(|scope| {
        let managers: Vec<_> = workers
            .iter()
            .map(|worker| {
                scope.spawn(move || {
                    let mut most = 0;
                    loop {
                        let claimed = life.claim(worker, 3);
                        let now: usize = life.sql(running).parse().unwrap();
                        assert!(now <= limit, "{now} run, {limit} may");
                        most = most.max(now);
                        for id in &claimed {
                            assert!(life.finish(worker, *id, TaskResult::Ok));
                        }
                        let left = life.sql("SELECT count(*) FROM tasks WHERE state <> 'finished'");
                        if left == "0" {
                            return most;
                        }
                    }
                })
            })
            .collect();
        let most = managers.into_iter().map(|manager| manager.join().unwrap()).max().unwrap();
        let done = life.sql("SELECT count(*) FROM tasks WHERE result = 'ok'");
        assert_eq!(done, tasks.to_string());
        most
    })
}

#[test]
fn a_handlers_limit_holds_over_all_managers() {
    let life = Life::new();
    let hosts = life.add_hosts(40);
    life.sql(&format!("UPDATE event_handlers SET max_running = 2 WHERE id = {}", life.world.ok));
    for host in &hosts {
        life.queue(*host, life.world.ok);
    }
    let count = format!(
        "SELECT count(*) FROM tasks WHERE state = 'running' AND event_handlers_id = {}",
        life.world.ok
    );
    assert_eq!(drain_with_four(&life, hosts.len(), &count, 2), 2, "the limit is used");
}

#[test]
fn a_hosts_limit_holds_over_all_handlers_and_managers() {
    let life = Life::new();
    let hosts = life.add_hosts(6);
    life.sql("UPDATE hosts SET max_running = 2 WHERE name LIKE 'more-%'");
    let world = &life.world;
    let handlers = [world.ok, world.warning, world.critical, world.slow, world.echo, world.danger];
    for host in &hosts {
        for handler in handlers {
            life.queue(*host, handler);
        }
    }
    let most = "SELECT coalesce(max(n), 0) FROM (SELECT count(*) AS n FROM tasks WHERE state = 'running' \
                GROUP BY hosts_id) t";
    drain_with_four(&life, hosts.len() * handlers.len(), most, 2);
}

#[test]
fn a_full_host_or_handler_does_not_keep_others_from_starting() {
    let life = Life::new();
    let world = &life.world;
    let worker = life.worker(&[]);
    life.sql(&format!("UPDATE hosts SET max_running = 1 WHERE id = {}", world.web_1));
    life.sql(&format!("UPDATE event_handlers SET max_running = 1 WHERE id = {}", world.echo));
    let first = life.queue(world.web_1, world.ok);
    let host_full = life.queue(world.web_1, world.warning);
    let more = life.add_hosts(3);
    let second = life.queue(more[2], world.echo);
    let handler_full = life.queue(more[0], world.echo);
    let third = life.queue(more[1], world.critical);
    let claimed: HashSet<Uuid> = life.claim(&worker, 16).into_iter().collect();
    assert_eq!(claimed, HashSet::from([first, second, third]));
    assert!(life.claim(&worker, 16).is_empty());
    assert_eq!(life.reason(host_full).unwrap(), "1 of 1 run on web-1");
    assert_eq!(life.reason(handler_full).unwrap(), "1 of 1 runs of echo are under way");
    life.finish(&worker, first, TaskResult::Ok);
    assert_eq!(life.claim(&worker, 16), [host_full]);
    // A limit that is lifted counts at once, also for what waits already.
    life.sql(&format!("UPDATE event_handlers SET max_running = NULL WHERE id = {}", world.echo));
    assert_eq!(life.claim(&worker, 16), [handler_full]);
}

#[test]
fn a_limit_that_comes_while_tasks_wait_counts_for_them() {
    let life = Life::new();
    let worker = life.worker(&[]);
    let ids: Vec<Uuid> = life.add_hosts(3).into_iter().map(|host| life.queue(host, life.world.ok)).collect();
    life.sql(&format!("UPDATE event_handlers SET max_running = 2 WHERE id = {}", life.world.ok));
    assert_eq!(life.claim(&worker, 16), ids[..2]);
    assert!(life.claim(&worker, 16).is_empty());
    // As after a limit that was set in the very moment in which the task was queued: the mark is wrong.
    life.sql("UPDATE tasks SET limited = false WHERE state = 'queued'");
    assert!(life.claim(&worker, 16).is_empty(), "the handler has the last word, not the mark");
    assert_eq!(life.sql("SELECT limited FROM tasks WHERE state = 'queued'"), "t", "and the mark is mended");
    life.finish(&worker, ids[0], TaskResult::Ok);
    assert_eq!(life.claim(&worker, 16), ids[2..]);
}

#[test]
fn tasks_of_a_deleted_handler_or_host_are_taken_to_be_rejected() {
    let life = Life::new();
    let worker = life.worker(&[]);
    life.sql(&format!("UPDATE hosts SET max_running = 1, tags = '{{far}}' WHERE id = {}", life.world.web_1));
    let [first, second] = [life.world.ok, life.world.warning].map(|id| life.queue(life.world.web_1, id));
    life.sql(&format!("DELETE FROM event_handlers WHERE id = {}", life.world.ok));
    assert!(life.claim(&worker, 16).is_empty(), "the host's tags still count");
    life.sql(&format!("DELETE FROM hosts WHERE id = {}", life.world.web_1));
    assert_eq!(life.claim(&worker, 16), [first, second]);
}

#[test]
fn a_manager_that_holds_the_lock_keeps_nobody_from_other_tasks() {
    let life = Life::new();
    let worker = life.worker(&[]);
    life.sql(&format!("UPDATE event_handlers SET max_running = 2 WHERE id = {}", life.world.echo));
    let hosts = life.add_hosts(2);
    let limited = life.queue(hosts[0], life.world.echo);
    let free = life.queue(hosts[1], life.world.ok);
    let mut stuck = life.database.pool().get().unwrap();
    let mut other = |sql: &str| {
        use diesel::RunQueryDsl as _;
        diesel::sql_query(sql).execute(&mut *stuck).unwrap();
    };
    other("BEGIN");
    other(&format!("SELECT count(*) FROM claim_limited('{}', {}, '{{}}', 30, 1)", worker.id, worker.epoch));
    assert_eq!(life.claim(&worker, 16), [free]);
    assert!(life.claim(&worker, 16).is_empty());
    other("ROLLBACK");
    assert_eq!(life.claim(&worker, 16), [limited]);
}

#[test]
fn a_paused_handlers_tasks_wait_and_the_others_go_on() {
    let life = Life::new();
    let worker = life.worker(&[]);
    let paused = life.queue(life.world.web_1, life.world.echo);
    let other = life.queue(life.world.web_1, life.world.ok);
    life.pause(life.world.echo);
    assert!(!life.run(|c| EventHandler::pause(c, life.world.echo, "eve", "again")), "it is paused already");
    assert_eq!(life.claim(&worker, 16), [other]);
    let reason = life.reason(paused).unwrap();
    assert!(reason.starts_with("echo is paused since 20"), "{reason}");
    assert!(reason.ends_with(" UTC by bob: the disk is being swapped"), "{reason}");
    life.resume(life.world.echo);
    assert_eq!(life.claim(&worker, 16), [paused]);
}

#[test]
fn a_manager_serves_the_hosts_whose_tags_it_has() {
    let life = Life::new();
    let tag = |host: i64, tags: &str| {
        life.sql(&format!("UPDATE hosts SET tags = '{tags}' WHERE id = {host}"));
    };
    let hosts = life.add_hosts(3);
    tag(hosts[0], "{dmz}");
    tag(hosts[1], "{dmz,eu}");
    let ids: Vec<Uuid> = hosts.iter().map(|host| life.queue(*host, life.world.ok)).collect();
    let plain = life.worker(&[]);
    assert_eq!(life.claim(&plain, 16), [ids[2]]);
    assert_eq!(life.reason(ids[1]).unwrap(), "no plugins manager serves more-2: none has the tags dmz, eu");
    assert_eq!(life.reason(ids[0]).unwrap(), "no plugins manager serves more-1: none has the tag dmz");
    let dmz = life.worker(&["us", "dmz"]);
    assert_eq!(life.reason(ids[0]), None);
    assert_eq!(life.claim(&dmz, 16), [ids[0]]);
    // A host that changes takes its waiting tasks with it.
    tag(hosts[1], "{us}");
    assert!(life.claim(&plain, 16).is_empty());
    assert_eq!(life.claim(&dmz, 16), [ids[1]]);
    // One that changed while its task was with a manager, which gave it back.
    tag(hosts[1], "{far}");
    assert_eq!(life.run(|c| queue::give_back(c, dmz.epoch, &[ids[1]])), 1);
    assert!(life.claim(&dmz, 16).is_empty());
    // The same under a limit.
    life.sql(&format!("UPDATE event_handlers SET max_running = 5 WHERE id = {}", life.world.ok));
    assert!(life.claim(&dmz, 16).is_empty());
    assert_eq!(life.claim(&life.worker(&["far"]), 16), [ids[1]]);
}

#[test]
fn a_tag_that_comes_in_the_moment_of_queueing_counts() {
    let life = Life::new();
    let id = life.queue(life.world.web_1, life.world.ok);
    life.sql("UPDATE hosts SET tags = '{dmz}'");
    life.sql("UPDATE tasks SET host_tags = '{}'");
    assert!(life.claim(&life.worker(&[]), 16).is_empty());
    assert_eq!(life.sql("SELECT host_tags FROM tasks"), "{dmz}");
    assert_eq!(life.claim(&life.worker(&["dmz"]), 16), [id]);
}

#[test]
fn a_drained_manager_gets_nothing_until_it_is_resumed() {
    let life = Life::new();
    let [drained, other] = [life.worker(&[]), life.worker(&["dmz"])];
    let id = life.queue(life.world.web_1, life.world.ok);
    assert!(life.run(|c| Worker::set_draining(c, drained.id, true)));
    assert!(!life.run(|c| Worker::set_draining(c, drained.id, true)), "it is told so already");
    assert!(life.claim(&drained, 16).is_empty());
    assert_eq!(life.reason(id), None, "the other one takes it");
    assert!(life.run(|c| Worker::set_draining(c, other.id, true)));
    assert_eq!(life.reason(id).unwrap(), "every plugins manager that serves web-1 is being drained");
    let state = life.run(|c| Worker::find(c, drained.id)).unwrap().state();
    assert_eq!(state, WorkerState::Draining);
    // A heartbeat changes nothing about it.
    let presence = Presence { slots: 4, tags: &[], running: 0, stopping: false, lease: LEASE };
    assert!(life.run(|c| Worker::heartbeat(c, drained.id, &presence)).unwrap().draining);
    assert!(life.claim(&drained, 16).is_empty());
    assert!(life.run(|c| Worker::set_draining(c, drained.id, false)));
    assert_eq!(life.claim(&drained, 16), [id]);
    life.kill(&other);
    assert!(!life.run(|c| Worker::set_draining(c, other.id, false)), "nobody tells the dead");
}

#[test]
fn three_losses_pause_a_handler_in_the_same_transaction() {
    let life = Life::new();
    let mut hosts = life.add_hosts(8).into_iter();
    let handler = life.world.echo;
    // One manager dies with three of them: that is one loss.
    let first = life.worker(&[]);
    for host in hosts.by_ref().take(3) {
        life.queue(host, handler);
    }
    assert_eq!(life.claim(&first, 16).len(), 3);
    assert_eq!(life.kill(&first).len(), 3);
    assert_eq!(life.handler(handler).paused_at, None);
    // A launcher dies with one, twice, and its manager lives.
    let second = life.worker(&[]);
    for expected in [false, true] {
        let id = life.queue(hosts.next().unwrap(), handler);
        life.claim(&second, 16);
        assert!(life.finish(&second, id, TaskResult::Lost));
        assert_eq!(life.handler(handler).paused_at.is_some(), expected);
    }
    let reason = life.handler(handler).paused_reason.unwrap();
    assert!(reason.contains("3 times within 10 minutes"), "{reason}");
    assert_eq!(
        life.sql("SELECT actor, identity, action, object, jsonb_array_length(detail -> 'lost') FROM audit"),
        "selfservice|system|handler.pause|echo|5"
    );
    let waiting = life.queue(hosts.next().unwrap(), handler);
    assert!(life.claim(&second, 16).is_empty());
    assert!(life.reason(waiting).unwrap().contains("is paused since"));
    // Once a person lets it go on, the old losses do not count any more.
    life.resume(handler);
    assert_eq!(life.claim(&second, 16), [waiting]);
    assert!(life.finish(&second, waiting, TaskResult::Lost));
    assert_eq!(life.handler(handler).paused_at, None);
}

#[test]
fn losses_that_are_long_ago_or_were_none_do_not_pause() {
    let life = Life::new();
    let worker = life.worker(&[]);
    let hosts = life.add_hosts(4);
    let lose = |host: i64| {
        let id = life.queue(host, life.world.echo);
        life.claim(&worker, 16);
        assert!(life.finish(&worker, id, TaskResult::Lost));
        id
    };
    lose(hosts[0]);
    life.sql("UPDATE tasks SET finished_at = finished_at - interval '11 min', started_at = started_at - interval '11 min'");
    let late = lose(hosts[1]);
    lose(hosts[2]);
    assert!(life.finish(&worker, late, TaskResult::Ok), "the real result comes late");
    lose(hosts[3]);
    assert_eq!(life.handler(life.world.echo).paused_at, None);
}

#[test]
fn a_lost_task_of_a_repeatable_handler_is_done_again_three_times_at_most() {
    let life = Life::new();
    life.sql(&format!("UPDATE event_handlers SET repeatable = true WHERE id = {}", life.world.ok));
    let first = life.queue(life.world.web_1, life.world.ok);
    let mut chain = vec![first];
    for attempt in 1..=3 {
        let worker = life.worker(&[]);
        assert_eq!(life.claim(&worker, 16), [*chain.last().unwrap()]);
        assert_eq!(life.kill(&worker), [*chain.last().unwrap()]);
        // Three losses pause it; this test is about the chain.
        life.sql("UPDATE event_handlers SET paused_at = NULL, paused_by = NULL, paused_reason = NULL");
        // Four managers look at once.
        let repeated: Vec<Repeated> = std::thread::scope(|scope| {
            let managers: Vec<_> = (0..4).map(|_| scope.spawn(|| life.repeat())).collect();
            managers.into_iter().flat_map(|manager| manager.join().unwrap()).collect()
        });
        if attempt == 3 {
            assert!(repeated.is_empty(), "{repeated:?}");
            break;
        }
        assert_eq!(repeated.len(), 1, "{repeated:?}");
        assert_eq!(repeated[0].lost, *chain.last().unwrap());
        chain.push(repeated[0].outcome.clone().unwrap());
    }
    let third = life.task(chain[2]);
    assert_eq!((third.attempt, third.retry_of, third.result), (3, Some(chain[1]), Some(TaskResult::Lost)));
    assert_eq!(third.requester, "alice");
    assert_eq!(life.run(|c| life.task(first).retried_as(c)).map(|retry| retry.id), Some(chain[1]));
    assert_eq!(life.sql("SELECT count(*) FROM audit WHERE action = 'task.repeat'"), "2");
    assert_eq!(life.sql("SELECT count(*) FROM tasks"), "3");
}

#[test]
fn what_is_not_repeatable_is_never_done_again_by_itself() {
    let life = Life::new();
    let lose = |handler: i64| {
        let id = life.queue(life.world.web_1, handler);
        let worker = life.worker(&[]);
        assert_eq!(life.claim(&worker, 16), [id]);
        life.kill(&worker);
        (id, worker)
    };
    lose(life.world.ok);
    assert!(life.repeat().is_empty());
    life.sql("UPDATE event_handlers SET repeatable = true");
    assert!(life.repeat().is_empty(), "it was not repeatable when it was lost");
    // The real result comes before the repetition, and is recorded.
    let (id, worker) = lose(life.world.warning);
    assert!(life.finish(&worker, id, TaskResult::Warning));
    assert!(life.repeat().is_empty());
    // It comes after the repetition: recorded as well.
    let (id, worker) = lose(life.world.critical);
    let again = life.repeat().remove(0).outcome.unwrap();
    assert!(life.finish(&worker, id, TaskResult::Critical));
    assert_eq!((life.task(id).late, life.task(id).result), (true, Some(TaskResult::Critical)));
    life.cancel(again);
    // Somebody had asked to end it.
    let id = life.queue(life.world.web_1, life.world.echo);
    let worker = life.worker(&[]);
    life.claim(&worker, 16);
    life.run(|c| queue::cancel(c, id, "bob"));
    life.kill(&worker);
    assert!(life.repeat().is_empty());
}

#[test]
fn a_repetition_needs_the_right_and_the_command_of_now() {
    let life = Life::new();
    life.sql("UPDATE event_handlers SET repeatable = true");
    let lose = |handler: i64| {
        let id = life.queue(life.world.web_1, handler);
        let worker = life.worker(&[]);
        assert_eq!(life.claim(&worker, 16), [id]);
        life.kill(&worker);
        id
    };
    let paused = lose(life.world.echo);
    life.pause(life.world.echo);
    assert!(life.repeat().is_empty(), "never while the handler is paused");
    life.resume(life.world.echo);
    let repeated = life.repeat().remove(0);
    assert_eq!(repeated.lost, paused);
    life.cancel(repeated.outcome.unwrap());

    let why = |repeated: Vec<Repeated>| repeated.into_iter().next().unwrap().outcome.unwrap_err();
    lose(life.world.ok);
    let other = life.queue(life.world.web_1, life.world.ok);
    assert!(why(life.repeat()).contains(&format!("task {other} of alice does it on the same target")));
    life.cancel(other);

    lose(life.world.warning);
    life.sql("UPDATE hosts SET address = '127.0.0.77'");
    assert!(why(life.repeat()).contains("has changed since this was confirmed"));

    lose(life.world.critical);
    life.sql("UPDATE tasks SET finished_at = finished_at - interval '1 h' WHERE repeat_due");
    assert!(why(life.repeat()).contains("too long ago"));

    let refused = lose(life.world.danger);
    life.sql("UPDATE users SET disabled = true WHERE name = 'alice'");
    assert!(why(life.repeat()).contains("may not see it"));
    assert!(life.repeat().is_empty(), "it is not tried again");
    assert_eq!(
        life.sql(&format!(
            "SELECT action, object FROM audit WHERE task_id = '{refused}' ORDER BY id DESC LIMIT 1"
        )),
        "task.repeat.refuse|danger on web-1"
    );
}

#[test]
fn a_person_sees_how_many_stand_before() {
    let life = Life::new();
    let hosts = life.add_hosts(3);
    let ids: Vec<Uuid> = hosts.iter().map(|host| life.queue(*host, life.world.ok)).collect();
    assert_eq!(life.reason(ids[0]).unwrap(), "no plugins manager is running");
    let worker = life.worker(&[]);
    assert_eq!(life.reason(ids[0]), None, "it is about to start");
    assert_eq!(life.reason(ids[2]).unwrap(), "2 tasks stand before it");
    life.sql("UPDATE workers SET running = slots");
    assert_eq!(life.reason(ids[1]).unwrap(), "all plugins managers are busy; 1 task stands before it");
    life.claim(&worker, 16);
    assert_eq!(life.reason(ids[0]), None, "it does not wait any more");
    let host = life.run(|c| Host::find(c, hosts[0])).unwrap();
    assert_eq!(life.run(|c| WaitReason::of_host(c, &host)), None);
}

#[test]
fn a_claim_from_a_time_on_passes_over_what_is_older_and_leaves_it() {
    let life = Life::new();
    let hosts = life.add_hosts(4);
    let ids: Vec<Uuid> = hosts.iter().map(|host| life.queue(*host, life.world.ok)).collect();
    let worker = life.worker(&[]);
    let from = Some(life.task(ids[2]).created_at);
    assert_eq!(life.claim_from(&worker, 1, from), ids[2..3]);
    assert_eq!(life.claim_from(&worker, 9, from), ids[3..]);
    assert!(life.claim_from(&worker, 9, from).is_empty());
    assert_eq!(life.claim(&worker, 9), ids[..2]);
}

#[test]
fn claims_and_stores_read_no_table_from_its_beginning() {
    let life = Life::new();
    assert_plans_are_narrow(&life, "empty");
    let hosts = life.add_hosts(3000);
    life.sql("UPDATE hosts SET tags = '{dmz}' WHERE id % 3 = 0");
    life.sql(&format!("UPDATE event_handlers SET max_running = 1 WHERE id = {}", life.world.echo));
    let template = life.queue(life.world.web_1, life.world.ok);
    // As many tasks as hosts, of each handler; finished ones besides.
    life.sql(&format!(
        "INSERT INTO tasks (id, event_handlers_id, handler_name, handler_revision, hosts_id, host_name, services_id, \
             service_name, environments, plugin, argv, parameters, risk, timeout_seconds, requester, identity, origin, \
             request_key, expires_at, state, result, finished_at) \
         SELECT gen_random_uuid(), e.id, 'x', 1, h.id, 'x', t.services_id, 'x', '{{}}', 'x', '{{}}', '{{}}', 'normal', 9, \
             'alice', 'password', 'gui', gen_random_uuid(), t.expires_at, s.state, s.result, s.finished_at \
         FROM tasks t, hosts h, event_handlers e, (VALUES ('queued', NULL, NULL), ('finished', 'ok', now())) \
             AS s (state, result, finished_at) \
         WHERE t.id = '{template}' AND h.name LIKE 'more-%' AND e.name IN ('warning', 'echo')"
    ));
    life.sql("ANALYZE");
    assert_eq!(
        life.sql("SELECT limited, count(*) FROM tasks WHERE state = 'queued' GROUP BY 1 ORDER BY 1"),
        format!("f|{}\nt|{}", hosts.len() + 1, hosts.len())
    );
    assert_plans_are_narrow(&life, "full");
}

/// Both statements as a manager's connection keeps them, planned for the tables as they are now.
fn assert_plans_are_narrow(life: &Life, tables: &str) {
    let session = DatabaseSettings::for_url("").keeping_plans().session();
    let statements = [
        (
            "claim",
            include_str!("../../src/queue/claim.sql"),
            "uuid, bigint, double precision, bigint, text, timestamptz",
            vec!["tasks_pkey", "tasks_claimable"],
        ),
        (
            "store",
            include_str!("../../src/queue/store.sql"),
            "uuid[], bigint[], bigint[], text[], timestamptz[], bytea[], uuid[], bigint[], smallint[], jsonb[], \
             bigint[], bigint[], uuid[], bigint[], text[], integer[], text[], text[], text[], smallint",
            vec!["tasks_pkey"],
        ),
    ];
    for (name, sql, types, indexes) in statements {
        let values = vec!["NULL"; types.split(',').count()].join(", ");
        let plan =
            life.sql(&format!("{session}; PREPARE p ({types}) AS {sql}; EXPLAIN EXECUTE p ({values})"));
        let wide = ["Seq Scan", "Bitmap", "tasks_running_epoch", "JIT"];
        let bad: Vec<&str> =
            plan.lines().filter(|line| wide.iter().any(|word| line.contains(word))).collect();
        let found = indexes.iter().all(|index| plan.contains(&format!("using {index}")));
        assert!(bad.is_empty() && found, "{name}, tables {tables}:\n{plan}");
    }
}
