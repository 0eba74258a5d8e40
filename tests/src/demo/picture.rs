//! The account as a picture, for people.

use std::fmt::Write as _;

use crate::{account::Account, traffic::Tally};

/// Feeds shown with what they caught.
const FEEDS: usize = 12;

/// Draws it.
pub fn draw(account: &Account) -> String {
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = draw_into(account, &mut text);
    text
}

fn draw_into(account: &Account, text: &mut String) -> std::fmt::Result {
    let Account {
        listed, ordinary, ..
    } = account;
    writeln!(
        text,
        "
   inside                  gateway                        outside
  3 hosts  ────────── eth1 firewall eth0 ──────────  every address
                      {:>9} entries

                          sent    arrived    dropped",
        account.entries
    )?;
    row(text, "listed", *listed)?;
    row(text, "ordinary", *ordinary)?;
    row(text, "listed, tagged/PPPoE", account.raw_listed)?;
    row(text, "ordinary, the same", account.raw_ordinary)?;
    row(text, "before a block", account.manual[0])?;
    row(text, "blocked by hand", account.manual[1])?;
    row(text, "unblocked", account.manual[2])?;
    writeln!(text, "  during {} swaps:", account.swaps)?;
    row(text, "listed", account.swap_listed)?;
    row(text, "ordinary", account.swap_ordinary)?;
    feeds(account, text)?;
    hosts(account, text)?;
    match account.faults().as_slice() {
        [] => writeln!(
            text,
            "\nGOOD: every listed packet was dropped, every ordinary one arrived."
        ),
        faults => writeln!(text, "\nBAD: {}.", faults.join("; ")),
    }
}

fn row(text: &mut String, what: &str, Tally { sent, arrived }: Tally) -> std::fmt::Result {
    writeln!(
        text,
        "  {what:<20} {sent:>7} {arrived:>10} {:>10}",
        sent - arrived
    )
}

fn feeds(account: &Account, text: &mut String) -> std::fmt::Result {
    writeln!(
        text,
        "\nDropped because of (an address may be on several lists):"
    )?;
    let mut feeds: Vec<_> = account.feeds.iter().collect();
    feeds.sort_by_key(|feed| std::cmp::Reverse(feed.packets));
    for feed in feeds.iter().take(FEEDS) {
        writeln!(text, "  {:<28} {:>8} packets", feed.name, feed.packets)?;
    }
    if feeds.len() > FEEDS {
        writeln!(text, "  and {} more feeds", feeds.len() - FEEDS)?;
    }
    Ok(())
}

fn hosts(account: &Account, text: &mut String) -> std::fmt::Result {
    writeln!(
        text,
        "\nInside hosts that called out, by their own address:"
    )?;
    for host in &account.inside_hosts {
        let some: Vec<&str> = host.feeds.iter().map(String::as_str).take(4).collect();
        let more = host.feeds.len().saturating_sub(some.len());
        let more = if more > 0 {
            format!(" and {more} more")
        } else {
            String::new()
        };
        writeln!(
            text,
            "  {:<14} {:>4} listed addresses, named by {}{more}",
            host.address,
            host.remotes,
            some.join(", ")
        )?;
    }
    Ok(())
}
