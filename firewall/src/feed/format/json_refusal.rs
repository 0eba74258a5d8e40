//! Why no path of a document is taken, by what stands where.

use super::{Refused, json_certainty::Certainty, json_paths::Stands, parsed::harmless};

pub(super) fn refusal(stands: &[Stands], lines: bool) -> Refused {
    let of_others =
        |it: &&Stands| it.has_addresses() && it.candidate(0, lines).certainty == Certainty::Others;
    let with_some = |it: &&Stands| it.is_in_list && it.addresses() > 0 && !it.has_addresses();
    let outside = |it: &&Stands| !it.is_in_list && it.addresses() > 0;
    if let Some(path) = stands.iter().find(of_others) {
        return Refused(format!(
            "`{}` has addresses, by its name of somebody else; if they are the list, name it with `json_path`",
            shown(path)
        ));
    }
    if let Some(path) = stands
        .iter()
        .filter(with_some)
        .max_by_key(|it| it.addresses())
    {
        return Refused(format!(
            "`{}`: {} of {} texts are addresses, '{}' is not; if that is the list, name it with `json_path`",
            shown(path),
            path.addresses(),
            path.texts,
            harmless(path.wrong.as_deref().unwrap_or_default()),
        ));
    }
    let others: usize = stands.iter().map(|it| it.others).sum();
    let outside = stands.iter().find(outside);
    match outside {
        Some(path) => nothing_but(path),
        None if others > 0 => only_others(stands, others),
        None => Refused(
            "no path inside of an array has addresses, nor has any outside; look at what the provider \
             answers"
                .to_owned(),
        ),
    }
}

/// Addresses outside of what could be a list.
fn nothing_but(path: &Stands) -> Refused {
    let shown = shown(path);
    let is_error = shown
        .split(['.', '['])
        .any(|key| key.eq_ignore_ascii_case("error") || key.eq_ignore_ascii_case("errors"));
    Refused(match is_error {
        true => format!(
            "no path inside of an array has addresses but `{shown}`, which is an error and no list; look at \
             what the provider answers"
        ),
        false => format!(
            "no path inside of an array has addresses, but `{shown}` outside has; if that is the list, name \
             it with `json_path`"
        ),
    })
}

fn only_others(stands: &[Stands], others: usize) -> Refused {
    let of_indicators = match stands.iter().any(|it| it.addresses() > 0) {
        true => " of indicators",
        false => "",
    };
    Refused(format!(
        "no path{of_indicators} has addresses, only {others} domain names, URLs, AS numbers or digests; \
         firewall filters by address, port and protocol"
    ))
}

fn shown(path: &Stands) -> String {
    harmless(&path.shown)
}
