//! Plugins that run whatever their first arguments say. Such a program may be a plugin only with a script that the
//! handler itself fixes: otherwise whoever fills in a value chooses what is run, without any shell of ours.

/// Programs that take a script as their first argument.
const INTERPRETERS: &[&str] = &[
    "ash", "awk", "bash", "csh", "dash", "expect", "fish", "gawk", "julia", "ksh", "lua", "mawk", "mksh",
    "nawk", "node", "nodejs", "perl", "php", "pwsh", "pypy", "python", "rbash", "rscript", "ruby", "sh",
    "tclsh", "tcsh", "zsh",
];
/// Those of them whose options for code and for tracing are the same everywhere.
const SHELLS: &[&str] = &["ash", "bash", "csh", "dash", "ksh", "mksh", "rbash", "sh", "tcsh", "zsh"];
/// Programs that run another program or code, which stands somewhere in their arguments.
const WRAPPERS: &[&str] = &[
    "bun",
    "busybox",
    "chroot",
    "chrt",
    "deno",
    "doas",
    "env",
    "find",
    "flock",
    "ionice",
    "nice",
    "nohup",
    "npx",
    "nsenter",
    "parallel",
    "runuser",
    "script",
    "sed",
    "setpriv",
    "setsid",
    "ssh",
    "stdbuf",
    "strace",
    "su",
    "sudo",
    "systemd-run",
    "taskset",
    "time",
    "timeout",
    "unshare",
    "watch",
    "xargs",
];

/// What the arguments up to the script say.
enum Start {
    /// This argument is the script, and whatever follows is for it.
    Script(usize),
    /// The interpreter would run its standard input.
    Input,
    /// Options before the script, of which some take a value and some go on behind the script.
    Options,
}

/// Why a handler may not use this plugin with these argument templates; `None`: it may.
pub fn complaint(plugin: &str, arguments: &[String]) -> Option<String> {
    let name = plugin.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.' || c == '-').to_lowercase();
    let free = |count: usize| arguments.iter().take(count).any(|argument| holds_macro(argument));
    if WRAPPERS.contains(&name.as_str()) {
        return free(arguments.len()).then(|| {
            format!(
                "the plugin '{plugin}' runs another program, so its arguments must not hold macros; make that program \
                 a plugin"
            )
        });
    }
    if !INTERPRETERS.contains(&name.as_str()) {
        return None;
    }
    match start(&name, arguments) {
        Start::Input => Some(format!(
            "the plugin '{plugin}' is an interpreter and would run its standard input; name a script in its arguments, \
             or make the script itself a plugin"
        )),
        Start::Script(script) => free(script + 1).then(|| {
            format!(
                "the plugin '{plugin}' is an interpreter, so its arguments up to the script must not hold macros; make \
                 the script itself a plugin, or give values behind it"
            )
        }),
        Start::Options => free(arguments.len()).then(|| {
            format!(
                "the plugin '{plugin}' is an interpreter with options before its script, so its arguments must not \
                 hold macros; make the script itself a plugin, or name the script first"
            )
        }),
    }
}

fn start(interpreter: &str, arguments: &[String]) -> Start {
    for (position, argument) in arguments.iter().enumerate() {
        match argument.as_str() {
            "-" | "--" | "/dev/stdin" | "/dev/fd/0" | "/proc/self/fd/0" => return Start::Input,
            script if !script.starts_with(['-', '+']) => return Start::Script(position),
            option => match known_option(interpreter, option) {
                Some(Known::Alone) => {}
                Some(Known::Code) => {
                    return match arguments.get(position + 1) {
                        Some(code) if !code.starts_with(['-', '+']) => Start::Script(position + 1),
                        Some(_) => Start::Options,
                        None => Start::Input,
                    };
                }
                Some(Known::Input) => return Start::Input,
                None => return Start::Options,
            },
        }
    }
    Start::Input
}

/// An option of which is known that it takes no value, or which one.
enum Known {
    Alone,
    /// The next argument is code, and what follows it is for the code.
    Code,
    /// The script comes from standard input.
    Input,
}

fn known_option(interpreter: &str, option: &str) -> Option<Known> {
    let letters = option.strip_prefix('-')?;
    let (alone, input) = if SHELLS.contains(&interpreter) {
        ("efluvx", "s")
    } else if matches!(interpreter, "python" | "pypy") {
        ("BEIOSbsu", "")
    } else {
        return None;
    };
    let mut known = Known::Alone;
    for letter in letters.chars() {
        match letter {
            'c' => known = Known::Code,
            _ if input.contains(letter) => return Some(Known::Input),
            _ if alone.contains(letter) => {}
            _ => return None,
        }
    }
    Some(known)
}

/// `$$` is a dollar sign, and so is one at the very end.
fn holds_macro(template: &str) -> bool {
    template.replace("$$", "").trim_end_matches('$').contains('$')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(plugin: &str, arguments: &[&str]) -> bool {
        let arguments: Vec<String> = arguments.iter().map(|&argument| argument.to_owned()).collect();
        complaint(plugin, &arguments).is_some()
    }

    #[test]
    fn an_interpreter_needs_a_fixed_script() {
        assert!(refused("bash", &["$_PARAMx$"]));
        assert!(refused("bash", &["-c", "echo $_PARAMx$"]));
        assert!(refused("python3.11", &["-u", "/opt/$HOSTNAME$.py"]));
        assert!(refused("perl", &["$_PARAMoption$", "-e", "1"]));
        assert!(!refused("bash", &["/opt/restart.sh", "$_PARAMx$"]));
        assert!(!refused("sh", &["-c", "echo \"$$1\"", "sh", "$_PARAMx$"]));
        assert!(!refused("bash", &["-eux", "/opt/restart.sh", "$_PARAMx$"]));
        assert!(!refused("python3", &["-u", "/opt/restart.py", "$_PARAMx$"]));
        assert!(!refused("awk", &["{ print }", "$_PARAMx$"]));
    }

    #[test]
    fn an_interpreter_does_not_run_the_task_that_it_reads() {
        for without_script in
            [&[][..], &["-s"], &["-s", "x"], &["-es", "x"], &["-"], &["--", "x"], &["/dev/stdin"], &["-c"]]
        {
            assert!(refused("sh", without_script), "{without_script:?}");
        }
        assert!(refused("perl", &["-", "x"]));
        assert!(refused("python3", &["-u", "-", "x"]));
    }

    #[test]
    fn options_with_values_hide_no_script() {
        for (interpreter, arguments) in [
            ("bash", &["-o", "pipefail", "$_PARAMx$"][..]),
            ("bash", &["+o", "pipefail", "$_PARAMx$"]),
            ("bash", &["-f", "-o", "pipefail", "$_PARAMx$"]),
            ("bash", &["--rcfile", "/opt/rc", "-i", "$_PARAMx$"]),
            ("bash", &["-c", "-o", "pipefail", "$_PARAMx$"]),
            ("python3", &["-W", "ignore", "$_PARAMx$"]),
            ("python3", &["-m", "pdb", "$_PARAMx$"]),
            ("perl", &["-I", "/lib", "$_PARAMx$"]),
            ("perl", &["-e", "1", "$_PARAMx$"]),
            ("php", &["-d", "a=b", "$_PARAMx$"]),
            ("awk", &["-F", ",", "$_PARAMx$"]),
            ("gawk", &["-v", "a=1", "$_PARAMx$"]),
            ("node", &["-r", "/opt/module", "$_PARAMx$"]),
        ] {
            assert!(refused(interpreter, arguments), "{interpreter} {arguments:?}");
        }
        assert!(!refused("bash", &["-o", "pipefail", "/opt/restart.sh"]));
        assert!(!refused("php", &["-d", "a=b", "/opt/restart.php"]));
    }

    #[test]
    fn what_runs_another_program_takes_no_values() {
        assert!(refused("env", &["X=1", "sh", "-c", "$_PARAMx$"]));
        assert!(refused("sudo", &["-n", "$_PARAMx$"]));
        assert!(refused("busybox", &["sh", "-c", "$_PARAMx$"]));
        assert!(refused("sed", &["s/a/b/", "$_PARAMx$"]));
        assert!(refused("ssh", &["web-1", "$_PARAMx$"]));
        assert!(!refused("timeout", &["5", "/opt/check"]));
    }

    #[test]
    fn other_plugins_take_what_they_like() {
        assert!(!refused("restart.sh", &["$_PARAMx$"]));
        assert!(!refused("check_http", &["-H", "$HOSTADDRESS$"]));
        assert!(!refused("shell_check", &["$_PARAMx$"]));
    }
}
