//! The programs behind `http.sh`, `jenkins.sh` and `sql.sh`. Each is a plugin as `docs/PLUGINS.md` defines it and knows
//! nothing of the rest of the system: it could be started from any shell.
//!
//! They are programs and not scripts because what decides over their safety (which address a name stands for, where a
//! statement's parameter goes, what a certificate proves) has no dependable form in shell, and because a script of an
//! interpreter that could do it would need longer to start than these need to answer.

mod arguments;
mod cancel;
mod environment;
pub mod http;
pub mod jenkins;
mod output;
mod progress;
pub mod sql;
mod verdict;
pub mod web;

pub use arguments::{Arguments, BadArgument};
pub use verdict::{Ended, Failure, Report, Severity, run};
