//! Who may do what: the one decision, against real rows.

use selfservice_core::access::{Access, Confirmation, Question, Verb, effective_risk};
use selfservice_core::db::DbError;
use selfservice_core::models::event_handlers::{EventHandler, Risk};
use selfservice_core::models::hosts::{Host, Placement};
use selfservice_core::models::signin;
use selfservice_core::models::tasks::{Task, TaskFilter};
use selfservice_core::models::users::User;
use std::time::Duration;
use test_support::fixture::World;
use test_support::{TestDatabase, eventually};

struct Case {
    database: TestDatabase,
    world: World,
}

impl Case {
    fn new() -> Self {
        let database = TestDatabase::new();
        let world = World::new(&database);
        Self { database, world }
    }

    fn placement(&self, host: i64) -> Placement {
        self.database.pool().run::<_, DbError>(|c| Ok(Host::placement(c, host)?)).unwrap()
    }

    fn handler(&self, id: i64) -> EventHandler {
        self.database.pool().run::<_, DbError>(|c| Ok(EventHandler::find(c, id)?)).unwrap().unwrap()
    }

    fn access(&self, user: i64, ceiling: Option<Verb>) -> Access {
        self.database.pool().run::<_, DbError>(|c| Ok(Access::load(c, user, ceiling)?)).unwrap()
    }

    /// What the user may do with handler `ok` on the host, in letters: s(ee host), S(ee handler), R(un), A(dmin).
    fn rights(&self, user: i64, host: i64) -> String {
        self.rights_with(user, host, self.world.ok, None)
    }

    fn rights_with(&self, user: i64, host: i64, handler: i64, ceiling: Option<Verb>) -> String {
        let (access, placement, handler) =
            (self.access(user, ceiling), self.placement(host), self.handler(handler));
        let may = |verb| access.may(verb, &placement, &handler);
        [
            (access.may_see(&placement), 's'),
            (may(Verb::See), 'S'),
            (may(Verb::Run), 'R'),
            (may(Verb::Admin), 'A'),
        ]
        .into_iter()
        .filter_map(|(may, letter)| may.then_some(letter))
        .collect()
    }
}

#[test]
fn environments_decide_and_a_host_in_two_needs_the_right_in_both() {
    let case = Case::new();
    let World { web_1, web_2, both, alice, bob, carol, dave, root, .. } = case.world;
    assert_eq!(case.rights(alice, web_1), "sSR");
    assert_eq!(case.rights(alice, web_2), "");
    assert_eq!(case.rights(alice, both), "sS", "production alone is not enough to run");
    assert_eq!(case.rights(carol, both), "sS");
    assert_eq!(case.rights(bob, web_1), "sS");
    assert_eq!(case.rights(dave, web_1), "");
    assert_eq!(case.rights(root, both), "sSRA");
    case.database.sql(
        "INSERT INTO grants (users_id, environments_id, verb) \
        SELECT u.id, e.id, 'run' FROM users u, environments e WHERE u.name = 'alice' AND e.name = 'staging'",
    );
    assert_eq!(case.rights(alice, both), "sSR");
}

#[test]
fn host_groups_handlers_and_tags_narrow_a_grant() {
    let case = Case::new();
    let World { web_1, both, ok, warning, dave, .. } = case.world;
    case.database.sql(
        "INSERT INTO grants (users_id, hostgroups_id, event_handlers_id, verb) \
        SELECT u.id, g.id, h.id, 'run' FROM users u, hostgroups g, event_handlers h \
        WHERE u.name = 'dave' AND g.name = 'web' AND h.name = 'ok'",
    );
    assert_eq!(case.rights_with(dave, web_1, ok, None), "sSR");
    assert_eq!(
        case.rights_with(dave, web_1, warning, None),
        "s",
        "the host is seen, the other handler is not"
    );
    assert_eq!(case.rights_with(dave, both, ok, None), "", "not in the host group");
    case.database.sql("DELETE FROM grants; UPDATE event_handlers SET tags = '{look}' WHERE name = 'warning'");
    case.database.sql("INSERT INTO grants (users_id, handler_tag, verb) SELECT id, 'look', 'run' FROM users WHERE name = 'dave'");
    assert_eq!(case.rights_with(dave, web_1, warning, None), "sSR");
    assert_eq!(case.rights_with(dave, web_1, ok, None), "s");
}

#[test]
fn teams_give_rights_and_disabling_takes_all_of_them() {
    let case = Case::new();
    let World { web_1, dave, .. } = case.world;
    case.database.sql(
        "INSERT INTO teams (name, name_key) VALUES ('oncall', 'oncall'); \
        INSERT INTO teams_members SELECT t.id, u.id FROM teams t, users u WHERE u.name = 'dave'; \
        INSERT INTO grants (teams_id, verb) SELECT id, 'run' FROM teams",
    );
    assert_eq!(case.rights(dave, web_1), "sSR");
    case.database.sql("UPDATE users SET disabled = true WHERE name = 'dave'");
    assert_eq!(case.rights(dave, web_1), "");
}

#[test]
fn a_token_never_allows_more_than_its_verb() {
    let case = Case::new();
    let World { web_1, ok, root, .. } = case.world;
    assert_eq!(case.rights_with(root, web_1, ok, Some(Verb::See)), "sS");
    assert_eq!(case.rights_with(root, web_1, ok, Some(Verb::Run)), "sSR");
    assert!(!case.access(root, Some(Verb::Run)).is_admin());
    assert!(case.access(root, None).is_admin());
}

#[test]
fn a_deleted_user_leaves_nothing_to_somebody_of_the_same_name() {
    let case = Case::new();
    case.database.sql("DELETE FROM users WHERE name = 'alice'; INSERT INTO users (name, name_key) VALUES ('alice', 'alice')");
    let again = case.database.sql("SELECT id FROM users WHERE name = 'alice'").parse().unwrap();
    assert_eq!(case.rights(again, case.world.web_1), "");
}

#[test]
fn an_environment_raises_the_risk_of_what_changes_something() {
    let case = Case::new();
    case.database.sql("UPDATE environments SET minimum_risk = 'dangerous' WHERE name = 'production'");
    let (production, staging) = (case.placement(case.world.web_1), case.placement(case.world.web_2));
    let both = case.placement(case.world.both);
    let risk = |handler, placement: &Placement| effective_risk(&case.handler(handler), placement);
    assert_eq!(risk(case.world.warning, &production), Risk::Dangerous);
    assert_eq!(risk(case.world.warning, &staging), Risk::Normal);
    assert_eq!(risk(case.world.warning, &both), Risk::Dangerous, "the strictest wins");
    assert_eq!(risk(case.world.ok, &production), Risk::ReadOnly, "looking stays one click");
    assert_eq!(Confirmation::from(Risk::Dangerous), Confirmation::Typed);
}

#[test]
fn a_grant_for_one_handler_shows_no_runs_of_another() {
    let case = Case::new();
    let World { web_1, ok, warning, dave, .. } = case.world;
    case.database.sql(
        "INSERT INTO grants (users_id, event_handlers_id, verb) SELECT u.id, h.id, 'see' \
         FROM users u, event_handlers h WHERE u.name = 'dave' AND h.name = 'ok'; \
         UPDATE event_handlers SET tags = '{look}' WHERE name = 'critical'; \
         INSERT INTO grants (users_id, handler_tag, verb) SELECT id, 'look', 'see' FROM users WHERE name = 'dave'; \
         INSERT INTO tasks (id, event_handlers_id, handler_name, handler_revision, hosts_id, host_name, services_id, \
             service_name, environments, plugin, argv, parameters, risk, timeout_seconds, requester, identity, origin, \
             request_key, expires_at) \
         SELECT gen_random_uuid(), e.id, e.name, 1, h.id, h.name, s.id, s.name, '{}', e.plugin, '{}', '{}', e.risk, 30, \
             'alice', 'password', 'gui', gen_random_uuid(), now() FROM event_handlers e, hosts h, services s \
         WHERE h.name = 'web-1'",
    );
    let seen = |user: i64| -> Vec<String> {
        let tasks = case
            .database
            .pool()
            .run::<_, DbError>(|c| Ok(Task::visible_page(c, user, &TaskFilter::default(), 50)?))
            .unwrap();
        let mut names: Vec<String> = tasks.into_iter().map(|task| task.handler_name).collect();
        names.sort();
        names
    };
    assert_eq!(seen(dave), ["critical", "ok"]);
    assert_eq!(seen(case.world.alice).len(), 6, "a grant that names no handler shows every run");
    let (access, placement) = (case.access(dave, None), case.placement(web_1));
    assert!(access.may_see_task(&placement, Some(&case.handler(ok))));
    assert!(!access.may_see_task(&placement, Some(&case.handler(warning))));
    assert!(!access.may_see_task(&placement, None));
    assert!(case.access(case.world.alice, None).may_see_task(&placement, None));
}

/// The answer of `why` for one person, in short: granted, environments that lack, grants that count.
fn why(case: &Case, user: i64, host: i64, handler: Option<i64>, verb: Verb) -> (bool, Vec<String>, usize) {
    let (placement, handler) = (case.placement(host), handler.map(|id| case.handler(id)));
    let question = Question { verb, placement: &placement, handler: handler.as_ref() };
    let answer = case.database.pool().run::<_, DbError>(|c| Ok(question.why(c, user)?)).unwrap();
    let counting = answer.weighed.iter().filter(|one| one.lacks.is_empty()).count();
    (answer.may, answer.missing_in, counting)
}

#[test]
fn the_explanation_follows_the_decision() {
    let case = Case::new();
    let World { web_1, both, ok, slow, alice, bob, dave, root, .. } = case.world;
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    assert_eq!(why(&case, alice, web_1, Some(ok), Verb::Run), (true, vec![], 1));
    assert_eq!(why(&case, alice, both, Some(ok), Verb::Run), (false, names(&["staging"]), 1));
    assert_eq!(why(&case, alice, both, Some(ok), Verb::See), (true, vec![], 1));
    assert_eq!(why(&case, bob, web_1, Some(ok), Verb::Run), (false, names(&["production"]), 0));
    assert_eq!(why(&case, dave, both, None, Verb::See), (false, names(&["production", "staging"]), 0));
    assert_eq!(why(&case, root, both, None, Verb::Admin), (true, vec![], 1));

    // Grants of every shape, for a person and a team: what is explained is what is decided.
    case.database.sql(
        "UPDATE event_handlers SET tags = '{night}' WHERE name = 'ok'; \
         INSERT INTO teams (name, name_key) VALUES ('t', 't'); \
         INSERT INTO teams_members SELECT t.id, u.id FROM teams t, users u WHERE u.name = 'dave'; \
         INSERT INTO hosts (name, name_key, address) VALUES ('nowhere', 'nowhere', 'x')",
    );
    let nowhere = case.database.sql("SELECT id FROM hosts WHERE name = 'nowhere'").parse().unwrap();
    let shapes = [
        "(users_id, verb) SELECT id, 'run' FROM users WHERE name = 'dave'",
        "(teams_id, environments_id, verb) SELECT t.id, e.id, 'admin' FROM teams t, environments e WHERE e.name = 'staging'",
        "(users_id, hostgroups_id, verb) SELECT u.id, g.id, 'run' FROM users u, hostgroups g WHERE u.name = 'dave'",
        "(users_id, handler_tag, verb) SELECT id, 'night', 'run' FROM users WHERE name = 'dave'",
        "(users_id, event_handlers_id, verb) SELECT u.id, h.id, 'admin' FROM users u, event_handlers h WHERE u.name = 'dave' AND h.name = 'slow'",
        "(teams_id, environments_id, handler_tag, verb) SELECT t.id, e.id, 'other', 'run' FROM teams t, environments e",
    ];
    for shape in shapes {
        case.database.sql("DELETE FROM grants WHERE users_id = (SELECT id FROM users WHERE name = 'dave') OR teams_id IS NOT NULL");
        case.database.sql(&format!("INSERT INTO grants {shape}"));
        for host in [web_1, case.world.web_2, both, nowhere] {
            for handler in [ok, slow] {
                for verb in [Verb::See, Verb::Run] {
                    let decided =
                        case.access(dave, None).may(verb, &case.placement(host), &case.handler(handler));
                    let (may, missing, counting) = why(&case, dave, host, Some(handler), verb);
                    assert_eq!(may, decided, "{shape}");
                    assert_eq!(may, missing.is_empty() && counting > 0, "{shape}: {missing:?}, {counting}");
                    let (placement, handler) = (case.placement(host), case.handler(handler));
                    let question = Question { verb, placement: &placement, handler: Some(&handler) };
                    let people =
                        case.database.pool().run::<_, DbError>(|c| Ok(question.who_may(c)?)).unwrap();
                    assert_eq!(people.iter().any(|(id, _)| *id == dave), decided, "{shape}: {people:?}");
                }
            }
        }
    }
    case.database.sql("UPDATE users SET disabled = true");
    let placement = case.placement(web_1);
    let question = Question { verb: Verb::See, placement: &placement, handler: None };
    assert!(case.database.pool().run::<_, DbError>(|c| Ok(question.who_may(c)?)).unwrap().is_empty());
}

#[test]
fn a_link_waits_for_whoever_changes_its_user() {
    let case = Case::new();
    let (pool, alice, secret) = (case.database.pool(), case.world.alice, b"the hash of a secret");
    pool.run::<_, DbError>(|c| Ok(signin::create_link(c, alice, secret, Duration::from_secs(60))?)).unwrap();
    let taken = std::thread::scope(|scope| {
        pool.transaction::<_, DbError>(|connection| {
            // Setting a password begins so.
            User::locked(connection, alice)?;
            let taker = scope
                .spawn(|| pool.transaction::<_, DbError>(|c| Ok(signin::take_link(c, secret)?.is_some())));
            let waits = "SELECT count(*) FROM pg_stat_activity \
                         WHERE datname = current_database() AND wait_event_type = 'Lock'";
            eventually("the link is taken or waits", || {
                (taker.is_finished() || case.database.sql(waits) != "0").then_some(())
            });
            assert!(!taker.is_finished(), "it took the link without looking at its user");
            User::set_password(connection, alice, Some("hash"))?;
            Ok(taker)
        })
        .map(|taker| taker.join())
    });
    assert!(!taken.unwrap().unwrap().unwrap(), "the password ended the link");
}
