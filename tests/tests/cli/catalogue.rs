//! Feeds by name: `feeds catalogue`, `enable`, `disable`.

use std::{fs, os::unix::fs::PermissionsExt};

use serde_json::Value;
use tests::product::Product;

use super::{NOT_IN_FORCE, product, refused, run};

fn file(product: &Product, name: &str) -> std::path::PathBuf {
    product
        .folder()
        .join("conf.d")
        .join(format!("feed-{name}.toml"))
}

fn mode(product: &Product, name: &str) -> Option<String> {
    let said = run(product, &["feeds", "--json"]);
    let rows = said
        .stdout
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let mut feeds = rows.filter(|row| row["name"] == name);
    feeds
        .next()
        .map(|row| row["mode"].as_str().unwrap().to_owned())
}

#[test]
fn a_feed_is_switched_on_changed_and_off_by_name() {
    let product = product("");
    let said = run(&product, &["feeds", "enable", "feodo"]);
    assert_eq!(said.code, 3, "{}", said.stderr);
    let path = file(&product, "feodo");
    let first = format!("enabled feodo in mode monitor: {}\n", path.display());
    assert_eq!(said.stdout, first);
    assert!(said.stderr.contains("nothing is dropped") && said.stderr.contains(NOT_IN_FORCE));
    assert!(
        said.stderr
            .contains("'firewall feeds update feodo' fetches it now"),
        "{}",
        said.stderr
    );
    assert_eq!(mode(&product, "feodo").as_deref(), Some("monitor"));
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o644
    );
    assert_eq!(
        run(&product, &["feeds", "enable", "feodo", "--mode", "enforce"]).code,
        3
    );
    assert_eq!(mode(&product, "feodo").as_deref(), Some("enforce"));
    assert_eq!(
        run(&product, &["feeds", "enable", "ipsum", "--json"]).code,
        3
    );
    assert_eq!(run(&product, &["config", "check"]).code, 0);
    let said = run(&product, &["feeds", "disable", "feodo"]);
    assert_eq!(said.code, 3, "{}", said.stderr);
    assert_eq!(
        said.stdout,
        format!("disabled feodo: removed {}\n", path.display())
    );
    assert!(!path.exists() && mode(&product, "feodo").is_none());
    assert_eq!(mode(&product, "ipsum").as_deref(), Some("monitor"));
    refused(&product, &["feeds", "disable", "feodo"], "is not enabled");
}

#[test]
fn what_somebody_else_wrote_is_left_alone() {
    let product = product("[[feed]]\nname = 'cins'\npath = '/a'\n");
    run(&product, &["feeds", "enable", "feodo"]);
    let edited = fs::read_to_string(file(&product, "feodo"))
        .unwrap()
        .replace("monitor", "enforce");
    let own = "# mine\n[[feed]]\nname = 'mine'\npath = '/b'\n".to_owned();
    for (name, content, why) in [
        ("feodo", edited, "was edited since it was written"),
        ("ipsum", own, "was not written by 'firewall feeds enable'"),
    ] {
        fs::write(file(&product, name), &content).unwrap();
        refused(
            &product,
            &["feeds", "enable", name, "--mode", "enforce"],
            why,
        );
        refused(&product, &["feeds", "disable", name], why);
        assert_eq!(fs::read_to_string(file(&product, name)).unwrap(), content);
    }
    refused(
        &product,
        &["feeds", "enable", "cins"],
        "has that list already, as feed 'cins'",
    );
    refused(
        &product,
        &["feeds", "disable", "cins"],
        "written into the configuration",
    );
    assert!(!file(&product, "cins").exists());
}

#[test]
fn the_same_list_is_not_enabled_under_another_name() {
    let product =
        product("[[feed]]\nname = 'army'\nurl = 'https://cinsscore.com/list/ci-badguys.txt'\n");
    refused(&product, &["feeds", "enable", "cins"], "as feed 'army'");
}

#[test]
fn what_is_dead_or_has_no_key_is_refused_and_nothing_is_written() {
    let product = product("");
    let key = product.folder().join("key");
    let path = key.to_str().unwrap();
    for (arguments, why) in [
        (vec!["spamhaus-edrop"], "use 'spamhaus-drop' instead"),
        (vec!["sslbl"], "use 'threatfox' instead"),
        (vec!["feodoo"], "did you mean 'feodo'?"),
        (vec!["threatfox"], "--key-file"),
        (vec!["threatfox", "--key-file", path], "there is no key in"),
        (vec!["feodo", "--key-file", path], "takes no key"),
        (
            vec!["feodo", "--mode", "off"],
            "neither monitor nor enforce",
        ),
        (vec!["../feodo"], "name"),
    ] {
        refused(
            &product,
            &[&["feeds", "enable"], arguments.as_slice()].concat(),
            why,
        );
    }
    assert!(!product.folder().join("conf.d").exists());
    fs::write(&key, "secret\n").unwrap();
    let said = run(
        &product,
        &["feeds", "enable", "threatfox", "--key-file", path],
    );
    assert_eq!(said.code, 3, "{}", said.stderr);
    let text = fs::read_to_string(file(&product, "threatfox")).unwrap();
    assert!(text.contains(path) && !text.contains("secret"), "{text}");
}

#[test]
fn a_broken_configuration_is_not_added_to() {
    let product = product("nonsense = 1\n");
    refused(
        &product,
        &["feeds", "enable", "feodo"],
        "unknown field `nonsense`",
    );
    assert!(!file(&product, "feodo").exists());
}

#[test]
fn the_catalogue_shows_all_and_one() {
    let product = product("");
    run(&product, &["feeds", "enable", "feodo"]);
    let all = run(&product, &["feeds", "catalogue"]).stdout;
    let line = |name: &str| all.lines().find(|line| line.starts_with(name)).unwrap();
    assert!(line("feodo").contains("monitor"), "{all}");
    assert!(line("threatfox").contains("needed"), "{all}");
    assert!(line("spamhaus-edrop").ends_with("spamhaus-drop"), "{all}");
    let one = run(&product, &["feeds", "catalogue", "threatfox"]).stdout;
    assert!(
        one.contains("{key}") && one.contains("beware") && one.contains("not for profit"),
        "{one}"
    );
    let rows = run(&product, &["feeds", "catalogue", "--json"]).stdout;
    let rows: Vec<Value> = rows
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let row = rows.iter().find(|row| row["name"] == "ipsum").unwrap();
    assert_eq!(
        (&row["configuration"]["minimum"], &row["direction"]),
        (&3.into(), &"in".into())
    );
    refused(&product, &["feeds", "catalogue", "nobody"], "lists them");
}
