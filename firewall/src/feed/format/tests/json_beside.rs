//! What is said of JSON that is not read.

use super::*;

#[test]
fn what_is_whole_and_not_to_be_read_is_not_called_cut_off() {
    let deep = format!("{}1{}", "[".repeat(200), "]".repeat(200));
    let table = [
        (deep.as_str(), "nested more than 127 levels deep"),
        (
            r#"[{"a":1e999,"ip":"192.0.2.1"}]"#,
            "a number that is too large",
        ),
        (r#"[{"ip":"192.0.2.1""#, "damaged or cut off"),
    ];
    for (list, reason) in table {
        let refused = parse(Format::Json, &How::default(), list.as_bytes())
            .unwrap_err()
            .to_string();
        assert!(refused.contains(reason), "{refused}");
        let is_damaged = reason.contains("cut off");
        assert_eq!(
            refused.contains("fetches it again"),
            is_damaged,
            "{refused}"
        );
    }
}
