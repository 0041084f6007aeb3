//! G9: output is stored in order and complete up to its limit, whatever it looks like, and a flood harms nobody else.

use selfservice_core::config::MacroFile;
use selfservice_core::db::DbError;
use selfservice_core::models::logs::Chunk;
use std::fs;
use test_support::fixture::World;
use test_support::{AppOptions, TestApp, TestDatabase, eventually};
use uuid::Uuid;

const MIB: u64 = 1024 * 1024;
const LINES: u64 = 300_000;
/// Bytes of a line of the flood, its end included.
const LINE: u64 = 100;
const GROWTH: u64 = 64 * MIB;

struct Bench {
    app: TestApp,
    world: World,
    database: TestDatabase,
}

impl Bench {
    fn start(limit_mib: u64) -> Self {
        let database = TestDatabase::new();
        let world = World::new(&database);
        let settings = vec![("plugins", format!("output_limit_mib = {limit_mib}"))];
        let app = TestApp::start(&database, &AppOptions { web: false, settings, ..AppOptions::default() });
        Self { app, world, database }
    }

    fn queue(&self, handler: i64) -> Uuid {
        self.world.queue(&self.database, &MacroFile::default(), handler, &[])
    }

    fn is_finished(&self, id: Uuid) -> bool {
        self.database.sql(&format!("SELECT state FROM tasks WHERE id = '{id}'")) == "finished"
    }

    fn finish(&self, id: Uuid) {
        eventually("the task is finished", || self.is_finished(id).then_some(()));
        assert_eq!(self.database.sql(&format!("SELECT result FROM tasks WHERE id = '{id}'")), "ok");
    }

    /// The whole output, which must have no gap.
    fn output(&self, id: Uuid) -> Vec<u8> {
        let chunks =
            self.database.pool().run::<_, DbError>(|c| Ok(Chunk::after(c, id, 0, 100_000)?)).unwrap();
        let (mut offset, mut line) = (0, 0);
        for chunk in &chunks {
            assert_eq!((chunk.byte_offset, chunk.first_line), (offset, line), "there is a gap");
            offset = chunk.end();
            line += i64::try_from(chunk.bytes.iter().filter(|byte| **byte == b'\n').count()).unwrap();
        }
        chunks.into_iter().flat_map(|chunk| chunk.bytes).collect()
    }

    /// A line of `/proc/PID/status` of the manager, in bytes.
    fn memory(&self, name: &str) -> u64 {
        let id = self.app.program("plugins_manager").id();
        let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    }
}

#[test]
fn a_flood_keeps_head_and_tail_and_harms_nobody() {
    let limit = 4;
    let bench = Bench::start(limit);
    bench.finish(bench.queue(bench.world.ok));
    let before = bench.memory("VmRSS:");
    let go = bench.app.plugins.join("go");
    bench.app.replace_plugin(
        &bench.database,
        "slow",
        &format!(
            "seq -f '%0{}.0f' {LINES}; while [ ! -e {} ]; do sleep 0.05; done; echo end",
            LINE - 1,
            go.display()
        ),
    );
    let flood = bench.queue(bench.world.slow);
    let mut others = 0;
    eventually("the flood has passed its limit", || {
        bench.finish(bench.queue(bench.world.ok));
        others += 1;
        let stored = format!("SELECT count(*) FROM logs WHERE task_id = '{flood}' AND stream = 'system'");
        (bench.database.sql(&stored) == "1").then_some(())
    });
    assert!(!bench.is_finished(flood) && others > 0, "others run beside it");
    fs::write(go, "").unwrap();
    bench.finish(flood);
    let grown = bench.memory("VmHWM:").saturating_sub(before);
    assert!(grown <= GROWTH, "the manager grew by {} MiB", grown / MIB);

    let output = String::from_utf8(bench.output(flood)).unwrap();
    assert!(output.len() as u64 <= limit * MIB + 1024, "{} bytes are stored", output.len());
    let (head, rest) = output.split_once("The limit of 4 MiB of output is reached").unwrap();
    let (sentence, rest) = rest.split_once(" bytes are left out here\n").unwrap();
    let (tail, last) = rest.split_once("end\n").unwrap();
    assert!(last.starts_with("OK: exit code 0"), "{last}");
    let numbers = |part: &str| part.lines().map(|line| line.parse::<u64>().unwrap()).collect::<Vec<_>>();
    let (head_numbers, tail_numbers) = (numbers(head), numbers(tail));
    let tail_first = LINES - tail_numbers.len() as u64 + 1;
    assert_eq!(head_numbers, (1..=head_numbers.len() as u64).collect::<Vec<_>>(), "the head has no gap");
    assert_eq!(tail_numbers, (tail_first..=LINES).collect::<Vec<_>>(), "the tail has no gap");
    let left_out: u64 = sentence.lines().last().unwrap().parse().unwrap();
    assert_eq!(left_out + (head.len() + tail.len()) as u64, LINES * LINE, "what is left out is counted");
}

#[test]
fn bytes_are_stored_as_they_were_printed() {
    let bench = Bench::start(64);
    let script = |name: &str, body: &str| {
        bench.app.replace_plugin(&bench.database, name, &format!("exec python3 -ISc '{body}'"));
    };
    script(
        "ok",
        "import os\nfor number in range(1000): os.write(1, bytes(range(256)) + b\"\\xff\\xc3\\x00\")",
    );
    script("slow", "import os\nfor number in range(20000): os.write(1, b\"%d\" % (number % 10))");
    script("echo", "import sys\nfor _ in range(200): sys.stdout.write(\"x\" * 100000)");
    let ids = [bench.world.ok, bench.world.slow, bench.world.echo].map(|handler| bench.queue(handler));
    let expected: [Vec<u8>; 3] = [
        (0..1000).flat_map(|_| (0..=255).chain([0xff, 0xc3, 0])).collect(),
        (0..20_000).map(|number| b'0' + u8::try_from(number % 10).unwrap()).collect(),
        vec![b'x'; 20_000_000],
    ];
    for (id, expected) in ids.into_iter().zip(expected) {
        bench.finish(id);
        let output = bench.output(id);
        let (printed, last) = output.split_at_checked(expected.len()).unwrap_or_else(|| panic!("too short"));
        assert!(printed == expected, "{} bytes are not what was printed", expected.len());
        assert!(String::from_utf8_lossy(last).trim_start().starts_with("OK: exit code 0"));
    }
}
