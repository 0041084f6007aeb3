//! The audit log: that a search of a long one reads few rows, and that nobody can change it.

use chrono::{DateTime, TimeDelta, Utc};
use selfservice_core::db::DbError;
use selfservice_core::models::audit::{AuditFilter, AuditPlace, AuditRow, MOST_REFUSALS, NewAudit};
use selfservice_core::models::expired;
use test_support::TestDatabase;

const ROWS: i64 = 200_000;
/// The end of the time that the rows are about.
const END: &str = "2026-11-01T00:00:00Z";

#[test]
fn a_search_of_a_long_log_reads_few_rows() {
    let database = TestDatabase::new();
    database.sql(&format!(
        "INSERT INTO audit (at, actor, identity, action, object) \
         SELECT '{END}'::timestamptz - (({ROWS} - n) * interval '1 minute'), \
             CASE WHEN n % 1000 = 0 THEN 'rare' ELSE 'user ' || n % 50 END, 'password', \
             CASE WHEN n % 5000 = 0 THEN 'grant.add' ELSE (ARRAY['task.create', 'task.cancel', 'session.create'])[n % 3 + 1] END, \
             'object ' || n FROM generate_series(1, {ROWS}) n; ANALYZE audit"
    ));
    let end: DateTime<Utc> = END.parse().unwrap();
    let early = end - TimeDelta::minutes(ROWS - 1000);
    let cases = [
        ("all", AuditFilter::default(), 50),
        ("one person", AuditFilter { actor: "rare".to_owned(), ..AuditFilter::default() }, 50),
        ("one action", AuditFilter { action: "grant.add".to_owned(), ..AuditFilter::default() }, 40),
        ("an object", AuditFilter { object: "object 19999".to_owned(), ..AuditFilter::default() }, 11),
        ("long ago", AuditFilter { until: Some(early), ..AuditFilter::default() }, 50),
        (
            "one person long ago",
            AuditFilter {
                actor: "rare".to_owned(),
                until: Some(early + TimeDelta::days(90)),
                ..AuditFilter::default()
            },
            50,
        ),
        ("nobody", AuditFilter { actor: "nobody".to_owned(), ..AuditFilter::default() }, 0),
        (
            "a page in the middle",
            AuditFilter {
                before: Some(AuditPlace { at: end - TimeDelta::minutes(100_000), id: 1 }),
                ..AuditFilter::default()
            },
            50,
        ),
    ];
    for (what, filter, expected) in cases {
        let (found, reads) = database.reading("audit", |connection| AuditRow::page(connection, &filter, 50));
        assert_eq!(found.len(), expected, "{what}");
        assert!(found.is_sorted_by(|a, b| (a.at, a.id) > (b.at, b.id)), "{what}");
        assert_eq!(reads.scans, 0, "{what}: the whole log was read");
        assert!(reads.fetched <= 200, "{what}: {} rows were read", reads.fetched);
    }
    let (actions, reads) = database.reading("audit", AuditRow::actions);
    let known = ["grant.add", "session.create", "task.cancel", "task.create"].map(str::to_owned).to_vec();
    assert_eq!((actions, reads.scans), (known, 0));
}

#[test]
fn an_object_of_any_length_is_kept_and_found() {
    let database = TestDatabase::new();
    // Random, or the index would take it compressed.
    let object = database.sql("SELECT string_agg(md5(n::text), '') FROM generate_series(1, 1000) n");
    database.sql(&format!(
        "INSERT INTO audit (actor, identity, action, object) VALUES ('a', 'system', 'x.y', '{object}'), \
         ('a', 'system', 'x.y', '{}other')",
        &object[..200]
    ));
    let count = |start: &str| {
        let filter = AuditFilter { object: start.to_owned(), ..AuditFilter::default() };
        database.pool().run::<_, DbError>(|c| Ok(AuditRow::page(c, &filter, 50)?)).unwrap().len()
    };
    assert_eq!([&object[..50], &object[..200], &object[..201], &object, "x"].map(count), [2, 2, 1, 1, 0]);
}

#[test]
fn refusals_of_one_person_are_bounded_and_counted() {
    let database = TestDatabase::new();
    let refuse = |actor: &str, times: i64| {
        let row = NewAudit {
            users_id: Some(7),
            actor,
            identity: "password",
            address: "",
            action: "grant.add.refuse",
            object: "",
            task_id: None,
            detail: serde_json::json!({}),
        };
        let done = database.pool().run::<_, DbError>(|c| Ok((0..times).try_for_each(|_| row.insert(c))?));
        done.unwrap();
    };
    let told = || {
        database.sql(
            "SELECT string_agg(concat_ws(' ', actor, action, count, more), ', ' ORDER BY actor, action) FROM \
             (SELECT actor, action, count(*), max(detail ->> 'more') AS more FROM audit GROUP BY actor, action) a",
        )
    };
    refuse("mallory", MOST_REFUSALS + 25);
    refuse("erin", 2);
    let first = format!("erin grant.add.refuse 2, mallory grant.add.refuse {MOST_REFUSALS}");
    assert_eq!(told(), first);
    database.pool().run::<_, DbError>(|c| Ok(expired::purge(c)?)).unwrap();
    assert_eq!(told(), first, "the hour is not over");
    database.sql("UPDATE audit_refusals SET since = since - interval '1 hour'");
    database.pool().run::<_, DbError>(|c| Ok(expired::purge(c)?)).unwrap();
    assert_eq!(told(), format!("{first}, mallory refusal.count 1 25"));
    assert_eq!(database.sql("SELECT count(*) FROM audit_refusals"), "0");
    refuse("mallory", 1);
    assert!(told().contains(&format!("mallory grant.add.refuse {}", MOST_REFUSALS + 1)), "a new hour");
}

#[test]
fn the_role_that_owns_the_log_can_only_read_it_and_add_to_it() {
    let database = TestDatabase::new();
    database.sql("INSERT INTO audit (actor, identity, action) VALUES ('a', 'system', 'x.y')");
    let role = format!("keeper_{}", std::process::id());
    database.sql(&format!(
        "CREATE ROLE {role}; ALTER TABLE audit OWNER TO {role}; GRANT USAGE ON SCHEMA public TO {role}"
    ));
    let tries = ["UPDATE audit SET actor = 'b'", "DELETE FROM audit", "TRUNCATE audit"];
    // What is refused: by the privilege to the owner, by the trigger to a superuser.
    for (who, words) in [(role.as_str(), "permission denied"), ("NONE", "append-only")] {
        for statement in tries {
            let refused = format!(
                "SET ROLE {who}; DO $$ BEGIN {statement}; RAISE 'done'; EXCEPTION WHEN OTHERS THEN \
                 IF SQLERRM NOT LIKE '%{words}%' THEN RAISE; END IF; END $$"
            );
            database.sql(&refused);
        }
    }
    database.sql(&format!(
        "SET ROLE {role}; INSERT INTO audit (actor, identity, action) VALUES ('b', 'system', 'x.y')"
    ));
    assert_eq!(
        database.sql(&format!("SET ROLE {role}; SELECT count(*) FROM audit")).lines().last(),
        Some("2")
    );
    database.sql(&format!("ALTER TABLE audit OWNER TO CURRENT_USER; DROP OWNED BY {role}; DROP ROLE {role}"));
}
