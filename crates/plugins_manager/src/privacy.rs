//! What other processes must not get to see.

use nix::sys::prctl;
use nix::sys::resource::{Resource, setrlimit};

/// Closes the memory of this process, which holds the database's password and all secrets: no core dump has them, and no
/// other process of its user, such as a plugin where the launcher has no user of its own, looks into it.
pub fn keep_memory_private() -> nix::Result<()> {
    setrlimit(Resource::RLIMIT_CORE, 0, 0)?;
    prctl::set_dumpable(false)
}
