//! Lists and sums of many tasks: what they hold, and that they read few rows of a long table.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use selfservice_core::db::PgConnection;
use selfservice_core::models::tasks::statistics::Statistics;
use selfservice_core::models::tasks::{Task, TaskFilter};
use selfservice_core::models::visible::TaskCounts;
use std::sync::LazyLock;
use test_support::fixture::World;
use test_support::{Reads, TestDatabase};

/// Tasks of many months.
const TASKS: i64 = 120_000;

/// One task every two minutes up to now, on three hosts, by several people; their ids carry the time.
struct Past {
    database: TestDatabase,
    world: World,
}

/// For all tests that change nothing.
static PAST: LazyLock<Past> = LazyLock::new(Past::new);

impl Past {
    fn new() -> Self {
        let database = TestDatabase::new();
        let world = World::new(&database);
        database.sql(&format!(
            "INSERT INTO tasks (id, event_handlers_id, handler_name, handler_revision, hosts_id, host_name, services_id, \
                 service_name, environments, plugin, argv, parameters, risk, timeout_seconds, users_id, requester, identity, \
                 origin, request_key, created_at, expires_at, state, result, started_at, finished_at) \
             SELECT (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, \
                 CASE WHEN n % 1000 = 0 THEN {slow} WHEN n % 2 = 0 THEN {ok} ELSE {echo} END, 'x', 1, \
                 CASE WHEN n % 500 = 1 THEN {web_2} ELSE {web_1} END, 'x', {os}, 'x', '{{}}', 'x', '{{}}', '{{}}', 'normal', 9, \
                 CASE WHEN n % 700 = 3 THEN {bob} ELSE {alice} END, CASE WHEN n % 700 = 3 THEN 'bob' ELSE 'alice' END, 'password', 'gui', \
                 gen_random_uuid(), at, at, 'finished', \
                 CASE WHEN n % 400 = 7 THEN 'timed_out' WHEN n % 400 = 8 THEN 'warning' WHEN n % 400 = 9 THEN 'cancelled' ELSE 'ok' END, \
                 at, at + interval '4 seconds' \
             FROM (SELECT n, now() - ({TASKS} - n) * interval '2 minutes' AS at FROM generate_series(1, {TASKS}) n) n; \
             ANALYZE",
            slow = world.slow, ok = world.ok, echo = world.echo, web_1 = world.web_1, web_2 = world.web_2, os = world.os,
            alice = world.alice, bob = world.bob
        ));
        Self { database, world }
    }

    /// What `work` gives, and what it read of the tasks.
    fn reading<T>(&self, work: impl FnOnce(&mut PgConnection) -> QueryResult<T>) -> (T, Reads) {
        self.database.reading("tasks", work)
    }

    /// A page as root sees it.
    fn page(&self, filter: &TaskFilter) -> (Vec<Task>, Reads) {
        self.reading(|c| Task::visible_page(c, self.world.root, filter, 51))
    }
}

fn standing(word: &str) -> TaskFilter {
    TaskFilter { standing: Some(word.parse().unwrap()), ..TaskFilter::default() }
}

fn last_week() -> Option<DateTime<Utc>> {
    Some(Utc::now() - TimeDelta::days(7))
}

#[test]
fn a_page_of_a_long_list_reads_few_rows() {
    let past = &*PAST;
    let name = |name: &str| Some(name.to_owned());
    let default = TaskFilter { from: last_week(), ..TaskFilter::default() };
    let (newest, _) = past.page(&default);
    let deep = newest.last().map(|task| task.id);
    for (filter, most) in [
        (default.clone(), 200),
        (TaskFilter { before: deep, ..default.clone() }, 200),
        (TaskFilter::default(), 200),
        (TaskFilter { host: name("web-2"), ..TaskFilter::default() }, 200),
        (TaskFilter { host: name("WEB-2"), from: last_week(), ..TaskFilter::default() }, 200),
        (TaskFilter { handler: name("slow"), ..TaskFilter::default() }, 200),
        (TaskFilter { requester: name("bob"), ..TaskFilter::default() }, 200),
        (TaskFilter { service: name("os"), ..TaskFilter::default() }, 200),
        (standing("trouble"), 200),
        (TaskFilter { from: last_week(), ..standing("trouble") }, 200),
        (standing("running"), 200),
        (standing("queued"), 200),
        // Rare ends are sought among the tasks of the period.
        (TaskFilter { from: last_week(), ..standing("cancelled") }, 6_000),
        (TaskFilter { host: name("no-such-host"), ..TaskFilter::default() }, 0),
        (TaskFilter { requester: name("nobody"), from: last_week(), ..TaskFilter::default() }, 6_000),
    ] {
        let (tasks, reads) = past.page(&filter);
        assert_eq!(reads.scans, 0, "{filter:?} reads the table from its beginning");
        assert!(reads.fetched <= most, "{filter:?} reads {} rows for {}", reads.fetched, tasks.len());
        assert!(tasks.is_sorted_by(|one, next| one.id > next.id), "{filter:?}");
    }
}

#[test]
fn a_list_holds_what_fits_page_after_page() {
    let past = &*PAST;
    let all = |filter: TaskFilter| {
        let mut seen: Vec<Task> = Vec::new();
        loop {
            let before = seen.last().map(|task| task.id);
            let (page, _) = past.page(&TaskFilter { before, ..filter.clone() });
            if page.is_empty() {
                return seen;
            }
            seen.extend(page);
        }
    };
    let web_2 = all(TaskFilter { host: Some("web-2".to_owned()), ..TaskFilter::default() });
    assert_eq!(web_2.len(), 240, "every one once");
    assert!(web_2.is_sorted_by(|one, next| one.id > next.id));
    let critical = all(standing("critical"));
    assert!(
        critical.len() == 300 && critical.iter().all(|task| task.result.unwrap().as_str() == "timed_out")
    );
    assert_eq!(all(standing("trouble")).len(), 600);

    let (from, until) = (Utc::now() - TimeDelta::hours(10), Utc::now() - TimeDelta::hours(8));
    let between = all(TaskFilter { from: Some(from), until: Some(until), ..TaskFilter::default() });
    assert_eq!(between.len(), 60);
    assert!(
        between.iter().all(|task| task.created_at >= from - TimeDelta::seconds(1) && task.created_at < until)
    );
    let of_bob = TaskFilter { requester: Some("bob".to_owned()), ..standing("ok") };
    assert_eq!(all(of_bob).len(), 172);
    assert!(
        all(TaskFilter { service: Some("no-such-service".to_owned()), ..TaskFilter::default() }).is_empty()
    );
}

#[test]
fn sums_of_the_last_days_leave_the_months_before_alone() {
    let past = &*PAST;
    let (statistics, reads) = past.reading(|c| Statistics::of_last_days(c, past.world.root));
    assert_eq!(reads.scans, 0);
    let (counts, counted) = past.reading(|c| TaskCounts::active(c, past.world.root));
    assert_eq!((counts.running, counts.queued, counted.scans), (0, 0, 0));

    let sum = |condition: &str| -> i64 {
        let since = statistics.since.to_rfc3339();
        past.database
            .sql(&format!("SELECT count(*) FROM tasks WHERE created_at >= '{since}' AND {condition}"))
            .parse()
            .unwrap()
    };
    let all: selfservice_core::models::tasks::statistics::Outcomes = statistics.course().into_iter().sum();
    assert_eq!(
        (all.ok, all.warning, all.failed),
        (sum("result = 'ok'"), sum("result = 'warning'"), sum("result = 'timed_out'"))
    );
    assert!(all.runs() > 4_000 && reads.fetched < all.runs() + 200, "{all:?}, {} rows", reads.fetched);
    let busiest = &statistics.handlers[0];
    assert_eq!(busiest.name.as_deref(), Some("ok"));
    assert_eq!(
        busiest.outcomes().runs(),
        sum(&format!("result <> 'cancelled' AND event_handlers_id = {}", past.world.ok))
    );
    assert!(
        (busiest.seconds
            - 4.0 * f64::from(i32::try_from(busiest.outcomes().ok + busiest.outcomes().warning).unwrap()))
        .abs()
            < 1.0
    );
    assert!(statistics.handlers.is_sorted_by(|one, next| one.outcomes().runs() >= next.outcomes().runs()));
    let stretch = statistics.course()[4];
    let (from, until) = (statistics.since + TimeDelta::days(1), statistics.since + TimeDelta::hours(30));
    let within = format!(
        "result <> 'cancelled' AND created_at >= '{}' AND created_at < '{}'",
        from.to_rfc3339(),
        until.to_rfc3339()
    );
    assert_eq!(stretch.runs(), sum(&within), "the first six hours of the second day");

    // carol sees web-2 only.
    let (of_carol, _) = past.reading(|c| Statistics::of_last_days(c, past.world.carol));
    let seen: i64 = of_carol.handlers.iter().map(|handler| handler.outcomes().runs()).sum();
    assert_eq!(seen, sum(&format!("result <> 'cancelled' AND hosts_id = {}", past.world.web_2)));
}

#[test]
fn sums_say_where_they_begin_when_there_is_too_much() {
    let past = Past::new();
    let (all, _) = past.reading(|c| Statistics::of_last_days(c, past.world.root));
    assert_eq!(all.counted_from, None);
    // A quarter of a million tasks of the last hours.
    past.database.sql(&format!(
        "INSERT INTO tasks (id, event_handlers_id, handler_name, handler_revision, hosts_id, host_name, services_id, service_name, \
             environments, plugin, argv, parameters, risk, timeout_seconds, requester, identity, origin, request_key, created_at, expires_at, \
             state, result, started_at, finished_at) \
         SELECT (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '-7000-9000-' || lpad(to_hex(n), 12, '0'))::uuid, \
             {ok}, 'x', 1, {web_1}, 'x', {os}, 'x', '{{}}', 'x', '{{}}', '{{}}', 'normal', 9, 'x', 'system', 'schedule', \
             gen_random_uuid(), at, at, 'finished', 'ok', at, at \
         FROM (SELECT n, now() - n * interval '40 milliseconds' AS at FROM generate_series(1, 250000) n) n",
        ok = past.world.ok, web_1 = past.world.web_1, os = past.world.os
    ));
    let (some, reads) = past.reading(|c| Statistics::of_last_days(c, past.world.root));
    let age = Utc::now() - some.counted_from.unwrap();
    assert!((7_900..8_400).contains(&age.num_seconds()), "{age}");
    assert_eq!(reads.scans, 0);
    let runs: i64 = some.handlers.iter().map(|handler| handler.outcomes().runs()).sum();
    assert!((199_000..=200_000).contains(&runs), "{runs}");
}
