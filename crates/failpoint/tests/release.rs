//! A release must hold nothing of the points: a program is compiled with and without `debug_assertions`, and looked
//! through.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and it runs the compiler"
)]

use std::path::Path;
use std::process::Command;

const PROGRAM: &str = "fn main() -> Result<(), String> {
    failpoint::listen!();
    failpoint::failpoint!(\"a_point_of_this_program\");
    failpoint::failpoint!(\"a_point_that_fails\", return Err(\"a_made_up_failure\".to_owned()));
    Ok(())
}";
const TRACES: [&str; 4] =
    ["a_point_of_this_program", "a_point_that_fails", "a_made_up_failure", failpoint::VARIABLE];

#[test]
fn without_debug_assertions_a_program_holds_no_point() {
    let directory = tempfile::tempdir().unwrap();
    let source = directory.path().join("program.rs");
    std::fs::write(&source, PROGRAM).unwrap();
    let traces = |assertions: &str| {
        let library = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs");
        compile(&library, assertions, &["--crate-type=rlib", "--crate-name=failpoint"], directory.path());
        compile(&source, assertions, &["--extern=failpoint"], directory.path());
        let program = std::fs::read(directory.path().join("program")).unwrap();
        let holds = |text: &str| program.windows(text.len()).any(|window| window == text.as_bytes());
        TRACES.into_iter().filter(|text| holds(text)).collect::<Vec<_>>()
    };
    assert_eq!(traces("on"), TRACES, "with them, it would be found");
    assert_eq!(traces("off"), [""; 0]);
}

fn compile(source: &Path, assertions: &str, options: &[&str], directory: &Path) {
    let compiler = Path::new(env!("CARGO")).with_file_name("rustc");
    let output = Command::new(compiler)
        .args(["--edition=2024", "-O"])
        .arg(format!("-Cdebug-assertions={assertions}"))
        .args(options)
        .arg("-L")
        .arg(directory)
        .arg("--out-dir")
        .arg(directory)
        .arg(source)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
