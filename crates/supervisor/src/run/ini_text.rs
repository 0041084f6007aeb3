//! Changes single values in an INI text that people edit: comments, order and everything else stay as they are.

/// The lines of an INI file.
pub struct IniText {
    lines: Vec<String>,
}

impl IniText {
    /// Takes a text apart.
    pub fn new(text: &str) -> Self {
        Self { lines: text.lines().map(str::to_owned).collect() }
    }

    /// The value of `key`, or `None` where it is absent, commented out or empty.
    pub fn get(&self, section: &str, key: &str) -> Option<&str> {
        let (first, end) = self.bounds(section)?;
        let lines = self.lines.get(first..end)?;
        lines
            .iter()
            .filter_map(|line| pair(line))
            .find(|pair| pair.0 == key && !pair.1.is_empty())
            .map(|pair| pair.1)
    }

    /// Sets `key`, in the place where it stands (commented out, too), otherwise at the end of the section.
    pub fn set(&mut self, section: &str, key: &str, value: &str) {
        let line = format!("{key} = {value}");
        let Some((first, end)) = self.bounds(section) else {
            self.lines.extend([String::new(), format!("[{section}]"), line]);
            return;
        };
        let lines = self.lines.get(first..end).unwrap_or_default();
        let active = lines.iter().position(|line| has_key(line, key));
        let comment = lines.iter().position(|line| has_key(uncommented(line), key));
        if let Some(old) = active.and_then(|place| self.lines.get_mut(first + place)) {
            *old = line;
        } else if let Some(comment) = comment {
            self.lines.insert(first + comment + 1, line);
        } else {
            let blank = self.lines.get(first..end).into_iter().flatten().rev();
            let blank = blank.take_while(|line| line.trim().is_empty()).count();
            self.lines.insert(end - blank, line);
        }
    }

    /// The whole text, every line ended.
    pub fn text(&self) -> String {
        self.lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect()
    }

    /// Where the lines of a section begin (behind its head) and end.
    fn bounds(&self, section: &str) -> Option<(usize, usize)> {
        let head = format!("[{section}]");
        let first = self.lines.iter().position(|line| line.trim() == head)? + 1;
        let length = self.lines.iter().skip(first).position(|line| line.trim_start().starts_with('['));
        Some((first, length.map_or(self.lines.len(), |length| first + length)))
    }
}

fn pair(line: &str) -> Option<(&str, &str)> {
    let (key, value) = line.split_once('=')?;
    Some((key.trim(), value.trim()))
}

fn has_key(line: &str, key: &str) -> bool {
    pair(line).is_some_and(|pair| pair.0 == key)
}

fn uncommented(line: &str) -> &str {
    line.trim_start().trim_start_matches([';', '#'])
}

#[cfg(test)]
mod tests {
    use super::IniText;

    const SAMPLE: &str = "; head\n[web]\n; where\nlisten = a\n;public_url = b\n\n[log]\nfilter = info\n";

    #[test]
    fn sets_values_where_they_stand() {
        let mut ini = IniText::new(SAMPLE);
        ini.set("web", "listen", "x=1");
        ini.set("web", "public_url", "y");
        ini.set("web", "extra", "z");
        ini.set("files", "macros", "m");
        let expected = "; head\n[web]\n; where\nlisten = x=1\n;public_url = b\npublic_url = y\nextra = z\n\n\
                        [log]\nfilter = info\n\n[files]\nmacros = m\n";
        assert_eq!(ini.text(), expected);
        assert_eq!(ini.get("web", "listen"), Some("x=1"));
    }

    #[test]
    fn comments_and_other_sections_are_no_values() {
        let ini = IniText::new(SAMPLE);
        assert_eq!(ini.get("web", "public_url"), None);
        assert_eq!(ini.get("web", "filter"), None);
        assert_eq!(ini.get("none", "filter"), None);
    }
}
