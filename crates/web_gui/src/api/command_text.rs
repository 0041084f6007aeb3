//! A command as people read it. The text is only shown: nothing ever parses or runs it.

/// Plugin and arguments on one line, quoted the way a shell would need it, so that the ends of each argument show.
pub fn command_text(plugin: &str, argv: &[String]) -> String {
    std::iter::once(plugin).chain(argv.iter().map(String::as_str)).map(quoted).collect::<Vec<_>>().join(" ")
}

fn quoted(argument: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./:=,@%+".contains(c);
    if !argument.is_empty() && argument.chars().all(plain) {
        argument.to_owned()
    } else if argument.chars().any(char::is_control) {
        format!("$'{}'", escaped(argument))
    } else {
        format!("'{}'", argument.replace('\'', r"'\''"))
    }
}

/// Line ends and other control characters as escapes: a confirmation must not show two lines for one argument.
fn escaped(argument: &str) -> String {
    argument
        .chars()
        .map(|character| match character {
            '\'' => r"\'".to_owned(),
            '\\' => r"\\".to_owned(),
            '\n' => r"\n".to_owned(),
            '\t' => r"\t".to_owned(),
            other if other.is_control() => format!("\\x{:02x}", u32::from(other)),
            other => other.to_string(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(argv: &[&str]) -> String {
        let argv: Vec<String> = argv.iter().map(|&argument| argument.to_owned()).collect();
        command_text("ssh.sh", &argv)
    }

    #[test]
    fn the_ends_of_every_argument_show() {
        assert_eq!(shown(&["--host", "10.20.4.13"]), "ssh.sh --host 10.20.4.13");
        assert_eq!(shown(&["", "a b", "it's"]), r"ssh.sh '' 'a b' 'it'\''s'");
        assert_eq!(shown(&["$(reboot)", "a;b", "*"]), "ssh.sh '$(reboot)' 'a;b' '*'");
        assert_eq!(shown(&["a\nb'c\\\t\u{7}"]), r"ssh.sh $'a\nb\'c\\\t\x07'");
        assert_eq!(shown(&["Zürich"]), "ssh.sh Zürich");
    }
}
