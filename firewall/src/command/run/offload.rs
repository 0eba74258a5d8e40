//! What forwards packets past the CPU: flow tables and filters that the network card has taken over. No
//! program sees such packets, in whatever mode.

use std::process::Command;

use serde_json::Value;

/// What takes packets of this device past the CPU; `None` where nothing is found. Where `nft` or `tc` is not
/// installed nothing can be said of what they would show.
pub fn of(device: &str) -> Option<String> {
    let tables = said("nft", &["list", "flowtables"]);
    if let Some(table) = tables.and_then(|text| flowtable(&text, device)) {
        return Some(format!(
            "the flow table {table} of nftables has 'flags offload'"
        ));
    }
    let filters = said("tc", &["-j", "filter", "show", "dev", device, "ingress"]);
    let filters = filters.and_then(|text| serde_json::from_str(&text).ok());
    is_in_hardware(&filters?).then(|| {
        format!("the network card has taken over filters of 'tc' (hw-tc-offload) on {device}")
    })
}

fn said(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let succeeded = output.status.success();
    succeeded.then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The flow table that offloads what comes in by `device` (`flowtable_print_declaration`, src/rule.c of
/// nftables; JSON does not have the flags).
fn flowtable(text: &str, device: &str) -> Option<String> {
    let mut name = None;
    let mut is_of_device = false;
    for line in text.lines() {
        let words: Vec<&str> = line
            .split([' ', '\t', ',', '"', ';', '{', '}', '='])
            .filter(|word| !word.is_empty())
            .collect();
        match words.as_slice() {
            ["flowtable", table] => {
                name = Some((*table).to_owned());
                is_of_device = false;
            }
            ["devices", devices @ ..] => is_of_device = devices.contains(&device),
            ["flags", flags @ ..] if is_of_device && flags.contains(&"offload") => return name,
            _ => {}
        }
    }
    None
}

/// Whether a filter is in hardware: `in_hw` (`tc_filter_print`, tc of iproute2) is among its options.
fn is_in_hardware(filters: &Value) -> bool {
    match filters {
        Value::Array(all) => all.iter().any(is_in_hardware),
        Value::Object(keys) => {
            keys.get("in_hw") == Some(&Value::Bool(true)) || keys.values().any(is_in_hardware)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of nftables 1.0.6, and of one that quotes names.
    const TABLES: &str = "table inet filter {\n\
        \tflowtable soft {\n\
        \t\thook ingress priority filter\n\
        \t\tdevices = { eth0, eth1 }\n\
        \t}\n\
        \tflowtable fast {\n\
        \t\thook ingress priority filter\n\
        \t\tdevices = { \"eth1\", \"wan\" }\n\
        \t\tflags offload\n\
        \t\tcounter\n\
        \t}\n\
        }\n";

    #[test]
    fn only_a_flow_table_with_the_flag_takes_its_devices_past_the_cpu() {
        for (device, expected) in [
            ("eth0", None),
            ("eth1", Some("fast")),
            ("wan", Some("fast")),
            ("wan0", None),
        ] {
            assert_eq!(flowtable(TABLES, device).as_deref(), expected, "{device}");
        }
        assert_eq!(flowtable("", "eth0"), None);
    }

    #[test]
    fn only_a_filter_in_hardware_takes_packets_past_the_cpu() {
        let filter = |key: &str| {
            format!(
                "[{{\"kind\":\"flower\"}},{{\"kind\":\"flower\",\"options\":{{\"handle\":1,\"keys\":{{}},{key}}}}}]"
            )
        };
        for (key, expected) in [
            ("\"in_hw\":true,\"in_hw_count\":1", true),
            ("\"not_in_hw\":true", false),
        ] {
            let filters = serde_json::from_str(&filter(key)).unwrap();
            assert_eq!(is_in_hardware(&filters), expected, "{key}");
        }
        assert!(!is_in_hardware(&Value::Array(vec![])));
    }
}
