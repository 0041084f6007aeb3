//! Sending HTTP requests: addresses and their encoding, which networks may be reached, TLS, and one client for all.

mod client;
mod networks;
mod tls;
pub mod url;

pub use client::{Client, ClientOptions, Reply, Request, Trouble};
pub use networks::Rules;
pub use tls::system_bundle;
