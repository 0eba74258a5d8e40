//! `misp-warninglist`: lists of MISP that say what is probably no indicator: resolvers, CDNs, private
//! networks. They are for protection; as a feed they would block what they name.

use super::{
    Parsed, Refused, check_size,
    item::item,
    said::{Skipped, kind_of},
    text,
    walk::{is_item_of, records},
};

/// The addresses of the list; names, of which some lists consist, are counted.
///
/// # Errors
/// It is no JSON or cut off, or the list is too long.
pub(super) fn parse(bytes: &[u8], parsed: &mut Parsed) -> Result<(), Refused> {
    let is_member = |path: &super::walk::Path<'_>| path.len() == 2 && is_item_of(path, "list");
    let has_list = records(bytes, is_member, |line, value| {
        let text: String = serde_json::from_str(value.get()).unwrap_or_default();
        let added = item(text.as_bytes()).and_then(|item| parsed.add_item(line, item, None));
        match (added, kind_of(text.trim_start_matches('.').as_bytes())) {
            (Ok(()), _) => {}
            (Err(_), Some(kind)) => parsed.skip(kind),
            // Names without a dot, parts of names and patterns for them.
            (Err(_), None) if text.contains(char::is_alphabetic) => parsed.skip(Skipped::Name),
            (Err(reason), None) => parsed.reject(line, value.get().as_bytes(), reason),
        }
        check_size(parsed)
    })?;
    parsed.lines = text::lines(bytes).count();
    parsed.complete = has_list;
    Ok(())
}
