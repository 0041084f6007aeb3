//! The plugin of the measurements: a program as small as can be, so that its first instruction is its start. Without
//! arguments it prints the time and ends; `lines PAUSE_MS COUNT` prints the time again and again; `sleep SECONDS`
//! prints it once and stays; `print COUNT` prints so many lines of 100 bytes, numbered from 0, in blocks of 8 KiB as C
//! programs do where nobody looks.

use std::io::{self, Write as _};
use std::thread::sleep;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

fn main() -> io::Result<()> {
    let started = now();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |index: usize| arguments.get(index).and_then(|text| text.parse().ok()).unwrap_or(0);
    match arguments.first().map(String::as_str) {
        Some("lines") => print_lines(Duration::from_millis(number(1)), number(2)),
        Some("print") => {
            let mut output = io::BufWriter::with_capacity(8 * 1024, io::stdout());
            (0..number(1)).try_for_each(|line| writeln!(output, "{line:0>99}"))?;
            output.flush()
        }
        Some("sleep") => {
            print(started)?;
            sleep(Duration::from_secs(number(1)));
            Ok(())
        }
        _ => print(started),
    }
}

fn print_lines(pause: Duration, count: u64) -> io::Result<()> {
    for _ in 0..count {
        print(now())?;
        sleep(pause);
    }
    Ok(())
}

/// Nanoseconds since 1970, as every process on the machine sees them.
fn now() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_nanos())
}

fn print(time: u128) -> io::Result<()> {
    writeln!(io::stdout(), "{time}")
}
