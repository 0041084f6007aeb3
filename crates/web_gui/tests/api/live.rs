//! Live output: replay, follow, end, and the right that is asked for again.

use crate::common::{Api, Person};
use crate::output::bytes;
use futures_util::StreamExt as _;
use reqwest::Method;
use selfservice_core::models::logs::Stream;
use selfservice_core::models::tasks::TaskResult;
use serde_json::Value;
use std::time::Duration;
use test_support::Fault;
use uuid::Uuid;

/// An event stream as a browser reads it.
struct Reader {
    stream: futures_util::stream::BoxStream<'static, reqwest::Result<Vec<u8>>>,
    text: String,
}

#[derive(Debug, Clone, PartialEq)]
struct Event {
    name: String,
    id: Option<i64>,
    data: Value,
}

impl Reader {
    async fn open(person: &Person, id: Uuid, query: &str, last: Option<i64>) -> Self {
        let mut request = person.request(Method::GET, &format!("/tasks/{id}/events{query}"));
        if let Some(last) = last {
            request = request.header("last-event-id", last.to_string());
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let stream = response.bytes_stream().map(|part| part.map(|bytes| bytes.to_vec()));
        Self { stream: stream.boxed(), text: String::new() }
    }

    /// The next event; `None` at the end of the stream.
    async fn next(&mut self) -> Option<Event> {
        loop {
            while let Some((block, rest)) = self.text.split_once("\n\n") {
                let event = parse(block);
                self.text = rest.to_owned();
                if event.is_some() {
                    return event;
                }
            }
            let part = tokio::time::timeout(Duration::from_secs(90), self.stream.next())
                .await
                .unwrap_or_else(|_| panic!("no event within 90 s"))?;
            self.text.push_str(&String::from_utf8(part.unwrap()).unwrap());
        }
    }

    /// Events until one fits, that one last.
    async fn until(&mut self, fits: impl Fn(&Event) -> bool) -> Vec<Event> {
        let mut seen = Vec::new();
        while let Some(event) = self.next().await {
            seen.push(event.clone());
            if fits(&event) {
                return seen;
            }
        }
        panic!("the stream ended before: {seen:?}")
    }
}

/// Comments and `retry` alone are no event.
fn parse(block: &str) -> Option<Event> {
    let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    Some(Event {
        name: field("event")?.to_owned(),
        id: field("id").map(|id| id.parse().unwrap()),
        data: serde_json::from_str(field("data")?).unwrap(),
    })
}

fn output(events: &[Event]) -> Vec<u8> {
    let logs = events.iter().filter(|event| event.name == "log");
    logs.flat_map(|event| bytes(&event.data)).collect()
}

fn is(name: &'static str) -> impl Fn(&Event) -> bool {
    move |event| event.name == name
}

#[tokio::test]
async fn a_stream_replays_follows_and_ends() {
    let api = Api::start();
    let id = api.queued().await;
    let worker = api.manager(1);
    let first = api.write(id, 0, Stream::Stdout, b"one\n");
    let mut reader = Reader::open(&api.person(api.world.bob), id, "", None).await;
    let replayed = reader.until(is("log")).await;
    assert_eq!((replayed[0].name.as_str(), &replayed[0].data["state"]), ("task", &Value::from("queued")));
    assert_eq!((output(&replayed), replayed[1].id), (b"one\n".to_vec(), Some(first)));
    api.claim(&worker);
    let changed = reader.until(is("task")).await;
    assert_eq!(changed[0].data["state"], "running");
    assert_eq!(changed[0].data["manager"], "eu-1");
    let second = api.write(id, first, Stream::Stderr, b"t\xff");
    assert_eq!(output(&reader.until(is("log")).await), b"t\xff");
    api.write(id, second, Stream::System, b"done\n");
    api.finish(id, &worker, TaskResult::Warning);
    let rest = reader.until(is("end")).await;
    let names: Vec<&str> = rest.iter().map(|event| event.name.as_str()).collect();
    let last_log = names.iter().rposition(|name| *name == "log").unwrap();
    let finished = rest.iter().position(|event| event.data["state"] == "finished").unwrap();
    assert!(last_log < finished, "finished never appears before the last line: {names:?}");
    assert_eq!(output(&rest), b"done\n");
    assert_eq!(rest[finished].data["severity"], "warning");
    assert_eq!(reader.next().await, None, "the stream closes");
}

#[tokio::test]
async fn a_stream_resumes_at_the_byte_that_was_seen_last() {
    let api = Api::start();
    let id = api.queued().await;
    let worker = api.manager(1);
    api.claim(&worker);
    let mut offset = 0;
    for number in 0..100 {
        offset = api.write(id, offset, Stream::Stdout, format!("line {number:06}\n").repeat(500).as_bytes());
    }
    api.finish(id, &worker, TaskResult::Ok);
    let alice = api.person(api.world.alice);
    let whole = output(&Reader::open(&alice, id, "", None).await.until(is("end")).await);
    assert_eq!(i64::try_from(whole.len()).unwrap(), offset);
    for (query, last, from) in
        [("?offset=5", None, 5), ("?offset=5", Some(500_001), 500_001), ("", Some(offset), offset)]
    {
        let events = Reader::open(&alice, id, query, last).await.until(is("end")).await;
        assert_eq!(output(&events), whole[usize::try_from(from).unwrap()..]);
        assert_eq!(events.iter().filter(|event| event.name == "task").count(), 1);
    }
    assert_eq!(alice.get(&format!("/tasks/{id}/events?offset=-1")).await.status, 400);
}

#[tokio::test]
async fn a_stream_sees_what_no_hint_told() {
    let api = Api::start();
    let id = api.queued().await;
    let mut reader = Reader::open(&api.person(api.world.alice), id, "", None).await;
    reader.until(is("task")).await;
    api.database.sql(&format!("INSERT INTO logs VALUES ('{id}', 0, 0, 'stdout', now(), 'quiet')"));
    assert_eq!(output(&reader.until(is("log")).await), b"quiet");
}

#[tokio::test]
async fn a_right_that_is_taken_away_ends_the_stream() {
    let api = Api::start();
    let id = api.queued().await;
    let mut reader = Reader::open(&api.person(api.world.bob), id, "", None).await;
    reader.until(is("task")).await;
    api.database.sql("DELETE FROM grants WHERE users_id = (SELECT id FROM users WHERE name = 'bob')");
    api.write(id, 0, Stream::Stdout, b"something");
    let events = reader.until(is("gone")).await;
    assert!(!events.iter().any(|event| event.data["state"] == "finished"));
    assert_eq!(reader.next().await, None);
}

#[tokio::test]
async fn signing_out_ends_the_stream() {
    let api = Api::start();
    let id = api.queued().await;
    let mut reader = Reader::open(&api.person(api.world.bob), id, "", None).await;
    reader.until(is("task")).await;
    api.database.sql("DELETE FROM sessions WHERE users_id = (SELECT id FROM users WHERE name = 'bob')");
    reader.until(is("gone")).await;
    assert_eq!(reader.next().await, None);
}

#[tokio::test]
async fn another_site_gets_no_stream() {
    let api = Api::start();
    let id = api.queued().await;
    let alice = api.person(api.world.alice);
    let answer = alice
        .request(Method::GET, &format!("/tasks/{id}/events"))
        .header("sec-fetch-site", "cross-site")
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 403);
}

#[tokio::test]
async fn a_stopping_program_does_not_wait_for_its_readers() {
    let api = Api::start();
    let id = api.queued().await;
    let mut reader = Reader::open(&api.person(api.world.alice), id, "", None).await;
    reader.until(is("task")).await;
    let program = api.app.program("web_gui");
    program.signal(nix::sys::signal::Signal::SIGTERM);
    assert_eq!(reader.next().await, None, "the stream ends cleanly");
    let status = program.wait(Duration::from_secs(30)).unwrap();
    assert!(status.success(), "{status:?}");
}

#[tokio::test]
async fn a_database_that_goes_and_comes_back_costs_nothing_but_time() {
    let api = Api::impatient();
    let id = api.queued().await;
    let alice = api.person(api.world.alice);
    api.database.shut_out();
    let away = alice.get(&format!("/tasks/{id}")).await;
    assert_eq!(away.status, 503);
    assert!(away.detail().contains("database does not answer"), "{away:?}");
    api.database.let_in();
    let deadline = std::time::Instant::now() + Duration::from_secs(90);
    while alice.get(&format!("/tasks/{id}")).await.status != 200 {
        assert!(std::time::Instant::now() < deadline, "it never came back");
    }
    let mut reader = Reader::open(&alice, id, "", None).await;
    reader.until(is("task")).await;
    api.write(id, 0, Stream::Stdout, b"again");
    assert_eq!(output(&reader.until(is("log")).await), b"again");
}

#[tokio::test]
async fn a_stream_outlives_an_outage_and_goes_on_without_a_gap() {
    let (api, proxy) = Api::behind_proxy();
    let id = api.queued().await;
    let worker = api.manager(1);
    api.claim(&worker);
    let mut reader = Reader::open(&api.person(api.world.alice), id, "", None).await;
    let mut offset = api.write(id, 0, Stream::Stdout, b"before\n");
    let mut seen = reader.until(is("log")).await;
    for fault in [Fault::Blackhole, Fault::HalfOpen, Fault::Refuse] {
        proxy.set(fault);
        seen.extend(reader.until(is("away")).await);
        offset = api.write(id, offset, Stream::Stdout, format!("during {fault:?}\n").as_bytes());
        proxy.set(Fault::Pass);
        let back = reader.until(is("log")).await;
        assert!(!back.iter().any(|event| event.name == "away"), "it is said once: {back:?}");
        assert!(back.iter().any(|event| event.name == "task"), "{back:?}");
        seen.extend(back);
    }
    proxy.set(Fault::Blackhole);
    seen.extend(reader.until(is("away")).await);
    api.write(id, offset, Stream::System, b"done\n");
    api.finish(id, &worker, TaskResult::Ok);
    proxy.set(Fault::Pass);
    seen.extend(reader.until(is("end")).await);
    let text = String::from_utf8(output(&seen)).unwrap();
    assert_eq!(text, "before\nduring Blackhole\nduring HalfOpen\nduring Refuse\ndone\n");
    assert_eq!(reader.next().await, None);
}

#[tokio::test]
async fn many_readers_hold_up_nobody_else() {
    let api = Api::start();
    let id = api.queued().await;
    let alice = api.person(api.world.alice);
    let mut readers = Vec::new();
    for _ in 0..150 {
        readers.push(Reader::open(&alice, id, "", None).await);
    }
    let mut offset = 0;
    for number in 0..30 {
        offset = api.write(id, offset, Stream::Stdout, format!("line {number}\n").repeat(1000).as_bytes());
        assert_eq!(alice.get("/popup?host=web-1").await.status, 200);
    }
    let resumed =
        Reader::open(&alice, id, &format!("?offset={}", offset - 3), None).await.until(is("log")).await;
    assert_eq!(output(&resumed).len(), 3);
    for reader in &mut readers {
        let mut read = 0;
        while read < offset {
            let events = reader.until(is("log")).await;
            read += i64::try_from(output(&events).len()).unwrap();
        }
    }
}
