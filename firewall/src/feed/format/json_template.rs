//! Paths as texts: those that records have in common are one.

use super::walk::{Path, Step};

/// Whether what stands there is one of many: in an array, below a key that differs from record to record,
/// in a document of several. What says something about the document is no list: an error may show our own
/// address.
pub(super) fn is_in_list(template: &str, path: &Path<'_>, lines: bool) -> bool {
    let is_error = |step: &Step<'_>| matches!(step, Step::Key(key) if key.eq_ignore_ascii_case("error") || key.eq_ignore_ascii_case("errors"));
    let mut parts = template.split('.');
    let is_one_of_many = lines
        || template.ends_with("{}")
        || path.contains(&Step::Item)
        || parts.any(|part| part == "*");
    is_one_of_many && !path.iter().any(is_error)
}

/// The path for `json_path`, in which a key has neither dots nor brackets.
pub(super) fn shown(path: &Path<'_>) -> String {
    let mut shown: Vec<Step<'_>> = path.to_vec();
    for step in &mut shown {
        if matches!(step, Step::Key(key) if key.contains(['.', '['])) {
            *step = Step::Key("*".into());
        }
    }
    template(&shown, false).trim_start_matches('.').to_owned()
}

/// The path as people write it. Keys that are numbers or addresses are many: they are one.
pub(super) fn template(path: &Path<'_>, key: bool) -> String {
    let mut text = String::with_capacity(48);
    for step in path {
        match step {
            Step::Item => text.push_str("[]"),
            Step::Key(key) => {
                let many = key.bytes().any(|it| it.is_ascii_digit())
                    && key
                        .bytes()
                        .all(|it| it.is_ascii_hexdigit() || b".:-/".contains(&it));
                text.push('.');
                text.push_str(if many { "*" } else { key });
            }
        }
    }
    if key {
        text.push_str("{}");
    }
    text
}
