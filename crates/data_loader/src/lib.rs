//! Loads inventory from other places into the database: read ([`source`]) and check (`validate`) object by object, then
//! compare and write as a whole in one transaction ([`load`]) or, for a plan, do the same and take it back. Loading the same
//! again changes nothing.

mod audit;
pub mod command_line;
mod document;
mod export;
mod intake;
mod load;
mod problem;
mod report;
pub mod source;
mod validate;

pub use document::{Document, Found, Item, Object, Place, Take};
pub use export::{ExportError, export};
pub use load::{LoadError, Mode, Options, load};
pub use problem::Problem;
pub use report::Report;
