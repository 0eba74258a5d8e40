//! Whether the running kernel can take the filter at all: found by asking it, not by its version.

use std::process::Command;

/// What the filter takes of a kernel, in the words of bpftool, newest first: what it is, the Linux that brought
/// it, and what bpftool prints where it is there.
const FEATURES: [(&str, &str, &str); 2] = [
    (
        "XDP programs for packets in several buffers",
        "5.18",
        "\"bpf_xdp_get_buff_len\"",
    ),
    ("ring buffers", "5.8", "\"have_ringbuf_map_type\":true"),
];

/// The type information of the kernel itself, in a list of what is loaded.
const TYPES: &str = "name [vmlinux]";

/// What the running kernel lacks, for people. Nothing, where nobody can tell: without root or bpftool.
pub fn shortcoming() -> Option<String> {
    // It loads programs, and with the first of them the kernel reads its own type information.
    let features = answer(&["--json", "feature", "probe", "kernel"])?;
    let types = answer(&["btf", "show"])?;
    judge(&features, &types)
}

fn answer(arguments: &[&str]) -> Option<String> {
    let output = Command::new("bpftool").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then_some(text)
}

fn judge(features: &str, types: &str) -> Option<String> {
    let missing = FEATURES.iter().find(|(.., sign)| !features.contains(sign));
    if let Some((name, since, _)) = missing {
        return Some(format!(
            "this kernel has no {name}, which Linux has since {since}; boot a newer one"
        ));
    }
    (!types.contains(TYPES)).then(|| {
        "this kernel has no type information of itself; boot one built with CONFIG_DEBUG_INFO_BTF"
            .to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: &str = r#"{"map_types":{"have_ringbuf_map_type":true},
        "helpers":{"xdp_available_helpers":["bpf_redirect","bpf_xdp_get_buff_len"]}}"#;
    const VMLINUX: &str = "1: name [vmlinux]  size 5914824B\n2: name [veth]  size 1B\n";

    #[test]
    fn what_is_missing_is_named_with_the_linux_that_brought_it() {
        assert_eq!(judge(ALL, VMLINUX), None);
        let without = |sign| judge(&ALL.replace(sign, ""), VMLINUX).unwrap_or_default();
        assert!(without("bpf_xdp_get_buff_len").contains("5.18"));
        assert!(without("have_ringbuf_map_type").contains("5.8"));
    }

    #[test]
    fn a_kernel_without_type_information_is_refused() {
        let said = judge(ALL, "2: name [veth]  size 1B\n");
        assert!(said.is_some_and(|it| it.contains("BTF")));
    }
}
