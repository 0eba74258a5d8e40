//! Walks through JSON without keeping it: what is wanted is handed over where it is met, with the
//! path to it and its line.

use std::{borrow::Cow, fmt};

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::Refused;

/// One step from the outside of a document to a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step<'de> {
    /// Into the member of an object.
    Key(Cow<'de, str>),
    /// Into a member of an array.
    Item,
}

/// The steps to a value.
pub(super) type Path<'de> = [Step<'de>];

/// True if the last step is into the object member `key`.
pub(super) fn ends_with_key(path: &Path<'_>, key: &str) -> bool {
    matches!(path.last(), Some(Step::Key(last)) if last == key)
}

/// True if the last steps are into an array that is the object member `key`.
pub(super) fn is_item_of(path: &Path<'_>, key: &str) -> bool {
    matches!(path, [before @ .., Step::Item] if ends_with_key(before, key))
}

/// What is met on the way.
pub(super) trait Visit<'de> {
    /// Whether the value is to be handed over whole to [`Visit::take`] instead of walked through.
    fn wants(&mut self, _path: &Path<'de>) -> bool {
        false
    }

    /// Takes a value that was wanted.
    ///
    /// # Errors
    /// Whatever is to end the walk.
    fn take(
        &mut self,
        _line: u32,
        _path: &Path<'de>,
        _value: &'de RawValue,
    ) -> Result<(), Refused> {
        Ok(())
    }

    /// Looks at the key of a member of the object at the path.
    ///
    /// # Errors
    /// Whatever is to end the walk.
    fn key(&mut self, _line: u32, _path: &Path<'de>, _key: &str) -> Result<(), Refused> {
        Ok(())
    }

    /// Steps into an array, whose members have this path.
    fn array(&mut self, _members: &Path<'de>) {}

    /// Looks at a whole number that is not inside of what was wanted.
    fn number(&mut self, _path: &Path<'de>, _number: u64) {}

    /// Steps out of the object at the path.
    ///
    /// # Errors
    /// Whatever is to end the walk.
    fn leave(&mut self, _path: &Path<'de>) -> Result<(), Refused> {
        Ok(())
    }

    /// Takes a text that is not inside of what was wanted.
    ///
    /// # Errors
    /// Whatever is to end the walk.
    fn text(&mut self, _line: u32, _path: &Path<'de>, _text: &str) -> Result<(), Refused> {
        Ok(())
    }
}

/// Hands over every value that `wants` says is one, with its line. Returns whether there is an array of
/// such values at all: an empty one says that there are none, and an error in JSON does not.
///
/// # Errors
/// As those of [`walk`], and whatever `take` answers.
pub(super) fn records<'de>(
    bytes: &'de [u8],
    wants: impl FnMut(&Path<'de>) -> bool,
    take: impl FnMut(u32, &'de RawValue) -> Result<(), Refused>,
) -> Result<bool, Refused> {
    struct Records<W, T>(W, T, bool);

    impl<'de, W, T> Visit<'de> for Records<W, T>
    where
        W: FnMut(&Path<'de>) -> bool,
        T: FnMut(u32, &'de RawValue) -> Result<(), Refused>,
    {
        fn wants(&mut self, path: &Path<'de>) -> bool {
            self.0(path)
        }

        fn array(&mut self, members: &Path<'de>) {
            self.2 |= self.0(members);
        }

        fn take(&mut self, line: u32, _: &Path<'de>, value: &'de RawValue) -> Result<(), Refused> {
            self.1(line, value)
        }
    }

    let mut records = Records(wants, take, false);
    walk(bytes, &mut records)?;
    Ok(records.2)
}

/// Walks through all documents in `bytes`, one after the other.
///
/// # Errors
/// They are no JSON or cut off, or the visitor ended the walk.
pub(super) fn walk<'de>(bytes: &'de [u8], visit: &mut impl Visit<'de>) -> Result<(), Refused> {
    let mut way = Way {
        path: Vec::new(),
        lines: Lines {
            bytes,
            at: 0,
            line: 1,
        },
        visit,
        ended: None,
    };
    // Each document has a deserializer of its own: to say that another one follows, it counts the lines
    // from where it began, which is quadratic in what has many documents.
    let mut rest = bytes.trim_ascii();
    while !rest.is_empty() {
        let mut deserializer = serde_json::Deserializer::from_slice(rest);
        let walked = (&mut way).deserialize(&mut deserializer);
        if let Err(error) = walked {
            return Err(way.ended.unwrap_or_else(|| unreadable(&error)));
        }
        rest = match deserializer.end() {
            Ok(()) => &[],
            Err(error) => rest.get(offset(rest, &error)..).unwrap_or_default(),
        };
    }
    Ok(())
}

/// What is whole is the same the next time. The two limits are those of `serde_json`, which tells of them in
/// words only.
fn unreadable(error: &serde_json::Error) -> Refused {
    let text = error.to_string();
    Refused(if text.starts_with("recursion limit exceeded") {
        format!("the JSON is nested more than 127 levels deep ({text}), which is not read")
    } else if text.starts_with("number out of range") {
        format!("the JSON has a number that is too large ({text}), which is not read")
    } else {
        format!("the JSON is damaged or cut off ({text}); the next update fetches it again")
    })
}

/// The byte that `error` is about: its column counts bytes, from 1.
fn offset(bytes: &[u8], error: &serde_json::Error) -> usize {
    let mut ends = (0..bytes.len()).filter(|&at| bytes[at] == b'\n');
    let begin = match error.line() {
        0 | 1 => 0,
        line => ends.nth(line - 2).map_or(bytes.len(), |at| at + 1),
    };
    begin + error.column().saturating_sub(1)
}

/// Where the walk is.
struct Way<'a, 'de, V> {
    path: Vec<Step<'de>>,
    lines: Lines<'de>,
    visit: &'a mut V,
    /// Why the visitor ended the walk.
    ended: Option<Refused>,
}

/// Line numbers of texts that are part of one content, asked for in their order.
struct Lines<'de> {
    bytes: &'de [u8],
    at: usize,
    line: u32,
}

impl<'de> Lines<'de> {
    /// The line that `text`, a part of the content, is on.
    fn of(&mut self, text: &'de str) -> u32 {
        let at = (text.as_ptr() as usize).wrapping_sub(self.bytes.as_ptr() as usize);
        if let Some(between) = self.bytes.get(self.at..at) {
            let ends = between.iter().filter(|&&byte| byte == b'\n').count();
            self.line = self.line.saturating_add(ends as u32);
            self.at = at;
        }
        self.line
    }
}

impl<'de, V: Visit<'de>> Way<'_, 'de, V> {
    fn value<E: serde::de::Error>(&mut self, result: Result<(), Refused>) -> Result<(), E> {
        result.map_err(|refused| {
            let error = E::custom(&refused);
            self.ended = Some(refused);
            error
        })
    }
}

impl<'de, V: Visit<'de>> DeserializeSeed<'de> for &mut Way<'_, 'de, V> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        if !self.visit.wants(&self.path) {
            return deserializer.deserialize_any(self);
        }
        let value = <&RawValue as serde::Deserialize>::deserialize(deserializer)?;
        let line = self.lines.of(value.get());
        let taken = self.visit.take(line, &self.path, value);
        self.value(taken)
    }
}

impl<'de, V: Visit<'de>> Visitor<'de> for &mut Way<'_, 'de, V> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key_seed(Key)? {
            let line = match key {
                Cow::Borrowed(key) => self.lines.of(key),
                Cow::Owned(_) => self.lines.line,
            };
            let looked = self.visit.key(line, &self.path, &key);
            self.value(looked)?;
            self.path.push(Step::Key(key));
            map.next_value_seed(&mut *self)?;
            self.path.pop();
        }
        let left = self.visit.leave(&self.path);
        self.value(left)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        self.path.push(Step::Item);
        self.visit.array(&self.path);
        while seq.next_element_seed(&mut *self)?.is_some() {}
        self.path.pop();
        Ok(())
    }

    fn visit_borrowed_str<E: serde::de::Error>(self, text: &'de str) -> Result<(), E> {
        let line = self.lines.of(text);
        let taken = self.visit.text(line, &self.path, text);
        self.value(taken)
    }

    // A text with escapes is not part of the content; the one before it was.
    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<(), E> {
        let taken = self.visit.text(self.lines.line, &self.path, text);
        self.value(taken)
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, number: u64) -> Result<(), E> {
        self.visit.number(&self.path, number);
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

/// The key of a member, part of the content where it has no escapes.
struct Key;

impl<'de> DeserializeSeed<'de> for Key {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Key {
    type Value = Cow<'de, str>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a key")
    }

    fn visit_borrowed_str<E>(self, key: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(key))
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(key.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_with_their_lines() {
        let text = br#"{"a": [1,
 {"b": "\u0041"}], "c": {"a": [
   "x"]}}
 [2] {"a":["y"]}
7

"x"{"a":["z"]} null
  {"a":[0]}"#;
        let mut found = Vec::new();
        records(
            text,
            |path| is_item_of(path, "a"),
            |line, value| {
                found.push((line, value.get().to_owned()));
                Ok(())
            },
        )
        .unwrap();
        let expected = [
            (1, "1"),
            (2, "{\"b\": \"\\u0041\"}"),
            (3, "\"x\""),
            (4, "\"y\""),
            (7, "\"z\""),
            (8, "0"),
        ];
        assert_eq!(found, expected.map(|(line, text)| (line, text.to_owned())));
    }

    #[test]
    fn what_is_cut_off_is_refused_and_a_visitor_may_end_the_walk() {
        let none = |_: &Path<'_>| false;
        let walked = |text: &'static [u8]| records(text, none, |_, _| Ok(()));
        assert!(walked(b"{\"a\":1} [2]\n").is_ok());
        assert_eq!(walked(b"[]"), Ok(false));
        for text in [
            b"{\"a\":1".as_slice(),
            b"[1,",
            b"{\"a\"}",
            b"x",
            b"{} ]",
            b"[\xff]",
        ] {
            assert!(
                walked(text)
                    .unwrap_err()
                    .to_string()
                    .contains("damaged or cut off")
            );
        }
        let enough = |_, _: &RawValue| Err(Refused("enough".to_owned()));
        assert_eq!(
            records(b"[1]", |path| !path.is_empty(), enough)
                .unwrap_err()
                .to_string(),
            "enough"
        );
        let deep = "[".repeat(10_000);
        assert!(records(deep.as_bytes(), none, |_, _| Ok(())).is_err());
    }
}
