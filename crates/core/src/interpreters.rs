//! Plugins that run whatever their first arguments say. Such a program may be a plugin only with a script that the
//! handler itself fixes: otherwise whoever fills in a value chooses what is run, without any shell of ours.

/// Programs that take a script as their first argument without a dash, or behind one of their options for code.
const INTERPRETERS: &[&str] = &[
    "ash", "awk", "bash", "busybox", "csh", "dash", "fish", "gawk", "julia", "ksh", "lua", "mawk", "mksh",
    "node", "nodejs", "perl", "php", "pwsh", "python", "rscript", "ruby", "sed", "sh", "tclsh", "tcsh",
    "zsh",
];
/// Programs that run another program, which stands somewhere in their arguments.
const WRAPPERS: &[&str] = &[
    "chroot", "doas", "env", "find", "flock", "ionice", "nice", "nohup", "npx", "parallel", "setpriv",
    "setsid", "stdbuf", "strace", "su", "sudo", "time", "timeout", "unshare", "watch", "xargs",
];
/// Options behind which code stands, in any of the interpreters.
const CODE_OPTIONS: &[&str] = &["-c", "-e", "-E", "-r", "-f", "-lc", "-ec", "-xc", "--eval", "--command"];

/// Why a handler may not use this plugin with these argument templates; `None`: it may.
pub fn complaint(plugin: &str, arguments: &[String]) -> Option<String> {
    let name = plugin.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.' || c == '-').to_lowercase();
    if WRAPPERS.contains(&name.as_str()) {
        let free = arguments.iter().any(|argument| holds_macro(argument));
        return free.then(|| {
            format!(
                "the plugin '{plugin}' runs another program, so its arguments must not hold macros; make that program \
                 a plugin"
            )
        });
    }
    if !INTERPRETERS.contains(&name.as_str()) {
        return None;
    }
    let Some(script) = script_position(arguments) else {
        return Some(format!(
            "the plugin '{plugin}' is an interpreter and would run its standard input; name a script in its arguments, \
             or make the script itself a plugin"
        ));
    };
    let free = arguments.iter().take(script + 1).any(|argument| holds_macro(argument));
    free.then(|| {
        format!(
            "the plugin '{plugin}' is an interpreter, so its arguments up to the script must not hold macros; make the \
             script itself a plugin, or give values behind it"
        )
    })
}

/// Which argument is the script: the first one without a dash, or the one behind an option for code.
fn script_position(arguments: &[String]) -> Option<usize> {
    for (position, argument) in arguments.iter().enumerate() {
        if CODE_OPTIONS.contains(&argument.as_str()) {
            return (position + 1 < arguments.len()).then_some(position + 1);
        }
        if !argument.starts_with('-') {
            return (argument != "/dev/stdin").then_some(position);
        }
    }
    None
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
        for without_script in [&[][..], &["-s"], &["-"], &["/dev/stdin"], &["-c"]] {
            assert!(refused("sh", without_script), "{without_script:?}");
        }
        assert!(!refused("bash", &["/opt/restart.sh", "$_PARAMx$"]));
        assert!(!refused("sh", &["-c", "echo \"$$1\"", "sh", "$_PARAMx$"]));
        assert!(!refused("awk", &["{ print }", "$_PARAMx$"]));
    }

    #[test]
    fn what_runs_another_program_takes_no_values() {
        assert!(refused("env", &["X=1", "sh", "-c", "$_PARAMx$"]));
        assert!(refused("sudo", &["-n", "$_PARAMx$"]));
        assert!(!refused("timeout", &["5", "/opt/check"]));
    }

    #[test]
    fn other_plugins_take_what_they_like() {
        assert!(!refused("restart.sh", &["$_PARAMx$"]));
        assert!(!refused("check_http", &["-H", "$HOSTADDRESS$"]));
        assert!(!refused("shell_check", &["$_PARAMx$"]));
    }
}
