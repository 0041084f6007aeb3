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
