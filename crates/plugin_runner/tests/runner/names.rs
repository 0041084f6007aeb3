//! Which files may be run: a plugin is a name in a named directory, and nobody untrusted could have written it.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use plugin_runner::{Registry, RegistryError, Trust};

use crate::common::{Nest, invocation};

const SCRIPT: &str = "#!/bin/sh\nexit 0\n";

struct Shelf {
    nest: Nest,
}

impl Shelf {
    fn new() -> Self {
        let shelf = Self { nest: Nest::new() };
        shelf.put("fine", SCRIPT, 0o755);
        shelf
    }

    fn put(&self, name: &str, content: &str, mode: u32) {
        let path = self.nest.plugins().join(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    fn registry(&self) -> Registry {
        Registry::new([self.nest.plugins()], Trust::Checkout)
    }

    fn refused(&self, name: &str) -> String {
        self.registry().find(name).unwrap_err().to_string()
    }
}

#[test]
fn a_name_is_never_a_path_or_an_option() {
    let shelf = Shelf::new();
    for name in ["", ".", "..", "../x", "/bin/sh", "a/b", "fine/", "a\0b", "a\nb", "-x", "--help"] {
        assert!(matches!(shelf.registry().find(name), Err(RegistryError::Name(_))), "{name:?}");
    }
    assert!(matches!(shelf.registry().find("a%00b"), Err(RegistryError::NotFound { .. })));
}

#[test]
fn the_first_directory_wins() {
    let (one, two) = (Shelf::new(), Shelf::new());
    two.put("second", SCRIPT, 0o755);
    let registry = Registry::new([one.nest.plugins(), two.nest.plugins()], Trust::Checkout);
    assert_eq!(registry.find("fine").unwrap().file, one.nest.plugins().join("fine"));
    let names: Vec<String> =
        registry.survey().into_iter().filter(|(_, found)| found.is_ok()).map(|(name, _)| name).collect();
    assert_eq!(names, ["fine", "second"]);
    let sentence = registry.find("third").unwrap_err().to_string();
    let (one, two) = (one.nest.plugins(), two.nest.plugins());
    assert_eq!(sentence, format!("plugin 'third' was not found in {}, {}", one.display(), two.display()));
}

#[test]
fn a_link_counts_where_it_points() {
    let shelf = Shelf::new();
    let plugins = shelf.nest.plugins();
    symlink("fine", plugins.join("Fine")).unwrap();
    let plugin = shelf.registry().find("Fine").unwrap();
    assert_eq!((plugin.path, plugin.file), (plugins.join("Fine"), plugins.join("fine")));
    fs::write(shelf.nest.path().join("outside"), SCRIPT).unwrap();
    symlink("../outside", plugins.join("out")).unwrap();
    assert!(shelf.refused("out").contains("which is in no plugin directory"));
    symlink("nowhere", plugins.join("dangling")).unwrap();
    assert!(shelf.refused("dangling").contains("can't be resolved"));
}

#[test]
fn only_executable_regular_files_are_plugins() {
    let shelf = Shelf::new();
    shelf.put("text", SCRIPT, 0o644);
    assert!(shelf.refused("text").contains("is not executable"));
    fs::create_dir(shelf.nest.plugins().join("directory")).unwrap();
    assert!(shelf.refused("directory").contains("is no regular file"));
    mkfifo(&shelf.nest.plugins().join("fifo"), Mode::S_IRWXU).unwrap();
    assert!(shelf.refused("fifo").contains("is no regular file"));
}

#[test]
fn what_everybody_can_write_is_refused() {
    let shelf = Shelf::new();
    shelf.put("open", SCRIPT, 0o777);
    assert_eq!(shelf.refused("open"), "plugin 'open' is refused: everybody can write it");
    fs::set_permissions(shelf.nest.plugins(), Permissions::from_mode(0o777)).unwrap();
    assert_eq!(shelf.refused("fine"), "plugin 'fine' is refused: everybody can write its directory");
}

#[test]
fn an_installed_system_refuses_what_its_services_can_write() {
    let shelf = Shelf::new();
    let file = shelf.nest.plugins().join("fine").metadata().unwrap();
    let find = |users: Vec<u32>, groups: Vec<u32>| {
        Registry::new([shelf.nest.plugins()], Trust::Installed { users, groups }).find("fine")
    };
    assert!(find(vec![file.uid() + 1], vec![file.gid()]).is_ok());
    let sentence = find(vec![file.uid()], vec![]).unwrap_err().to_string();
    assert_eq!(sentence, "plugin 'fine' is refused: the services themselves can write it");
    shelf.put("fine", SCRIPT, 0o775);
    assert!(find(vec![], vec![file.gid()]).is_err());
    assert!(find(vec![], vec![file.gid() + 1]).is_ok());
}

#[test]
fn scripts_that_can_not_start_are_told_apart() {
    let shelf = Shelf::new();
    shelf.put("windows", "#!/bin/sh\r\nexit 0\r\n", 0o755);
    assert!(shelf.refused("windows").contains("Windows line ends"));
    shelf.put("missing", "#!/no/such/python3 -u\n", 0o755);
    assert!(shelf.refused("missing").contains("needs the interpreter /no/such/python3,"));
    shelf.put("bare", "echo no first line\n", 0o755);
    let sentence = shelf.nest.run(invocation("bare", &[])).sentence().to_owned();
    assert_eq!(sentence, "plugin 'bare' is no program and has no '#!' line");
}

#[test]
fn the_launcher_checks_for_itself() {
    let shelf = Shelf::new();
    shelf.put("open", SCRIPT, 0o777);
    symlink("/etc/hostname", shelf.nest.plugins().join("out")).unwrap();
    for (name, part) in [
        ("../x", "is no plugin name"),
        ("/bin/sh", "is no plugin name"),
        ("nosuch", "was not found in"),
        ("out", "in no plugin directory"),
        ("open", "everybody can write it"),
    ] {
        let sentence = shelf.nest.run(invocation(name, &[])).sentence().to_owned();
        assert!(sentence.contains(part), "{name}: {sentence}");
    }
}
