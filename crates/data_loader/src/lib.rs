//! Loads inventory from other places into the database: read ([`source`]), check as a whole (`validate`), then write in
//! one transaction ([`load`]) or, for a plan, do the same and take it back. Loading the same again changes nothing.

mod document;
mod export;
mod load;
mod problem;
mod report;
pub mod source;
mod validate;

pub use document::{Document, Found, Place};
pub use export::export;
pub use load::{LoadError, Mode, Options, load};
pub use problem::Problem;
pub use report::Report;
