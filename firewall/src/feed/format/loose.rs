//! Values that providers write as a number here and as a text there.

use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// A text, or a number or truth value as a text.
pub(super) struct Text(pub String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(match Value::deserialize(deserializer)? {
            Value::String(text) => text,
            Value::Null => String::new(),
            value => value.to_string(),
        }))
    }
}

/// True, `"true"`, `"1"` or 1.
pub(super) fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    let Text(text) = Text::deserialize(deserializer)?;
    Ok(text == "1" || text.eq_ignore_ascii_case("true"))
}
