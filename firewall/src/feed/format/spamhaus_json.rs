//! `spamhaus-json`: DROP and DROPv6 as JSON lines, <https://www.spamhaus.org/drop/drop_v4.json>.
//!
//! The last record is `{"type":"metadata","size":…,"records":…}`: the bytes and the records before
//! it, which makes a copy that is cut off certain to be noticed. ASN-DROP is published alike; its AS
//! numbers are counted.

use serde::Deserialize;

use super::{
    Parsed, Refused, check_size,
    said::{Said, Skipped, word},
    text,
};

#[derive(Deserialize)]
struct Record {
    #[serde(rename = "type")]
    kind: Option<String>,
    cidr: Option<String>,
    asn: Option<u32>,
    asname: Option<String>,
    sblid: Option<String>,
    size: Option<usize>,
    records: Option<usize>,
}

impl Record {
    fn is_metadata(&self) -> bool {
        self.kind.as_deref() == Some("metadata")
    }
}

/// True if `line`, the first that is not blank, is a record of this format.
pub(super) fn begins_with(line: &[u8]) -> bool {
    serde_json::from_slice::<Record>(line).is_ok_and(|record| {
        let prefix = record.cidr.is_some() && record.sblid.is_some();
        prefix || (record.asn.is_some() && record.asname.is_some()) || record.is_metadata()
    })
}

/// The indicators of the list.
///
/// # Errors
/// The metadata record is missing, is not the last, or does not fit what stands before it; or the
/// list is too long.
pub(super) fn parse(bytes: &[u8], parsed: &mut Parsed) -> Result<(), Refused> {
    let mut size = 0;
    for (number, line) in text::lines(bytes) {
        parsed.lines += 1;
        take_line(parsed, number, line, size)?;
        // As the provider writes it, whoever made the ends of lines longer on the way.
        size += line.len() - usize::from(line.ends_with(b"\r\n"));
        check_size(parsed)?;
    }
    if !parsed.complete {
        return Err(Refused(format!(
            "no metadata record at the end of {} records: the copy is cut off, \
             or this is no `spamhaus-json`; the next update fetches it again",
            parsed.listed()
        )));
    }
    Ok(())
}

/// `size` counts the bytes before the line.
fn take_line(parsed: &mut Parsed, number: u32, line: &[u8], size: usize) -> Result<(), Refused> {
    let line = line.trim_ascii();
    if line.is_empty() {
        parsed.blank += 1;
        return Ok(());
    }
    if parsed.complete {
        return Err(Refused(format!(
            "line {number} follows the metadata record, which ends the list; \
             ask the provider about it"
        )));
    }
    match serde_json::from_slice::<Record>(line) {
        Ok(record) if record.is_metadata() => check_metadata(parsed, &record, size)?,
        Ok(record) if record.cidr.is_none() && record.asn.is_some() => parsed.skip(Skipped::Asn),
        Ok(record) => take_record(parsed, number, line, &record),
        Err(_) => parsed.reject(number, line, "no JSON object of this format"),
    }
    Ok(())
}

fn take_record(parsed: &mut Parsed, number: u32, line: &[u8], record: &Record) {
    let cidr = record.cidr.as_deref().ok_or("no `cidr` in the record");
    match cidr.and_then(|cidr| text::prefix(cidr.as_bytes())) {
        Ok(prefix) => parsed.add(number, prefix, None),
        Err(reason) => parsed.reject(number, line, reason),
    }
    parsed.say(number, || Said {
        description: record.sblid.as_deref().and_then(word),
        ..Said::default()
    });
}

fn check_metadata(parsed: &mut Parsed, metadata: &Record, size: usize) -> Result<(), Refused> {
    check_number("records", metadata.records, parsed.listed())?;
    check_number("bytes", metadata.size, size)?;
    parsed.complete = true;
    Ok(())
}

fn check_number(what: &str, announced: Option<usize>, found: usize) -> Result<(), Refused> {
    if announced == Some(found) {
        return Ok(());
    }
    let announced = announced.map_or("no number of".to_owned(), |number| number.to_string());
    Err(Refused(format!(
        "the metadata record announces {announced} {what} and {found} stand before it: \
         the copy is damaged; the next update fetches it again"
    )))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(bytes: &[u8]) -> Result<Parsed, Refused> {
        let mut parsed = Parsed::default();
        super::parse(bytes, &mut parsed).map(|()| parsed)
    }

    const RECORDS: &str = "{\"cidr\":\"192.0.2.0/24\",\"sblid\":\"SBL1\",\"rir\":null}\n\
                           {\"cidr\":\"2001:db8::\\/32\",\"sblid\":\"SBL2\",\"rir\":\"arin\"}\n";

    fn with_metadata(records: &str, size: usize, count: usize) -> String {
        format!("{records}{{\"type\":\"metadata\",\"size\":{size},\"records\":{count}}}\n")
    }

    fn refusal(text: &str) -> String {
        parse(text.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn a_complete_list() {
        let parsed = parse(with_metadata(RECORDS, RECORDS.len(), 2).as_bytes()).unwrap();
        assert_eq!(
            (parsed.entries, parsed.v4.len(), parsed.v6.len()),
            (2, 1, 1)
        );
        assert_eq!((parsed.lines, parsed.complete), (3, true));
        let other_ends = with_metadata(RECORDS, RECORDS.len(), 2).replace('\n', "\r\n");
        assert_eq!(parse(other_ends.as_bytes()).unwrap().entries, 2);
    }

    #[test]
    fn an_empty_list_is_valid() {
        let parsed = parse(with_metadata("", 0, 0).as_bytes()).unwrap();
        assert_eq!((parsed.entries, parsed.complete), (0, true));
    }

    #[test]
    fn a_record_without_prefix_is_rejected_and_counted() {
        let records = "{\"cidr\":\"192.0.2.0/33\"}\n{\"rir\":null}\nword\n";
        let parsed = parse(with_metadata(records, records.len(), 3).as_bytes()).unwrap();
        assert_eq!((parsed.entries, parsed.rejected_count), (0, 3));
    }

    #[test]
    fn a_cut_copy_is_refused_with_both_numbers() {
        assert!(refusal(RECORDS).contains("no metadata record at the end of 2 records"));
        assert!(refusal("").contains("no metadata record at the end of 0 records"));
        let size = RECORDS.len();
        let records = refusal(&with_metadata(RECORDS, size, 3));
        assert!(
            records.contains("announces 3 records and 2 stand before it"),
            "{records}"
        );
        let bytes = refusal(&with_metadata(RECORDS, size + 1, 2));
        assert!(bytes.contains(&format!("announces {} bytes and {size} stand", size + 1)));
        let after = with_metadata(RECORDS, size, 2) + RECORDS;
        assert!(refusal(&after).contains("line 4 follows the metadata record"));
        let nothing = refusal("{\"type\":\"metadata\"}");
        assert!(
            nothing.contains("announces no number of records and 0 stand"),
            "{nothing}"
        );
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..500)) {
            let _ = parse(&bytes);
            let _ = parse(&[RECORDS.as_bytes(), &bytes].concat());
        }

        #[test]
        fn every_cut_is_refused(length in 0..RECORDS.len()) {
            let whole = with_metadata(RECORDS, RECORDS.len(), 2);
            prop_assert!(parse(&whole.as_bytes()[..length]).is_err());
            prop_assert!(parse(&whole.as_bytes()[length + 1..]).is_err());
        }
    }
}
