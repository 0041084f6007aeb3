//! The proxy does to a connection what its faults promise.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};
use test_support::{Fault, FaultyProxy, TestDatabase};

/// What PostgreSQL answers with one byte: whether it speaks TLS.
const QUESTION: &[u8] = &[0, 0, 0, 8, 4, 210, 22, 47];
const SHORT: Duration = Duration::from_millis(300);

fn connected(proxy: &FaultyProxy) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", proxy.port())).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

/// Sends the question and waits for the first byte.
fn ask(stream: &mut TcpStream) -> Result<u8, ErrorKind> {
    let mut answer = [0];
    stream.write_all(QUESTION).map_err(|error| error.kind())?;
    match stream.read(&mut answer) {
        Ok(0) => Err(ErrorKind::UnexpectedEof),
        Ok(_) => Ok(answer[0]),
        Err(error) => Err(error.kind()),
    }
}

#[test]
fn what_is_slow_arrives_complete() {
    let database = TestDatabase::new();
    let proxy = FaultyProxy::before(&database);
    for fault in [Fault::Pass, Fault::Slices(1), Fault::Latency(SHORT), Fault::Bandwidth(40)] {
        proxy.set(fault);
        let (mut stream, from) = (connected(&proxy), Instant::now());
        assert_eq!(ask(&mut stream), Ok(b'N'), "{fault:?}");
        let least = match fault {
            Fault::Latency(latency) => latency * 2,
            Fault::Bandwidth(rate) => Duration::from_millis(7 * 1000 / u64::try_from(rate).unwrap()),
            _ => Duration::ZERO,
        };
        assert!(from.elapsed() >= least, "{fault:?} took {:?}", from.elapsed());
    }
}

#[test]
fn silence_and_ends_are_what_they_say_for_present_and_new_connections() {
    let database = TestDatabase::new();
    let proxy = FaultyProxy::before(&database);
    for fault in [Fault::Blackhole, Fault::HalfOpen] {
        proxy.set(Fault::Pass);
        let mut present = connected(&proxy);
        assert_eq!(ask(&mut present), Ok(b'N'));
        proxy.set(fault);
        for mut stream in [present, connected(&proxy)] {
            stream.set_read_timeout(Some(SHORT)).unwrap();
            assert_eq!(ask(&mut stream), Err(ErrorKind::WouldBlock), "{fault:?}");
        }
    }
    for fault in [Fault::Reset, Fault::Refuse] {
        proxy.set(Fault::Pass);
        let mut present = test_support::eventually("the proxy answers", || {
            let mut stream = TcpStream::connect(("127.0.0.1", proxy.port())).ok()?;
            ask(&mut stream).ok().map(|_| stream)
        });
        proxy.set(fault);
        let mut byte = [0];
        assert_eq!(present.read(&mut byte).unwrap_err().kind(), ErrorKind::ConnectionReset, "{fault:?}");
    }
    test_support::eventually("the port is closed", || {
        let error = TcpStream::connect(("127.0.0.1", proxy.port())).err()?;
        (error.kind() == ErrorKind::ConnectionRefused).then_some(())
    });
}

#[test]
fn the_nth_commit_is_cut_before_or_after_the_server_has_it() {
    let database = TestDatabase::new();
    database.sql("CREATE TABLE proof (number int)");
    for (delivered, stored) in [(false, "1"), (true, "2")] {
        let proxy = FaultyProxy::before(&database);
        proxy.set(Fault::cut_at_commit(2, delivered));
        let psql = |number: u32| {
            use selfservice_core::config::DatabaseSettings;
            use selfservice_core::db::{DbError, Pool};
            Pool::new(&DatabaseSettings::for_url(proxy.url()), "test").transaction::<_, DbError>(
                |connection| {
                    use diesel::RunQueryDsl as _;
                    diesel::sql_query(format!("INSERT INTO proof VALUES ({number})")).execute(connection)?;
                    Ok(())
                },
            )
        };
        assert!(psql(1).is_ok());
        assert!(psql(2).is_err(), "the answer must not come");
        assert_eq!((proxy.cuts(), proxy.fault()), (1, Fault::Pass));
        assert_eq!(database.sql("SELECT count(*) FROM proof"), stored);
        assert!(psql(3).is_ok(), "it cuts once");
        database.sql("TRUNCATE proof");
    }
}

#[test]
fn a_statement_that_commits_itself_is_cut_before_or_after_the_server_has_it() {
    use diesel::RunQueryDsl as _;
    use selfservice_core::config::DatabaseSettings;
    use selfservice_core::db::{DbError, Pool};

    let database = TestDatabase::new();
    database.sql("CREATE TABLE proof (number int)");
    for (delivered, stored) in [(false, "1"), (true, "2")] {
        let proxy = FaultyProxy::before(&database);
        let pool = Pool::new(&DatabaseSettings::for_url(proxy.url()), "test");
        let insert = || {
            pool.run::<_, DbError>(|connection| {
                Ok(diesel::sql_query("INSERT INTO proof VALUES (1)").execute(connection)?)
            })
        };
        insert().unwrap();
        proxy.set(Fault::cut_at_statement(1, delivered));
        assert!(insert().is_err(), "the answer must not come");
        assert_eq!((proxy.cuts(), proxy.fault()), (1, Fault::Pass));
        assert_eq!(database.sql("SELECT count(*) FROM proof"), stored);
        database.sql("TRUNCATE proof");
    }
}
