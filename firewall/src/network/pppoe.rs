//! Which devices carry PPPoE sessions: netlink does not say, the kernel's table of them does.

/// Names of the devices that carry a session of the kernel (`pppoe_seq_show`, drivers/net/ppp/pppoe.c). A
/// kernel without PPPoE has no such table, and sessions that a process reads itself are not in it.
pub fn carriers() -> Vec<String> {
    std::fs::read_to_string("/proc/thread-self/net/pppoe").map_or(Vec::new(), |text| parse(&text))
}

/// A line of titles, then session, address and device.
fn parse(text: &str) -> Vec<String> {
    let lines = text.lines().skip(1);
    let device = |line: &str| line.split_whitespace().nth(2).map(str::to_owned);
    let mut names: Vec<String> = lines.filter_map(device).collect();
    names.sort_unstable();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_device_that_carries_sessions_is_there_once() {
        let text = "Id       Address              Device\n\
                    00000100 52:54:00:00:00:01     eth1\n\
                    00000200 52:54:00:00:00:02   eth1.7\n\
                    00000300 52:54:00:00:00:03     eth1\n";
        assert_eq!(parse(text), ["eth1", "eth1.7"]);
        assert!(parse("Id       Address              Device\n").is_empty());
        assert!(parse("").is_empty());
    }
}
