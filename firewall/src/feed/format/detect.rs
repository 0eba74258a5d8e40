//! Which format content is of, by its looks: a mark of its own first, then what most lines are.

use super::{
    Format, How, Parsed, Refused, Rejected,
    cell::is_meant_as_address,
    check_no_page, csv, detect_json, dshield, fill, hosts, ipset, ipsum, is_tolerable,
    item::item,
    mark, nft, p2p, plain,
    rows::{Between, LONGEST},
    said::{Skipped, kind_of},
    sections, spamhaus_json, suricata,
    tabular::Table,
    text, tor_exits, urls,
};

/// Lines that are looked at.
const SAMPLE: usize = 1000;

/// The format of `bytes`, which are decompressed content.
///
/// A list is plain if 98 of 100 lines are meant as entries, well written or not, and most of them are
/// some. Comments alone could be anything, and are none.
///
/// # Errors
/// It is none of the formats, or has nothing that can be used; says why, for people.
pub fn detect(bytes: &[u8]) -> Result<Format, Refused> {
    detect_and_parse(&How::default(), bytes).map(|(format, _)| format)
}

/// The format of `bytes` and what they say.
///
/// # Errors
/// As those of [`detect`] and [`super::parse`].
pub fn detect_and_parse(how: &How, bytes: &[u8]) -> Result<(Format, Parsed), Refused> {
    let look = look(bytes)?;
    let format = look.format;
    let mut parsed = Parsed::default();
    fill(format, how, bytes, &mut parsed)?;
    check_usable(format, &parsed)?;
    check_mostly_entries(look, &parsed)?;
    Ok((format, parsed))
}

/// What content looks like.
#[derive(Clone, Copy)]
struct Look {
    format: Format,
    /// Whether it has the mark of its format, however good its lines are.
    is_marked: bool,
}

impl Look {
    fn marked(format: Format) -> Self {
        Self {
            format,
            is_marked: true,
        }
    }

    fn guessed(format: Format) -> Self {
        Self {
            format,
            is_marked: false,
        }
    }
}

fn look(bytes: &[u8]) -> Result<Look, Refused> {
    check_no_page(bytes)?;
    let bytes = &text::normal(bytes);
    check_text(bytes)?;
    let begin = bytes.trim_ascii_start();
    if let Some(format) = detect_json::look(begin) {
        return Ok(match format {
            Format::Json => Look::guessed(format),
            format => Look::marked(format),
        });
    }
    let sample = sample(bytes);
    if let Some(format) = by_first_line(sample.first().copied()).or_else(|| by_header(bytes)) {
        return Ok(Look::marked(format));
    }
    if sample.is_empty() && mark::end(bytes).is_some() {
        return Ok(Look::marked(Format::Plain));
    }
    if sample.is_empty() {
        let comments = text::lines(bytes)
            .filter(|(_, line)| !line.trim_ascii().is_empty())
            .count();
        return Err(Refused(format!(
            "the format is unknown: all {comments} lines are comments; name it with `format`"
        )));
    }
    Ok(by_lines(bytes, &sample))
}

fn check_text(bytes: &[u8]) -> Result<(), Refused> {
    if bytes.trim_ascii().is_empty() {
        return Err(Refused(
            "the content is empty; check the address of the feed".to_owned(),
        ));
    }
    let begin = &bytes[..bytes.len().min(4096)];
    let zeros = begin.iter().filter(|&&byte| byte == 0).count();
    if 20 * zeros > begin.len() {
        return Err(Refused(
            "the content is binary, or text in UTF-16; ask the provider for a list as text in UTF-8"
                .to_owned(),
        ));
    }
    Ok(())
}

/// The first lines that are neither blank nor a comment.
fn sample(bytes: &[u8]) -> Vec<&[u8]> {
    let lines = text::lines(bytes).map(|(_, line)| line.trim_ascii());
    let lines = lines.filter(|line| !line.is_empty() && !text::is_comment(line));
    // What is longer is rejected by every format, and not to be looked through by each of them.
    let lines = lines.map(|line| &line[..line.len().min(LONGEST)]);
    lines.take(SAMPLE).collect()
}

fn by_first_line(first: Option<&[u8]>) -> Option<Format> {
    let first = first?;
    if nft::begins_with(first) {
        return Some(Format::Nft);
    }
    if ipset::begins_with(first) {
        return Some(Format::Ipset);
    }
    if suricata::begins_with(first) {
        return Some(Format::Suricata);
    }
    tor_exits::begins_with(first).then_some(Format::TorExits)
}

/// By what the provider writes above the list, or below.
fn by_header(bytes: &[u8]) -> Option<Format> {
    let table = Table {
        bytes,
        between: Between::Byte(b','),
    };
    let header = table.header();
    let has = |name: &str| {
        header
            .as_ref()
            .is_some_and(|header| header.find(&[name]).is_some())
    };
    let comments: Vec<&[u8]> = text::lines(bytes)
        .map(|(_, line)| line.trim_ascii())
        .take_while(|line| line.is_empty() || text::is_comment(line))
        .collect();
    let says = |what: &str| {
        let what = what.as_bytes();
        comments
            .iter()
            .any(|line| line.windows(what.len()).any(|it| it == what))
    };
    if has("iocvalue") && has("ioctype") {
        return Some(Format::ThreatfoxCsv);
    }
    if has("url") && (has("urlstatus") || has("urlhauslink")) {
        return Some(Format::UrlhausCsv);
    }
    if has("dstip") && has("dstport") {
        let sslbl = header.as_ref().is_some_and(|header| header.is_sslbl());
        let feodo = has("c2status") || says("Feodo Tracker") || mark::footer(bytes).is_some();
        // Others have these columns as well, and no footer.
        let format = match (sslbl, feodo) {
            (true, _) => Some(Format::SslblCsv),
            (_, true) => Some(Format::FeodoCsv),
            _ => None,
        };
        if format.is_some() {
            return format;
        }
    }
    // Without its footer it is cut off; others that copy the list have no box around the title.
    let boxed = says("Feodo Tracker") && comments.iter().any(|line| line.starts_with(b"########"));
    if says("Feodo Tracker") && mark::footer(bytes).is_some() || boxed && !is_table(bytes) {
        return Some(Format::FeodoText);
    }
    let drop = ["DROP List", "DROPv6", "DROP v6"];
    if says("Spamhaus") && drop.into_iter().any(says) {
        return Some(Format::SpamhausText);
    }
    (mark::netset(bytes).is_some() && (says("FireHOL") || says("hash:"))).then_some(Format::Netset)
}

/// Whether the first row has several columns.
fn is_table(bytes: &[u8]) -> bool {
    sample(bytes).first().is_some_and(|row| row.contains(&b','))
}

/// Whether a line looks like one of a format.
type Looks = fn(&[u8]) -> bool;

/// By what most of the sampled lines are. What looks like nothing is a table, which says why not.
fn by_lines(bytes: &[u8], sample: &[&[u8]]) -> Look {
    let count = |is: Looks| sample.iter().filter(|line| is(line)).count();
    let most = |is| 100 * count(is) >= 98 * sample.len();
    // Rows that nothing else looks like; whether enough of them are good is seen later.
    let half = |is| 2 * count(is) > sample.len();
    let some = |is: Looks| sample.iter().any(|line| is(line));
    let hosts =
        |line: &[u8]| hosts::is_row(line) || hosts::is_real_row(line) || hosts::is_name_row(line);
    if half(dshield_row) {
        return Look::guessed(Format::Dshield);
    }
    if half(p2p::is_row) {
        return Look::guessed(Format::P2p);
    }
    if csv::has_header(bytes) {
        return Look::marked(Format::Csv);
    }
    if most(is_meant_as_entry) && half(is_entry) {
        return Look::guessed(Format::Plain);
    }
    if some(|line| sections::heading(line).is_some()) && some(|line| item(line).is_ok()) {
        return Look::guessed(Format::Sections);
    }
    if most(hosts) || half(hosts::is_row) {
        return Look::guessed(Format::Hosts);
    }
    let table: [(Looks, Format); 3] = [
        (
            |line| spamhaus_json::begins_with(line),
            Format::SpamhausJson,
        ),
        (
            |line| ipsum::row(line).is_some_and(|(address, _)| address.is_host()),
            match csv::has_lengths(bytes) {
                true => Format::Csv,
                false => Format::Ipsum,
            },
        ),
        (urls::is_url, Format::Urls),
    ];
    if let Some((_, format)) = table.into_iter().find(|(is, _)| half(*is)) {
        return Look::guessed(format);
    }
    Look::guessed(table_or_plain(&bytes[..bytes.len().min(1 << 20)]))
}

/// A table, or lines with an entry each: whichever understands more of what the content begins with.
fn table_or_plain(begin: &[u8]) -> Format {
    let understood = |format| {
        let mut parsed = Parsed::default();
        let read = fill(format, &How::default(), begin, &mut parsed);
        (read.is_ok() && parsed.entries > 0).then(|| parsed.listed() - parsed.rejected_count)
    };
    match (understood(Format::Csv), understood(Format::Plain)) {
        (None, None) if csv::kind_of_most(begin).is_some() => Format::Csv,
        (table, plain) if table > plain => Format::Csv,
        _ => Format::Plain,
    }
}

fn is_entry(line: &[u8]) -> bool {
    item(text::without_comment(line)).is_ok()
}

/// Whether the line is an entry, or one that somebody has written wrongly.
fn is_meant_as_entry(line: &[u8]) -> bool {
    is_entry(line) || is_meant_as_address(text::without_comment(line))
}

/// Some copies have a row with names of columns.
fn dshield_row(line: &[u8]) -> bool {
    dshield::is_row(line) || line.starts_with(b"Start\t")
}

/// That there is an entry, or that the list is known to be empty.
fn check_usable(format: Format, parsed: &Parsed) -> Result<(), Refused> {
    if parsed.entries > 0 || parsed.skipped.is_empty() {
        return Ok(());
    }
    Err(Refused(format!(
        "nothing in this list of the format {format} can be used: {}; firewall filters by address, \
         port and protocol",
        said(parsed)
    )))
}

fn said(parsed: &Parsed) -> String {
    let part = |(why, count): (&Skipped, &usize)| format!("{count} {}", why.as_str());
    parsed
        .skipped
        .iter()
        .map(part)
        .collect::<Vec<_>>()
        .join(", ")
}

/// A mark says what content is; its lines say so if few of them are something else altogether.
fn check_mostly_entries(look: Look, parsed: &Parsed) -> Result<(), Refused> {
    let Look { format, is_marked } = look;
    let all = parsed.listed();
    let good = parsed.entries > 0 && (is_marked || is_tolerable(strange(parsed), all));
    if good || (parsed.complete && all == 0) {
        return Ok(());
    }
    let (what, is_message) = match parsed.rejected.first() {
        Some(first) => (no_entries(parsed, first), !is_marked && is_message(parsed)),
        None if parsed.comments + parsed.blank == parsed.lines => {
            return Err(Refused(format!(
                "nothing but comments: a list of the format {format} that is empty for now, or has ended"
            )));
        }
        None => (format!("no entry in {} lines", parsed.lines), false),
    };
    Err(Refused(match is_message {
        true => format!(
            "this is no list, it reads like a message of the server: {what}; \
             open the address of the feed in a browser"
        ),
        false => format!(
            "the format is unknown: {what}; it is most like {format}: if it is that, name it with `format`"
        ),
    }))
}

fn no_entries(parsed: &Parsed, first: &Rejected) -> String {
    let kind = kind_of(first.text.as_bytes());
    let kind = kind.map_or(String::new(), |kind| {
        format!("; these are {}", kind.as_str())
    });
    format!(
        "{} of {} lines are no entry, the first is line {}: {} ({}){kind}",
        parsed.rejected_count,
        parsed.listed(),
        first.line,
        first.text,
        first.reason
    )
}

/// Whether it is a few lines without an entry, the first of which has words, and no end of a command.
fn is_message(parsed: &Parsed) -> bool {
    /// Messages are short.
    const LINES: usize = 5;
    let is_words = |it: &Rejected| {
        let begins = it.text.starts_with(char::is_alphanumeric);
        let ends = it.text.ends_with([';', '{', '\\']) || it.reason == plain::TOO_LONG;
        begins && !ends && it.text.split_whitespace().count() > 1
    };
    parsed.entries == 0 && parsed.lines <= LINES && parsed.rejected.first().is_some_and(is_words)
}

/// Rejected lines that are no address written wrongly.
fn strange(parsed: &Parsed) -> usize {
    let meant = |it: &&Rejected| is_meant_as_address(text::without_comment(it.text.as_bytes()));
    parsed.rejected_count - parsed.rejected.iter().filter(meant).count()
}
