//! Loads inventory from other places into the database: read ([`source`]), check as a whole (`validate`), then write in
//! one transaction ([`load`]) or, for a plan, do the same and take it back. Loading the same again changes nothing.

pub mod command_line;
mod document;
mod export;
mod load;
mod problem;
mod report;
pub mod source;
mod validate;

pub use document::{Document, Found, Place};
pub use export::{ExportError, export};
pub use load::{LoadError, Mode, Options, load};
pub use problem::Problem;
pub use report::Report;
