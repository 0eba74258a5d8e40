//! The words of a STIX pattern.

/// One word of a pattern.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Token<'p> {
    /// A path, an operator in letters, a number.
    Word(&'p str),
    /// An operator or bracket.
    Sign(&'p str),
    /// What stands in single quotes.
    Text(String),
}

/// Patterns longer than this many words are none that somebody wrote.
const MOST: usize = 10_000;

/// The words of `pattern`; nothing if it has a quote that is not closed, or foreign signs.
pub(super) fn tokens(pattern: &str) -> Option<Vec<Token<'_>>> {
    const SIGNS: [&str; 13] = [
        "!=", "<>", "<=", ">=", "==", "=", "<", ">", "[", "]", "(", ")", ",",
    ];
    let mut tokens = Vec::new();
    let mut rest = pattern.trim_start();
    while !rest.is_empty() && tokens.len() < MOST {
        let sign = SIGNS.into_iter().find(|sign| rest.starts_with(sign));
        rest = match (sign, rest.strip_prefix('\'')) {
            (Some(sign), _) => {
                tokens.push(Token::Sign(sign));
                &rest[sign.len()..]
            }
            (None, Some(quoted)) => {
                let (text, after) = text(quoted)?;
                tokens.push(Token::Text(text));
                after
            }
            (None, None) => {
                let end = word_end(rest)?;
                tokens.push(Token::Word(&rest[..end]));
                &rest[end..]
            }
        }
        .trim_start();
    }
    rest.is_empty().then_some(tokens)
}

/// The text up to the closing quote, `\'` and `\\` resolved, and what follows.
fn text(quoted: &str) -> Option<(String, &str)> {
    let mut text = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '\'' => return Some((text, &quoted[at + 1..])),
            '\\' => text.push(characters.next()?.1),
            character => text.push(character),
        }
    }
    None
}

/// Where the word ends that `text` begins with: a path has `[*]`, and quoted keys in it.
fn word_end(text: &str) -> Option<usize> {
    let mut quoted = false;
    let mut bracket = false;
    for (at, character) in text.char_indices() {
        match character {
            '\'' if at > 0
                && (quoted || text[..at].ends_with('.') || text[..at].ends_with(':')) =>
            {
                quoted = !quoted;
            }
            _ if quoted => {}
            '[' if at > 0 => bracket = true,
            ']' if bracket => bracket = false,
            character if character.is_alphanumeric() || "-_.:*+".contains(character) => {}
            _ => return (at > 0).then_some(at),
        }
    }
    Some(text.len())
}

#[cfg(test)]
mod tests {
    use super::{Token::*, *};

    #[test]
    fn the_words_of_a_pattern() {
        let table = [
            (
                "[a:b='c' AND x-y:z[*].w IN (1,'d')]",
                Some(vec![
                    Sign("["),
                    Word("a:b"),
                    Sign("="),
                    Text("c".into()),
                    Word("AND"),
                    Word("x-y:z[*].w"),
                    Word("IN"),
                    Sign("("),
                    Word("1"),
                    Sign(","),
                    Text("d".into()),
                    Sign(")"),
                    Sign("]"),
                ]),
            ),
            (
                "file:hashes.'SHA-256' != 'it\\'s \\\\'",
                Some(vec![
                    Word("file:hashes.'SHA-256'"),
                    Sign("!="),
                    Text("it's \\".into()),
                ]),
            ),
            (
                "t'2026-01-01'",
                Some(vec![Word("t"), Text("2026-01-01".into())]),
            ),
            ("a:b = 'open", None),
            ("a:b = \"c\"", None),
            ("", Some(vec![])),
        ];
        for (text, expected) in table {
            assert_eq!(tokens(text), expected, "{text}");
        }
    }
}
