//! The database is away, slow, silent or read-only: whoever uses it hears so in time, and goes on when it is back.

use selfservice_core::config::DatabaseSettings;
use selfservice_core::db::{DbError, Listener, PgConnection, Pool, Wake};
use std::time::{Duration, Instant};
use test_support::{Fault, FaultyProxy, TestDatabase, eventually};

/// What the tests' uses of the database may take.
const LIMIT: Duration = Duration::from_secs(1);
/// How much later they may come back: a loaded machine, never a hang.
const SLACK: Duration = Duration::from_secs(8);

fn pool(proxy: &FaultyProxy) -> Pool {
    Pool::new(&DatabaseSettings::for_url(proxy.url()).answering_within(LIMIT), "test")
}

fn execute(pool: &Pool, sql: &str) -> Result<usize, DbError> {
    use diesel::RunQueryDsl as _;
    pool.run(|connection: &mut PgConnection| Ok(diesel::sql_query(sql).execute(connection)?))
}

#[test]
fn every_use_comes_back_in_time_and_the_pool_recovers_by_itself() {
    let database = TestDatabase::new();
    std::thread::scope(|scope| {
        for fault in [
            Fault::Blackhole,
            Fault::HalfOpen,
            Fault::Reset,
            Fault::Refuse,
            Fault::Latency(Duration::from_secs(5)),
            Fault::Bandwidth(1),
        ] {
            let database = &database;
            scope.spawn(move || {
                let proxy = FaultyProxy::before(database);
                let pool = pool(&proxy);
                assert!(execute(&pool, "SELECT 1").is_ok());
                proxy.set(fault);
                // The first meets a connection that was good, the second one that must be made.
                for _ in 0..2 {
                    let from = Instant::now();
                    let error = execute(&pool, "SELECT 1").unwrap_err();
                    assert!(error.is_outage(), "{fault:?}: {error:?}");
                    assert!(from.elapsed() < LIMIT + SLACK, "{fault:?} took {:?}", from.elapsed());
                }
                proxy.set(Fault::Pass);
                eventually("the pool works again", || execute(&pool, "SELECT 1").ok());
            });
        }
    });
}

#[test]
fn what_is_slow_but_moves_is_no_outage() {
    let database = TestDatabase::new();
    let proxy = FaultyProxy::before(&database);
    // A busy machine needs its time for a thousand slices.
    let patience = Duration::from_secs(120);
    let mut settings = DatabaseSettings::for_url(proxy.url());
    settings.connect_timeout = patience;
    settings.operation_timeout = patience;
    let pool = Pool::new(&settings, "test");
    for fault in [Fault::Slices(1), Fault::Latency(Duration::from_millis(100)), Fault::Bandwidth(10_000)] {
        proxy.set(fault);
        assert!(execute(&pool, "SELECT repeat('x', 1000)").is_ok(), "{fault:?}");
    }
}

#[test]
fn the_server_gives_up_what_its_client_has_given_up() {
    let database = TestDatabase::new();
    let proxy = FaultyProxy::before(&database);
    let pool = pool(&proxy);
    let error = execute(&pool, "SELECT pg_sleep(60)").unwrap_err();
    assert!(error.is_outage(), "{error:?}");
    database.sql("CREATE TABLE locked ()");
    let holder = database.pool().get().map(|mut connection| {
        use diesel::connection::SimpleConnection as _;
        connection.batch_execute("BEGIN; LOCK TABLE locked").unwrap();
        connection
    });
    let error = execute(&pool, "SELECT * FROM locked").unwrap_err();
    assert!(error.is_outage(), "{error:?}");
    drop(holder);
    assert_eq!(
        database.sql("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state = 'active' AND query ~ '^SELECT pg_sleep'"),
        "0"
    );
}

#[test]
fn a_server_that_became_read_only_is_an_outage_and_left_as_soon_as_it_takes_writes() {
    let database = TestDatabase::new();
    database.sql("CREATE TABLE written (number int)");
    let proxy = FaultyProxy::before(&database);
    let pool = pool(&proxy);
    let write = || execute(&pool, "INSERT INTO written VALUES (1)");
    assert!(write().is_ok());
    // As after a failover: sessions to the old primary end, new ones find a standby.
    let name = database.sql("SELECT current_database()");
    database.sql(&format!("ALTER DATABASE {name} SET default_transaction_read_only = on"));
    proxy.set(Fault::Reset);
    eventually("the connection is gone", || write().err());
    proxy.set(Fault::Pass);
    let error = eventually("the standby answers", || {
        write().err().filter(|error| format!("{error:?}").contains("read-only transaction"))
    });
    assert!(error.is_outage());
    database
        .sql(&format!("BEGIN READ WRITE; ALTER DATABASE {name} RESET default_transaction_read_only; COMMIT"));
    eventually("writes work again", || write().ok());
}

#[test]
fn a_commit_is_on_the_disk_when_it_is_acknowledged_and_nothing_stronger_is_weakened() {
    let database = TestDatabase::new();
    let name = database.sql("SELECT current_database()");
    for (told, kept) in [("off", "on"), ("local", "local"), ("remote_apply", "remote_apply")] {
        database.sql(&format!("ALTER DATABASE {name} SET synchronous_commit = {told}"));
        let pool = Pool::new(&DatabaseSettings::for_url(database.url()), "test");
        let assumed =
            execute(&pool, &format!("SELECT 1 / (current_setting('synchronous_commit') = '{kept}')::int"));
        assert!(assumed.is_ok(), "{told}: {assumed:?}");
    }
}

#[test]
fn no_query_is_compiled_however_costly_it_looks() {
    let database = TestDatabase::new();
    let name = database.sql("SELECT current_database()");
    database.sql(&format!("ALTER DATABASE {name} SET jit = on"));
    let settings = DatabaseSettings::for_url(database.url());
    for settings in [settings.keeping_plans(), settings.for_long_work(), settings] {
        let off = execute(&Pool::new(&settings, "test"), "SELECT 1 / (current_setting('jit') = 'off')::int");
        assert!(off.is_ok(), "{off:?}");
    }
}

#[test]
fn the_time_of_a_use_counts_the_looks_at_dead_connections_too() {
    let database = TestDatabase::new();
    let proxy = FaultyProxy::before(&database);
    let pool = Pool::new(&DatabaseSettings::for_url(proxy.url()), "test");
    let use_until = |limit: Duration, sql: &str| {
        use diesel::RunQueryDsl as _;
        pool.run_until(Instant::now() + limit, |connection: &mut PgConnection| {
            Ok::<_, DbError>(diesel::sql_query(sql).execute(connection)?)
        })
    };
    // Each of these connections is suspect afterwards: the server must be asked before it is used again.
    std::thread::scope(|scope| {
        (0..5).for_each(|_| drop(scope.spawn(|| use_until(LIMIT + SLACK, "SELECT 1 / 0 FROM pg_sleep(1)"))));
    });
    proxy.set(Fault::Blackhole);
    let from = Instant::now();
    let error = use_until(LIMIT / 2, "SELECT 1").unwrap_err();
    assert!(error.is_outage(), "{error:?}");
    assert!(from.elapsed() < LIMIT * 5 / 2, "{:?}", from.elapsed());
    assert!(matches!(use_until(Duration::ZERO, "SELECT 1"), Err(DbError::TooLate)));
}

#[test]
fn an_unclear_commit_is_an_outage() {
    let database = TestDatabase::new();
    database.sql("CREATE TABLE written (number int PRIMARY KEY)");
    for (number, delivered) in [(1, false), (2, true)] {
        let proxy = FaultyProxy::before(&database);
        let pool = pool(&proxy);
        proxy.set(Fault::cut_at_commit(1, delivered));
        let write = || {
            use diesel::RunQueryDsl as _;
            pool.transaction::<_, DbError>(|connection| {
                let sql = format!("INSERT INTO written VALUES ({number}) ON CONFLICT DO NOTHING");
                Ok(diesel::sql_query(sql).execute(connection)?)
            })
        };
        let error = write().unwrap_err();
        assert!(error.is_outage(), "{error:?}");
        let again = eventually("the second try succeeds", || write().ok());
        assert_eq!(again, usize::from(!delivered));
    }
}

#[test]
fn the_listener_hears_its_waker_while_the_server_is_silent_and_finds_back() {
    let database = TestDatabase::new();
    let proxy = FaultyProxy::before(&database);
    proxy.set(Fault::Blackhole);
    let mut listener = Listener::new(proxy.url(), &["heard"]).unwrap();
    let waker = listener.waker().unwrap();
    let thread = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(50));
        waker.wake();
    });
    assert_eq!(listener.wait(Duration::from_secs(20)), Wake::Woken, "while it connects");
    thread.join().unwrap();
    let connected = |listener: &mut Listener| {
        eventually("the listener is connected", || {
            (listener.wait(Duration::from_millis(100)) == Wake::Connected).then_some(())
        });
    };
    let hears = |listener: &mut Listener, payload: &str| {
        database.sql(&format!("NOTIFY heard, '{payload}'"));
        let expected = Wake::Notified { channel: "heard".to_owned(), payload: payload.to_owned() };
        eventually("the notification comes", || {
            (listener.wait(Duration::from_millis(100)) == expected).then_some(())
        });
    };
    proxy.set(Fault::Pass);
    connected(&mut listener);
    hears(&mut listener, "one");
    // Nobody hears that the connection is dead: the listener asks, and is not answered.
    let before = proxy.swallowed();
    proxy.set(Fault::Blackhole);
    eventually("the listener asks whether the server is there", || {
        let _ = listener.wait(Duration::from_millis(100));
        (proxy.swallowed() > before).then_some(())
    });
    proxy.set(Fault::Pass);
    connected(&mut listener);
    hears(&mut listener, "two");
}
