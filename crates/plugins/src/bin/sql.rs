//! `sql.sh`.

use std::process::ExitCode;

fn main() -> ExitCode {
    bundled_plugins::run(bundled_plugins::sql::main)
}
