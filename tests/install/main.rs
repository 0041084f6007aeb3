//! `make install` and `make uninstall`, and the units that they bring.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and starts programs"
)]

mod tree;
mod units;
