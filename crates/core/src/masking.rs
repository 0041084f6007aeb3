//! Takes secrets out of output before it is stored, also where a secret is spread over two pieces.
//!
//! Covered forms: as it is, each line of it, base64 at its three alignments, percent-encoded, JSON, XML and shell
//! quoting, hexadecimal. Not covered: reversed, encrypted or otherwise transformed values; masking is a net under
//! plugins that behave, not a boundary against ones that don't.

use crate::config::Secret;
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt::Write as _;

const MASK: &[u8] = b"********";
/// Forms shorter than this would mask ordinary text.
const MIN_FORM: usize = 6;

/// Masks one stream of bytes. Keep one for each stream of a task.
#[derive(Debug, Clone, Default)]
pub struct Masker {
    /// Every form of every secret, longest first, so that a secret that contains another goes as a whole.
    forms: Vec<Vec<u8>>,
    /// The first bytes of the forms.
    starts: Vec<u8>,
    held: Vec<u8>,
}

impl Masker {
    /// A masker for the secrets that a plugin was given.
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a Secret>) -> Self {
        let mut forms: BTreeSet<Vec<u8>> = BTreeSet::new();
        for secret in secrets {
            add_forms(secret.expose(), &mut forms);
            for line in secret.expose().lines() {
                add_forms(line, &mut forms);
            }
        }
        let mut forms: Vec<_> = forms.into_iter().filter(|form| form.len() >= MIN_FORM).collect();
        forms.sort_by_key(|form| std::cmp::Reverse(form.len()));
        let starts: BTreeSet<u8> = forms.iter().filter_map(|form| form.first().copied()).collect();
        Self { forms, starts: starts.into_iter().collect(), held: Vec::new() }
    }

    /// Takes the next bytes and gives those that are safe to store now. What could be the beginning of a secret is
    /// held back until the next call or [`Masker::finish`].
    pub fn push<'a>(&mut self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        if self.forms.is_empty() {
            return Cow::Borrowed(bytes);
        }
        self.held.extend_from_slice(bytes);
        Cow::Owned(self.release(false))
    }

    /// Gives what was held back: at the end of the stream, or when it must be shown now.
    pub fn finish(&mut self) -> Vec<u8> {
        self.release(true)
    }

    /// A whole text by itself, masked.
    pub fn mask(&self, text: &str) -> String {
        if self.forms.is_empty() {
            return text.to_owned();
        }
        let mut whole = Self { held: text.as_bytes().to_vec(), ..self.clone() };
        String::from_utf8_lossy(&whole.finish()).into_owned()
    }

    fn release(&mut self, everything: bool) -> Vec<u8> {
        let mut result = Vec::with_capacity(self.held.len());
        let mut at = 0;
        while let Some(rest) = self.held.get(at..).filter(|rest| !rest.is_empty()) {
            if let Some(form) = self.forms.iter().find(|form| rest.starts_with(form)) {
                result.extend_from_slice(MASK);
                at += form.len();
            } else if !everything && self.forms.iter().any(|form| form.starts_with(rest)) {
                break;
            } else {
                // The next place where a form could begin.
                let plain = rest.iter().skip(1).position(|byte| self.starts.contains(byte));
                let length = plain.map_or(rest.len(), |position| position + 1);
                result.extend_from_slice(rest.get(..length).unwrap_or_default());
                at += length;
            }
        }
        self.held.drain(..at);
        result
    }
}

fn add_forms(secret: &str, forms: &mut BTreeSet<Vec<u8>>) {
    let bytes = secret.as_bytes();
    let mut add = |text: String| {
        forms.insert(text.into_bytes());
    };
    add(secret.to_owned());
    for alphabet_end in ["+/", "-_"] {
        for shift in 0..3 {
            add(base64_inside(bytes, shift, alphabet_end));
        }
    }
    let hex = bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    });
    add(hex.to_uppercase());
    add(hex);
    let percent = |keep: fn(u8) -> bool| {
        bytes.iter().fold(String::new(), |mut text, byte| {
            let _ =
                if keep(*byte) { write!(text, "{}", char::from(*byte)) } else { write!(text, "%{byte:02X}") };
            text
        })
    };
    add(percent(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)));
    add(percent(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)).replace("%20", "+"));
    if let Ok(json) = serde_json::to_string(secret) {
        add(json.trim_matches('"').to_owned());
    }
    let xml = secret.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    add(xml.replace('"', "&quot;").replace('\'', "&apos;"));
    add(xml.replace('"', "&quot;").replace('\'', "&#39;"));
    add(xml);
    add(secret.replace('\'', "'\\''"));
    add(secret.replace('\'', "'\"'\"'"));
}

/// The part of a base64 text that is the same whatever stands before and behind the secret, when it begins `shift`
/// bytes into a group of three.
fn base64_inside(secret: &[u8], shift: usize, last_two: &str) -> String {
    const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let alphabet: Vec<u8> = ALPHABET.iter().copied().chain(last_two.bytes()).collect();
    let skip_bits = (6 - (shift * 8) % 6) % 6;
    let bits: Vec<u8> = secret.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1)).collect();
    bits.get(skip_bits..)
        .unwrap_or_default()
        .chunks_exact(6)
        .filter_map(|group| alphabet.get(group.iter().fold(0, |value, bit| value * 2 + usize::from(*bit))))
        .map(|byte| char::from(*byte))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::MacroFile;

    fn masker(secret: &str) -> Masker {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("macros.ini");
        std::fs::write(&path, format!("[secrets]\nX = {secret}\n")).unwrap();
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        Masker::new(MacroFile::read(&path).unwrap().secrets.values())
    }

    fn masked(secret: &str, output: &str) -> String {
        let whole = {
            let mut masker = masker(secret);
            let mut result = masker.push(output.as_bytes()).into_owned();
            result.extend(masker.finish());
            String::from_utf8(result).unwrap()
        };
        let mut single = masker(secret);
        let mut bytes: Vec<u8> = output.bytes().flat_map(|byte| single.push(&[byte]).into_owned()).collect();
        bytes.extend(single.finish());
        assert_eq!(String::from_utf8(bytes).unwrap(), whole, "byte by byte is the same as at once");
        for border in 0..=output.len() {
            let (first, second) = output.as_bytes().split_at(border);
            let mut two = masker(secret);
            let mut bytes = two.push(first).into_owned();
            bytes.extend(two.push(second).iter());
            bytes.extend(two.finish());
            assert_eq!(String::from_utf8(bytes).unwrap(), whole, "cut at {border}");
        }
        whole
    }

    #[test]
    fn every_form_is_masked_across_any_border() {
        let secret = "p&ss 'w\"rd<1>";
        for form in [
            secret,
            "p%26ss%20%27w%22rd%3C1%3E",
            "p&ss 'w\\\"rd<1>",
            "p&amp;ss &apos;w&quot;rd&lt;1&gt;",
            "p&ss '\\''w\"rd<1>",
            "7026737320277722726 43c313e".replace(' ', "").as_str(),
        ] {
            assert_eq!(masked(secret, &format!("a {form} b")), "a ******** b", "{form}");
        }
    }

    #[test]
    fn base64_is_masked_at_every_alignment() {
        // printf 'x%s' hunter2-hunter2 | base64, with zero, one and two bytes before
        for encoded in ["aHVudGVyMi1odW50ZXIy", "eGh1bnRlcjItaHVudGVyMg==", "eHhodW50ZXIyLWh1bnRlcjI="] {
            assert!(masked("hunter2-hunter2", encoded).contains("********"), "{encoded}");
        }
    }

    #[test]
    fn beginnings_that_come_to_nothing_are_kept() {
        assert_eq!(masked("secret1", "secre secret secret1 sec"), "secre secret ******** sec");
        assert_eq!(masked("aabaaa", "aabaabaaa"), "aab********");
    }
}
