//! Whether another user gets to a directory is known before a server fails there.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use supervisor::account::Account;

#[test]
fn names_the_directory_that_is_closed() {
    let directory = tempfile::tempdir_in("/var/tmp").unwrap();
    let inner = directory.path().join("inner");
    fs::create_dir(&inner).unwrap();
    fs::set_permissions(directory.path(), Permissions::from_mode(0o700)).unwrap();
    let stranger = Account { name: "stranger".to_owned(), uid: 54_321, gid: 54_321 };
    assert_eq!(stranger.first_closed_parent(&inner).unwrap().as_deref(), Some(directory.path()));
    fs::set_permissions(directory.path(), Permissions::from_mode(0o711)).unwrap();
    assert_eq!(stranger.first_closed_parent(&inner).unwrap(), None);
}
