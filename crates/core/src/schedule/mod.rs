//! When schedules are due, and what a due one queues.

mod draft;
mod run;
mod slots;

pub use draft::Draft;
pub use run::{ProgramRun, Ran, run_due};
pub use slots::{Due, Rule, WrongRule};
