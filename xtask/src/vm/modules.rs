//! Modules of a kernel: which need which, and in what order they are loaded.

use std::collections::BTreeMap;

use anyhow::{Result, bail};

/// What each module needs, by name.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Modules(BTreeMap<String, Vec<String>>);

impl Modules {
    /// Adds a module by its name and its content, an object whose section `.modinfo` says what it needs
    /// (include/linux/moduleparam.h); returns that.
    pub fn add(&mut self, name: &str, content: &[u8]) -> &[String] {
        let needs = needs(content).unwrap_or_default();
        self.0.entry(name.to_owned()).or_insert(needs)
    }

    /// Whether it was added.
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Reads what [`Self::write`] wrote.
    pub fn read(text: &str) -> Self {
        let line = |line: &str| {
            let (name, needs) = line.split_once(':')?;
            let needs = needs.split_whitespace().map(str::to_owned).collect();
            Some((name.to_owned(), needs))
        };
        Self(text.lines().filter_map(line).collect())
    }

    /// A line for each module: its name, a colon, what it needs.
    pub fn write(&self) -> String {
        let line =
            |(name, needs): (&String, &Vec<String>)| format!("{name}: {}\n", needs.join(" "));
        self.0.iter().map(line).collect()
    }

    /// The `wanted` ones and what they need, each once and after what it needs. A wanted one that was
    /// not added is passed over: it is part of the kernel, or this kernel has no such thing.
    pub fn in_order(&self, wanted: &[&str]) -> Result<Vec<&str>> {
        let mut order = Vec::new();
        for name in wanted {
            if let Some((name, _)) = self.0.get_key_value(*name) {
                self.visit(name, &mut Vec::new(), &mut order)?;
            }
        }
        Ok(order)
    }

    fn visit<'a>(
        &'a self,
        name: &'a str,
        above: &mut Vec<&'a str>,
        order: &mut Vec<&'a str>,
    ) -> Result<()> {
        if order.contains(&name) {
            return Ok(());
        }
        if above.contains(&name) {
            bail!("the modules {} need each other", above.join(", "));
        }
        let Some(needs) = self.0.get(name) else {
            let above = above.last().unwrap_or(&"this kernel");
            bail!("the module {name} is not there, which {above} needs");
        };
        above.push(name);
        for need in needs {
            self.visit(need, above, order)?;
        }
        above.pop();
        order.push(name);
        Ok(())
    }
}

/// Modules that `content` says it needs, as the kernel names them; `None` where it says nothing.
fn needs(content: &[u8]) -> Option<Vec<String>> {
    const KEY: &[u8] = b"\0depends=";
    let begin = content.windows(KEY.len()).position(|it| it == KEY)? + KEY.len();
    let value = content[begin..].split(|&byte| byte == 0).next()?;
    let names = str::from_utf8(value).ok()?.split(',');
    Some(names.filter(|name| !name.is_empty()).map(named).collect())
}

/// The name of a module in the kernel, which writes what its file has as a hyphen as an underscore.
pub fn named(file: &str) -> String {
    file.replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn modules(table: &[(&str, &str)]) -> Modules {
        let mut modules = Modules::default();
        for (name, needs) in table {
            let content = format!("\x7fELF\0license=GPL\0depends={needs}\0retpoline=Y\0");
            modules.add(name, content.as_bytes());
        }
        modules
    }

    #[test]
    fn what_a_module_needs_is_loaded_before_it_and_once() {
        let modules = modules(&[
            ("bridge", "stp,llc"),
            ("stp", "llc"),
            ("llc", ""),
            ("8021q", "garp,mrp"),
            ("garp", "stp,llc"),
            ("mrp", ""),
            ("wireguard", "libcurve25519-generic"),
            ("libcurve25519_generic", ""),
        ]);
        let order = modules.in_order(&["8021q", "veth", "bridge", "wireguard"]);
        let expected = [
            "llc",
            "stp",
            "garp",
            "mrp",
            "8021q",
            "bridge",
            "libcurve25519_generic",
            "wireguard",
        ];
        assert_eq!(order.unwrap(), expected);
        assert_eq!(Modules::read(&modules.write()), modules);
    }

    #[test]
    fn a_module_that_something_needs_is_not_passed_over() {
        let modules = modules(&[("bridge", "stp"), ("stp", "llc")]);
        let error = modules.in_order(&["bridge"]).unwrap_err().to_string();
        assert_eq!(error, "the module llc is not there, which stp needs");
    }

    #[test]
    fn modules_in_a_circle_are_an_error() {
        let modules = modules(&[("a", "b"), ("b", "a")]);
        let error = modules.in_order(&["a"]).unwrap_err().to_string();
        assert_eq!(error, "the modules a, b need each other");
    }

    #[test]
    fn what_is_no_module_needs_nothing() {
        for content in [&b""[..], b"depends=llc", b"\0depends=\xff\0"] {
            assert_eq!(needs(content), None, "{content:?}");
        }
        assert_eq!(needs(b"\0depends=llc"), Some(vec!["llc".to_owned()]));
    }
}
