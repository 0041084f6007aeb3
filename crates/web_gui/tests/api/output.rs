//! Output by offset and as a file.

use crate::common::Api;
use base64::Engine as _;
use reqwest::Method;
use selfservice_core::models::logs::Stream;
use selfservice_core::models::tasks::TaskResult;
use serde_json::{Value, json};
use uuid::Uuid;

const PIECES: [(Stream, &[u8]); 5] = [
    (Stream::Stdout, b"line one\nline t"),
    (Stream::Stderr, b"oops\n"),
    (Stream::Stdout, b"wo\xff\x00 Z\xc3\xbcrich"),
    (Stream::Stdout, "日本\n".as_bytes()),
    (Stream::System, b"The result is OK.\n"),
];

async fn finished_task(api: &Api) -> (Uuid, Vec<u8>) {
    let id = api.queued().await;
    let worker = api.manager(1);
    api.claim(&worker);
    let mut offset = 0;
    for (stream, bytes) in PIECES {
        offset = api.write(id, offset, stream, bytes);
    }
    api.finish(id, &worker, TaskResult::Ok);
    (id, PIECES.iter().flat_map(|(_, bytes)| bytes.to_vec()).collect())
}

/// The bytes of a chunk, as a reader gets them.
pub fn bytes(chunk: &Value) -> Vec<u8> {
    match (&chunk["text"], &chunk["base64"]) {
        (Value::String(text), Value::Null) => text.as_bytes().to_vec(),
        (Value::Null, Value::String(text)) => base64::engine::general_purpose::STANDARD.decode(text).unwrap(),
        _ => panic!("neither text nor base64: {chunk}"),
    }
}

#[tokio::test]
async fn output_resumes_at_every_byte() {
    let api = Api::start();
    let (id, whole) = finished_task(&api).await;
    let bob = api.person(api.world.bob);
    for from in 0..=whole.len() {
        let page = bob.get(&format!("/tasks/{id}/log?offset={from}")).await.body;
        let chunks = page["chunks"].as_array().unwrap();
        let rest: Vec<u8> = chunks.iter().flat_map(bytes).collect();
        assert_eq!(rest, whole[from..], "from {from}");
        assert_eq!((&page["next_offset"], &page["complete"]), (&json!(whole.len()), &json!(true)));
        let mut at = from;
        for chunk in chunks {
            assert_eq!(chunk["offset"], json!(at));
            at = usize::try_from(chunk["next_offset"].as_u64().unwrap()).unwrap();
        }
    }
    let page = bob.get(&format!("/tasks/{id}/log")).await.body;
    let streams: Vec<&str> =
        page["chunks"].as_array().unwrap().iter().map(|chunk| chunk["stream"].as_str().unwrap()).collect();
    assert_eq!(streams, ["stdout", "stderr", "stdout", "stdout", "system"]);
    assert!(page["chunks"][0]["written_at"].as_str().unwrap().ends_with('Z'));
}

#[tokio::test]
async fn long_output_comes_in_pages() {
    let api = Api::start();
    let id = api.queued().await;
    let mut offset = 0;
    for number in 0..200 {
        offset = api.write(id, offset, Stream::Stdout, format!("{number:09}\n").repeat(400).as_bytes());
    }
    let alice = api.person(api.world.alice);
    let (mut next, mut pages) = (0, 0);
    while next < offset {
        let page = alice.get(&format!("/tasks/{id}/log?offset={next}&limit=100000")).await.body;
        let read = page["next_offset"].as_i64().unwrap() - next;
        assert!(read > 0 && read < 100_000 + 65_536, "{read}");
        assert_eq!(page["complete"], json!(false), "it still waits");
        next += read;
        pages += 1;
    }
    assert_eq!((next, pages), (800_000, 8));
    let end = alice.get(&format!("/tasks/{id}/log?offset={next}")).await.body;
    assert_eq!((&end["chunks"], &end["next_offset"]), (&json!([]), &json!(next)));
    for query in ["offset=-1", "offset=x", "limit=0", "limit=99999999", "from=1"] {
        assert_eq!(alice.get(&format!("/tasks/{id}/log?{query}")).await.status, 400, "{query}");
    }
}

#[tokio::test]
async fn the_file_holds_every_byte_and_is_never_shown_as_a_page() {
    let api = Api::start();
    let (id, whole) = finished_task(&api).await;
    let bob = api.person(api.world.bob);
    let answer = bob.request(Method::GET, &format!("/tasks/{id}/log/raw")).send().await.unwrap();
    let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(header("content-type"), "text/plain; charset=utf-8");
    assert_eq!(header("content-disposition"), format!("attachment; filename=\"task-{id}.log\""));
    assert_eq!(header("x-content-type-options"), "nosniff");
    assert_eq!(header("cache-control"), "no-store");
    assert_eq!(answer.bytes().await.unwrap(), whole);
    let empty = api.queued().await;
    let answer = bob.request(Method::GET, &format!("/tasks/{empty}/log/raw")).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.bytes().await.unwrap().len()), (200, 0));
}

#[tokio::test]
async fn output_is_found_by_line() {
    let api = Api::start();
    let (id, whole) = finished_task(&api).await;
    let bob = api.person(api.world.bob);
    let starts = whole.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1);
    for (line, start) in std::iter::once(0).chain(starts).enumerate() {
        let page = bob.get(&format!("/tasks/{id}/log?line={line}")).await.body;
        let rest: Vec<u8> = page["chunks"].as_array().unwrap().iter().flat_map(bytes).collect();
        assert_eq!((&page["offset"], rest.as_slice()), (&json!(start), &whole[start..]), "line {line}");
        assert!(page["chunks"][0].is_null() || page["chunks"][0]["first_line"] == json!(line), "{page}");
    }
    let beyond = bob.get(&format!("/tasks/{id}/log?line=1000000")).await.body;
    assert_eq!((&beyond["offset"], &beyond["chunks"]), (&json!(whole.len()), &json!([])));
    let empty = api.queued().await;
    assert_eq!(bob.get(&format!("/tasks/{empty}/log?line=7")).await.body["offset"], json!(0));
    for query in ["line=-1", "line=x", "line=1&offset=0"] {
        assert_eq!(bob.get(&format!("/tasks/{id}/log?{query}")).await.status, 400, "{query}");
    }
}

#[tokio::test]
async fn lines_of_many_chunks_are_found_too() {
    let api = Api::start();
    let id = api.queued().await;
    let mut offset = 0;
    // 400 lines in 73 uneven chunks, most cut within a line.
    let whole: String = (0..400).map(|line| format!("line {line} {}\n", "x".repeat(line % 50))).collect();
    for piece in whole.as_bytes().chunks(whole.len() / 73 + 1) {
        offset = api.write(id, offset, Stream::Stdout, piece);
    }
    let alice = api.person(api.world.alice);
    for line in 0..400 {
        let page = alice.get(&format!("/tasks/{id}/log?line={line}&limit=1")).await.body;
        let start = usize::try_from(page["offset"].as_u64().unwrap()).unwrap();
        assert!(whole[start..].starts_with(&format!("line {line} ")), "line {line} at {start}");
    }
}

#[tokio::test]
async fn a_search_names_the_lines_and_shows_nothing_to_strangers() {
    let api = Api::start();
    let (id, _) = finished_task(&api).await;
    let bob = api.person(api.world.bob);
    let search = |text: &'static str| format!("/tasks/{id}/log/search?text={text}");
    let found = bob.get(&search("LINE")).await.body;
    assert_eq!(
        found,
        json!({"matches": [{"offset": 0, "line": 0}, {"offset": 9, "line": 1}], "next_offset": 57, "complete": true})
    );
    let rest = bob.get(&format!("{}&offset=1", search("line"))).await.body;
    assert_eq!(rest["matches"], json!([{"offset": 9, "line": 1}]));
    assert_eq!(bob.get(&search("no%20such%20text")).await.body["matches"], json!([]));
    for query in ["", "?text=", "?text=%00", "?text=a&offset=-1", "?text=a&from=1"] {
        assert_eq!(bob.get(&format!("/tasks/{id}/log/search{query}")).await.status, 400, "{query}");
    }
    let carol = api.person(api.world.carol);
    assert_eq!(carol.get(&search("line")).await.status, 404);
    assert_eq!(carol.get(&format!("/tasks/{id}/log?line=0")).await.status, 404);
}

#[tokio::test]
async fn a_search_through_long_output_comes_in_stretches() {
    let api = Api::start();
    let id = api.queued().await;
    api.database.sql(&format!(
        "INSERT INTO logs SELECT '{id}', n * 60000, n * 1000, 'stdout', now(), \
             convert_to(string_agg(format('line %s %s', n * 1000 + i, repeat('x', 53 - length((n * 1000 + i)::text))), E'\\n') || E'\\n', 'UTF8') \
         FROM generate_series(0, 299) n, generate_series(0, 999) i GROUP BY n"
    ));
    let alice = api.person(api.world.alice);
    let (mut next, mut answers, mut lines) = (0, 0, Vec::new());
    loop {
        let part = alice.get(&format!("/tasks/{id}/log/search?text=77%20x&offset={next}")).await.body;
        lines.extend(part["matches"].as_array().unwrap().iter().map(|one| one["line"].as_i64().unwrap()));
        answers += 1;
        assert!(part["next_offset"].as_i64().unwrap() > next, "it gets on");
        next = part["next_offset"].as_i64().unwrap();
        if part["complete"] == json!(true) {
            break;
        }
    }
    assert_eq!((next, answers), (18_000_000, 3));
    let wanted: Vec<i64> = (0..300_000).filter(|line| line % 100 == 77).collect();
    assert_eq!(lines, wanted);
}

#[tokio::test]
async fn a_search_with_very_many_matches_comes_in_parts_too() {
    let api = Api::start();
    let id = api.queued().await;
    // One chunk of 64 KiB has more matches than one answer may name.
    let lines = "match\n".repeat(10_000);
    api.write(id, 0, Stream::Stdout, lines.as_bytes());
    let alice = api.person(api.world.alice);
    let (mut next, mut found) = (0, Vec::new());
    loop {
        let part = alice.get(&format!("/tasks/{id}/log/search?text=MATCH&offset={next}")).await.body;
        let matches = part["matches"].as_array().unwrap();
        assert!(matches.len() <= 2000, "{}", matches.len());
        found.extend(matches.iter().map(|one| one["line"].as_i64().unwrap()));
        next = part["next_offset"].as_i64().unwrap();
        if part["complete"] == json!(true) {
            break;
        }
    }
    assert_eq!(found, (0..10_000).collect::<Vec<_>>());
}

#[tokio::test]
async fn output_that_was_written_byte_by_byte_comes_in_bounded_answers() {
    let api = Api::start();
    let id = api.queued().await;
    api.database.sql(&format!(
        "INSERT INTO logs SELECT '{id}', n, n / 10, 'stdout', now(), \
             CASE WHEN n % 10 = 9 THEN '\\x0a' ELSE '\\x61' END::bytea FROM generate_series(0, 39999) n"
    ));
    let alice = api.person(api.world.alice);
    let mut next = 0;
    while next < 40_000 {
        let page = alice.get(&format!("/tasks/{id}/log?offset={next}&limit=4000000")).await.body;
        let chunks = page["chunks"].as_array().unwrap().len();
        assert!((1..=1100).contains(&chunks), "{chunks}");
        next = page["next_offset"].as_i64().unwrap();
    }
    let (mut next, mut lines, mut complete) = (0, Vec::new(), false);
    while !complete {
        let part = alice.get(&format!("/tasks/{id}/log/search?text=aaaaaaaaa&offset={next}")).await.body;
        lines.extend(part["matches"].as_array().unwrap().iter().map(|one| one["line"].as_i64().unwrap()));
        assert!(part["next_offset"].as_i64().unwrap() > next, "it gets on");
        next = part["next_offset"].as_i64().unwrap();
        complete = part["complete"] == json!(true);
    }
    assert_eq!(lines, (0..4000).collect::<Vec<_>>());
    let whole = alice.request(Method::GET, &format!("/tasks/{id}/log/raw")).send().await.unwrap();
    assert_eq!(whole.bytes().await.unwrap().len(), 40_000);
}
