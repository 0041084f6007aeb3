//! Finds the parameters in a statement and writes them as the server wants them. Values are never part of the text, so a
//! parameter that is found where there is none (inside of what the server reads as a string) can only make the statement
//! fail, not change it.

use crate::arguments::BadArgument;

/// How a kind of server writes strings, comments and parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// `$1`
    Postgresql,
    /// `?`
    Mysql,
    /// `:name`
    Oracle,
    /// `$name`
    Couchbase,
}

/// A statement with its parameters bound to values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// As the server takes it.
    pub text: String,
    /// Name and value of each place: in the order of the numbers (PostgreSQL), of the places (MySQL), or by name.
    pub values: Vec<(String, String)>,
    /// The words outside of strings, comments and quoted names, in capital letters.
    pub words: Vec<String>,
}

impl Statement {
    /// Every `:name` must have a value and every value a place.
    pub fn new(dialect: Dialect, text: &str, given: Vec<(String, String)>) -> Result<Self, BadArgument> {
        let mut statement = Self { text: String::new(), values: Vec::new(), words: Vec::new() };
        let mut rest = text.trim();
        while let Some(first) = rest.chars().next() {
            let (kind, length) = token(dialect, rest);
            let (token, tail) = rest.split_at(length.max(first.len_utf8()).min(rest.len()));
            if dialect == Dialect::Mysql && (token.starts_with("/*!") || token.starts_with("/*M!")) {
                return Err(BadArgument(
                    "comments that the server executes (/*! ... */) are refused".to_owned(),
                ));
            }
            match kind {
                Kind::Parameter => statement.place(dialect, token, &given)?,
                Kind::Word => {
                    statement.words.push(token.to_ascii_uppercase());
                    statement.text.push_str(token);
                }
                Kind::Other => statement.text.push_str(token),
                Kind::Foreign => {
                    return Err(BadArgument(format!(
                        "'{token}' is no parameter here: write :name and give --param"
                    )));
                }
            }
            rest = tail;
        }
        if let Some((name, _)) =
            given.iter().find(|(name, _)| !statement.values.iter().any(|(used, _)| used == name))
        {
            return Err(BadArgument(format!("the statement has no :{name}, which --param gives")));
        }
        if statement.words.is_empty() {
            return Err(BadArgument("the statement is empty".to_owned()));
        }
        if statement.text.contains('\0') {
            return Err(BadArgument("the statement holds a NUL".to_owned()));
        }
        statement.drop_semicolon();
        Ok(statement)
    }

    /// The word that says what the statement does.
    pub fn verb(&self) -> &str {
        self.words.first().map_or("", String::as_str)
    }

    fn place(
        &mut self,
        dialect: Dialect,
        token: &str,
        given: &[(String, String)],
    ) -> Result<(), BadArgument> {
        let name = token.trim_start_matches(':');
        let Some((_, value)) = given.iter().find(|(known, _)| known == name) else {
            return Err(BadArgument(format!("the statement's :{name} has no value: --param {name}=VALUE")));
        };
        let known = self.values.iter().position(|(known, _)| known == name);
        if dialect == Dialect::Mysql || known.is_none() {
            self.values.push((name.to_owned(), value.clone()));
        }
        let number = known.map_or(self.values.len(), |index| index + 1);
        match dialect {
            Dialect::Postgresql => self.text.push_str(&format!("${number}")),
            Dialect::Mysql => self.text.push('?'),
            Dialect::Oracle => self.text.push_str(token),
            Dialect::Couchbase => self.text.push_str(&format!("${name}")),
        }
        Ok(())
    }

    /// Interfaces take a statement without its end, except where the end belongs to a block.
    fn drop_semicolon(&mut self) {
        if !matches!(self.verb(), "BEGIN" | "DECLARE") {
            let kept = self.text.trim_end_matches(|last: char| last == ';' || last.is_whitespace()).len();
            self.text.truncate(kept);
        }
    }
}

enum Kind {
    Word,
    Parameter,
    /// The server's own way of writing a parameter, which would get no value.
    Foreign,
    Other,
}

/// Kind and bytes of what stands at the start of `text`.
fn token(dialect: Dialect, text: &str) -> (Kind, usize) {
    let mut characters = text.chars();
    let first = characters.next().unwrap_or_default();
    let second = characters.next().unwrap_or_default();
    let mysql = dialect == Dialect::Mysql;
    match (first, second) {
        ('-', '-') => (Kind::Other, to_line_end(text)),
        ('#', _) if mysql => (Kind::Other, to_line_end(text)),
        ('/', '*') => (Kind::Other, comment(text, dialect == Dialect::Postgresql)),
        ('E' | 'e', '\'') if dialect == Dialect::Postgresql => {
            (Kind::Other, 1 + quoted(text.get(1..).unwrap_or_default(), true))
        }
        ('\'', _) => (Kind::Other, quoted(text, mysql || dialect == Dialect::Couchbase)),
        ('"', _) => (Kind::Other, quoted(text, mysql || dialect == Dialect::Couchbase)),
        ('`', _) if mysql || dialect == Dialect::Couchbase => (Kind::Other, quoted(text, false)),
        ('$', _) if dialect == Dialect::Postgresql => dollar(text),
        ('$', second) if dialect == Dialect::Couchbase && second.is_ascii_alphanumeric() => {
            (Kind::Foreign, 2)
        }
        ('?', _) if mysql || dialect == Dialect::Couchbase => (Kind::Foreign, 1),
        (':', ':') => (Kind::Other, 2),
        (':', second) if second.is_ascii_alphabetic() || second == '_' => {
            (Kind::Parameter, 1 + word(text.get(1..).unwrap_or_default()))
        }
        (first, _) if first.is_alphanumeric() || first == '_' => (Kind::Word, word(text)),
        (first, _) => (Kind::Other, first.len_utf8()),
    }
}

/// Bytes of a word: letters, digits, `_`, and `$` inside of it.
fn word(text: &str) -> usize {
    text.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '$')).unwrap_or(text.len())
}

fn to_line_end(text: &str) -> usize {
    text.find('\n').unwrap_or(text.len())
}

/// A string or a quoted name up to its end; the quote is written twice inside, or behind a backslash.
fn quoted(text: &str, backslash: bool) -> usize {
    let mut characters = text.char_indices();
    let Some((_, quote)) = characters.next() else {
        return 0;
    };
    let mut escaped = false;
    for (index, character) in characters {
        if escaped {
            escaped = false;
        } else if backslash && character == '\\' {
            escaped = true;
        } else if character == quote {
            // A doubled quote reads as the end of one string and the start of the next one.
            return index + quote.len_utf8();
        }
    }
    text.len()
}

fn comment(text: &str, nested: bool) -> usize {
    let (mut depth, mut index) = (0_u32, 0);
    while let Some(rest) = text.get(index..).filter(|rest| !rest.is_empty()) {
        if rest.starts_with("/*") && (nested || depth == 0) {
            depth += 1;
            index += 2;
        } else if rest.starts_with("*/") {
            depth -= 1;
            index += 2;
            if depth == 0 {
                return index;
            }
        } else {
            index += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

/// `$tag$ ... $tag$`, or PostgreSQL's own `$1`.
fn dollar(text: &str) -> (Kind, usize) {
    let rest = text.get(1..).unwrap_or_default();
    if rest.starts_with(|first: char| first.is_ascii_digit()) {
        return (Kind::Foreign, 2);
    }
    let tag = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
    if !rest.get(tag..).is_some_and(|rest| rest.starts_with('$')) {
        return (Kind::Other, 1);
    }
    let (mark, body) = text.split_at((tag + 2).min(text.len()));
    (Kind::Other, body.find(mark).map_or(text.len(), |end| mark.len() + end + mark.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statement(dialect: Dialect, text: &str) -> Result<Statement, BadArgument> {
        let given = [("a", "1"), ("b", "2")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        Statement::new(dialect, text, given.into())
    }

    #[test]
    fn each_server_gets_its_own_form() {
        let text = "SELECT :a, :b, :a;";
        let made = |dialect| statement(dialect, text).unwrap();
        assert_eq!(made(Dialect::Postgresql).text, "SELECT $1, $2, $1");
        assert_eq!(made(Dialect::Postgresql).values.len(), 2);
        assert_eq!(made(Dialect::Mysql).text, "SELECT ?, ?, ?");
        assert_eq!(made(Dialect::Mysql).values.len(), 3);
        assert_eq!(made(Dialect::Oracle).text, "SELECT :a, :b, :a");
        assert_eq!(made(Dialect::Couchbase).text, "SELECT $a, $b, $a");
    }

    #[test]
    fn nothing_is_found_in_strings_names_and_comments() {
        let text = "SELECT ':x', 'it''s :x', \":x\", $$:x$$, $t$ :x $$ $t$, E'\\':x', c::text /* :x /* :x */ */ -- :x\n \
                    FROM t WHERE a = :a AND b = :b";
        let made = statement(Dialect::Postgresql, text).unwrap();
        assert_eq!(made.text, text.replace(":a", "$1").replace(":b", "$2"));
        let text = "SELECT '\\':x', `:x`, \"\\\":x\" # :x\n , :a, :b";
        assert_eq!(statement(Dialect::Mysql, text).unwrap().text, text.replace(":a", "?").replace(":b", "?"));
    }

    #[test]
    fn places_and_values_must_match() {
        for text in ["SELECT :a, :b, :c", "SELECT :a", "SELECT $1, :a, :b", "", "-- :a :b"] {
            assert!(statement(Dialect::Postgresql, text).is_err(), "{text}");
        }
        assert!(statement(Dialect::Mysql, "SELECT ?, :a, :b").is_err());
        assert!(statement(Dialect::Mysql, "SELECT :a, :b /*!50000 INTO OUTFILE '/tmp/x' */").is_err());
    }

    #[test]
    fn unfinished_text_ends_somewhere() {
        for text in [
            "SELECT ':a",
            "SELECT $t$ :a",
            "SELECT /* :a",
            "SELECT \"",
            "SELECT :a, :b, $",
            "SELECT :a, :b \u{fc}:",
        ] {
            let _either = statement(Dialect::Postgresql, text);
        }
    }

    #[test]
    fn a_block_keeps_its_end() {
        let made =
            Statement::new(Dialect::Oracle, "BEGIN p(:a); END;\n", vec![("a".to_owned(), "1".to_owned())]);
        assert_eq!(made.unwrap().text, "BEGIN p(:a); END;");
    }
}
