//! Real parts for the tests. Only a dev-dependency.

pub mod sshd;
