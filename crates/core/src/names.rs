//! Names of environments, host groups, hosts, services, handlers, users and teams: what is allowed, and when two names
//! are too alike to stand beside each other in a confirmation.

use unicode_normalization::UnicodeNormalization as _;

/// The longest name, in characters.
pub const MAX_NAME_LENGTH: usize = 200;

/// Why a name was refused. The text completes the sentence "the name ... ".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing was given.
    #[error("must not be empty")]
    Empty,
    /// More than [`MAX_NAME_LENGTH`] characters.
    #[error("must not be longer than {MAX_NAME_LENGTH} characters")]
    TooLong,
    /// A first character that programs read as an option or as a file to include.
    #[error("must not begin with '{0}'")]
    Start(char),
    /// White space at an end, which no page shows.
    #[error("must not begin or end with white space")]
    Space,
    /// A control character, an invisible one or one that changes the direction of writing.
    #[error("must not contain the character U+{:04X}", u32::from(*.0))]
    Character(char),
}

/// Checks a name and gives its key: two names with the same key look alike.
///
/// The key folds case (host names are case-insensitive, RFC 4343), compatibility forms (NFKC) and letters of other
/// scripts that look like ASCII ones (Unicode TR 39). ASCII letters among themselves stay apart: `web1` and `webl`
/// are different hosts.
pub fn key(name: &str) -> Result<String, NameError> {
    check(name)?;
    if name.is_ascii() {
        return Ok(name.to_ascii_lowercase());
    }
    Ok(name
        .nfkc()
        .flat_map(|character| {
            let mut buffer = [0; 4];
            let text: &str = character.encode_utf8(&mut buffer);
            if character.is_ascii() {
                text.to_lowercase()
            } else {
                unicode_security::confusable_detection::skeleton(text).collect::<String>().to_lowercase()
            }
            .chars()
            .collect::<Vec<_>>()
        })
        .collect())
}

/// Checks that a name may be shown, stored and given to a plugin as one argument.
pub fn check(name: &str) -> Result<(), NameError> {
    let first = name.chars().next().ok_or(NameError::Empty)?;
    if name.chars().count() > MAX_NAME_LENGTH {
        return Err(NameError::TooLong);
    }
    if matches!(first, '-' | '@') {
        return Err(NameError::Start(first));
    }
    if name.trim() != name {
        return Err(NameError::Space);
    }
    name.chars().find(|c| is_invisible(*c)).map_or(Ok(()), |c| Err(NameError::Character(c)))
}

/// Control characters, line separators, bidirectional controls and characters without a width: a person cannot see
/// them in a confirmation.
pub fn is_invisible(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{180e}' | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_look_alike_have_the_same_key() {
        let latin = key("web-prod-01").unwrap();
        assert_eq!(key("wеb-prоd-01").unwrap(), latin, "Cyrillic e and o");
        assert_eq!(key("WEB-Prod-01").unwrap(), latin);
        assert_eq!(key("ｗeb-prod-01").unwrap(), latin, "full width");
        assert_eq!(key("Zu\u{308}rich").unwrap(), key("Z\u{fc}rich").unwrap(), "composed and decomposed");
    }

    #[test]
    fn different_ascii_names_stay_apart() {
        assert_ne!(key("web1").unwrap(), key("webl").unwrap());
        assert_ne!(key("rn").unwrap(), key("m").unwrap());
        assert_ne!(key("O").unwrap(), key("0").unwrap());
    }

    #[test]
    fn names_that_mislead_are_refused() {
        assert_eq!(check(""), Err(NameError::Empty));
        assert_eq!(check("-oProxyCommand=x"), Err(NameError::Start('-')));
        assert_eq!(check("@/etc/passwd"), Err(NameError::Start('@')));
        assert_eq!(check(" web"), Err(NameError::Space));
        assert_eq!(check("a\nb"), Err(NameError::Character('\n')));
        assert_eq!(check("a\u{202e}b"), Err(NameError::Character('\u{202e}')));
        assert_eq!(check("a\0b").unwrap_err().to_string(), "must not contain the character U+0000");
        assert_eq!(check(&"x".repeat(201)), Err(NameError::TooLong));
        assert_eq!(check("web; $(reboot) | 'x'"), Ok(()), "harmless where no shell is involved");
    }
}
