//! Which files may be run: a plugin is a name in a named directory, and nobody untrusted could have written it.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::sys::stat::Mode;
use nix::unistd::{User, geteuid, mkfifo};
use plugin_runner::{Digest, Invocation, Outcome, Registry, RegistryError, Runner, RunnerOptions, Trust};

use crate::common::{Nest, eventually, finish, invocation, skipped};

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

/// Not by itself, but by a directory above that somebody else could put in its place.
#[test]
fn an_installed_system_looks_at_the_directories_above() {
    let shelf = Shelf::new();
    let owner = shelf.nest.path().metadata().unwrap();
    let find = |groups: Vec<u32>| {
        Registry::new([shelf.nest.plugins()], Trust::Installed { users: vec![], groups }).find("fine")
    };
    assert!(find(vec![owner.gid()]).is_ok());
    fs::set_permissions(shelf.nest.path(), Permissions::from_mode(0o775)).unwrap();
    let sentence = find(vec![owner.gid()]).unwrap_err().to_string();
    let above = shelf.nest.path().display();
    assert_eq!(
        sentence,
        format!("plugin 'fine' is refused: the services themselves can write the directory {above}")
    );
    fs::set_permissions(shelf.nest.path(), Permissions::from_mode(0o777)).unwrap();
    assert!(find(vec![]).unwrap_err().to_string().contains("everybody can write the directory"));
}

/// A hard link is the file of whoever owns it, wherever it stands.
#[test]
fn an_installed_system_refuses_hard_links_to_files_of_others() {
    if !geteuid().is_root() {
        return skipped("a file of another user can only be made by root");
    }
    let shelf = Shelf::new();
    let elsewhere = shelf.nest.path().join("elsewhere");
    fs::write(&elsewhere, SCRIPT).unwrap();
    fs::set_permissions(&elsewhere, Permissions::from_mode(0o755)).unwrap();
    chown(&elsewhere, Some(12_345), None).unwrap();
    fs::hard_link(&elsewhere, shelf.nest.plugins().join("linked")).unwrap();
    let trust = Trust::Installed { users: vec![], groups: vec![] };
    let sentence = Registry::new([shelf.nest.plugins()], trust).find("linked").unwrap_err().to_string();
    assert!(
        sentence.contains("it belongs to user id 12345, who is neither root nor the owner"),
        "{sentence}"
    );
}

#[test]
fn what_was_found_is_looked_at_again_when_anything_about_it_changes() {
    let shelf = Shelf::new();
    let registry = shelf.registry();
    let plugin = || shelf.nest.plugins().join("fine");
    let settled = || {
        // Only then is it remembered at all: see Seen::is_settled.
        let changed = plugin().metadata().unwrap().ctime();
        eventually("the change is old enough", || seconds_now() > changed + 1);
        registry.find("fine").unwrap()
    };
    let first = settled();
    assert_eq!(
        hexadecimal(&first.sha256),
        "306c6ca7407560340797866e077e053627ad409277d1b9da58106fce4cf717cb"
    );
    // The same length, and the old time of modification.
    let before = fs::metadata(plugin()).unwrap().modified().unwrap();
    fs::write(plugin(), SCRIPT.replace('0', "1")).unwrap();
    fs::File::options().write(true).open(plugin()).unwrap().set_modified(before).unwrap();
    let second = settled();
    assert_ne!(first.sha256, second.sha256);
    fs::set_permissions(plugin(), Permissions::from_mode(0o757)).unwrap();
    assert!(registry.find("fine").is_err());
    fs::set_permissions(plugin(), Permissions::from_mode(0o755)).unwrap();
    settled();
    fs::set_permissions(shelf.nest.plugins(), Permissions::from_mode(0o777)).unwrap();
    assert!(registry.find("fine").is_err(), "its directory was not looked at");
    fs::set_permissions(shelf.nest.plugins(), Permissions::from_mode(0o755)).unwrap();
    settled();
    fs::remove_file(plugin()).unwrap();
    symlink("/bin/sh", plugin()).unwrap();
    assert!(registry.find("fine").is_err());
}

#[test]
fn an_earlier_directory_takes_a_name_over() {
    let (one, two) = (Shelf::new(), Shelf::new());
    two.put("second", SCRIPT, 0o755);
    let changed = two.nest.plugins().join("second").metadata().unwrap().ctime();
    eventually("the change is old enough", || seconds_now() > changed + 1);
    let registry = Registry::new([one.nest.plugins(), two.nest.plugins()], Trust::Checkout);
    assert_eq!(registry.find("second").unwrap().file, two.nest.plugins().join("second"));
    one.put("second", SCRIPT, 0o755);
    assert_eq!(registry.find("second").unwrap().file, one.nest.plugins().join("second"));
}

#[test]
fn only_the_approved_content_is_run() {
    let shelf = Shelf::new();
    let mut runner = shelf.nest.runner();
    let approved = shelf.registry().find("fine").unwrap().sha256;
    let mut run = |approved: Vec<Digest>| {
        let invocation = Invocation { approved, ..invocation("fine", &[]) };
        let id = invocation.run;
        runner.start(invocation.into_spec().unwrap());
        finish(&mut runner, id)
    };
    assert_eq!(run(vec![]).outcome, Some(Outcome::Exit(0)));
    assert_eq!(run(vec![[7; 32], approved]).outcome, Some(Outcome::Exit(0)));
    shelf.put("fine", "#!/bin/sh\necho replaced\n", 0o755);
    let ran = run(vec![approved]);
    let sentence = "plugin 'fine' has changed since this was asked for".to_owned();
    assert_eq!((ran.outcome, ran.started), (Some(Outcome::Rejected(sentence)), None));
    assert_eq!(run(vec![]).text(), "replaced\n");
}

#[test]
fn a_launcher_tells_which_plugins_it_would_run() {
    let shelf = Shelf::new();
    shelf.put("open", SCRIPT, 0o777);
    let mut runner = shelf.nest.runner();
    let (sender, answer) = std::sync::mpsc::channel();
    runner.examine(Box::new(move |examined| sender.send(examined).unwrap()));
    let examined = loop {
        runner.turn(Duration::from_secs(1), &mut |event| panic!("{event:?}")).unwrap();
        if let Ok(examined) = answer.try_recv() {
            break examined;
        }
    };
    let of = |name: &str| examined.iter().find(|examined| examined.name == name).unwrap();
    assert_eq!(of("fine").sha256, Some(shelf.registry().find("fine").unwrap().sha256));
    assert_eq!(of("open").sha256, None);
    assert_eq!(of("open").problem.as_deref(), Some("plugin 'open' is refused: everybody can write it"));
    assert!(of("true").sha256.is_some(), "every directory counts");
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
    shelf.put("text", SCRIPT, 0o644);
    shelf.put("windows", "#!/bin/sh\r\nexit 0\r\n", 0o755);
    fs::create_dir(shelf.nest.plugins().join("directory")).unwrap();
    mkfifo(&shelf.nest.plugins().join("fifo"), Mode::S_IRWXU).unwrap();
    for (name, part) in [
        ("../x", "is no plugin name"),
        ("../../bin/sh", "is no plugin name"),
        ("a\0b", "is no plugin name"),
        ("a%00b", "was not found in"),
        ("text", "is not executable"),
        ("windows", "Windows line ends"),
        ("directory", "is no regular file"),
        ("fifo", "is no regular file"),
        ("/bin/sh", "is no plugin name"),
        ("nosuch", "was not found in"),
        ("out", "in no plugin directory"),
        ("open", "everybody can write it"),
    ] {
        let sentence = shelf.nest.run(invocation(name, &[])).sentence().to_owned();
        assert!(sentence.contains(part), "{name}: {sentence}");
    }
}

/// As above, with everything that only an installed system asks.
#[test]
fn a_launcher_of_an_installed_system_checks_for_itself() {
    if !geteuid().is_root() {
        return skipped("the launcher needs a user of its own, which only root can give it");
    }
    let shelf = Shelf::new();
    let nobody = User::from_name("nobody").unwrap().unwrap();
    let own = |name: &str, mode, user: Option<u32>, group| {
        shelf.put(name, SCRIPT, 0o755);
        chown(shelf.nest.plugins().join(name), user, group).unwrap();
        fs::set_permissions(shelf.nest.plugins().join(name), Permissions::from_mode(mode)).unwrap();
    };
    own("mine", 0o755, Some(nobody.uid.as_raw()), None);
    own("group", 0o775, None, Some(nobody.gid.as_raw()));
    own("stranger", 0o755, Some(12_345), None);
    let mut runner =
        Runner::new(shelf.nest.launcher_with(&["--installed"]), RunnerOptions::default()).unwrap();
    let mut run = |name: &str| {
        let invocation = invocation(name, &[]);
        let id = invocation.run;
        runner.start(invocation.into_spec().unwrap());
        finish(&mut runner, id)
    };
    assert_eq!(run("fine").outcome, Some(Outcome::Exit(0)));
    for (name, part) in [
        ("mine", "the services themselves can write it"),
        ("group", "the services themselves can write it"),
        ("stranger", "neither root nor the owner of its directory"),
    ] {
        let ran = run(name);
        assert!(ran.sentence().contains(part), "{name}: {}", ran.sentence());
    }
    chown(shelf.nest.plugins(), Some(nobody.uid.as_raw()), None).unwrap();
    assert!(run("fine").sentence().contains("the services themselves can write its directory"));
}

fn seconds_now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap()
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
