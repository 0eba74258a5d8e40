//! The pattern of a STIX indicator (STIX 2.1 §9) as what a filter can say: addresses, each with a port
//! or without. What a filter cannot say is not half of it applied.

use super::{
    item::{Item, item},
    said::is_name,
    stix_tokens::{Token, tokens},
};
use crate::{ruleset::Protocol, subject::Port};

/// One of the things of which any makes the pattern true.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Term {
    /// An address, prefix or port of an address.
    Item(Item, Option<Port>),
    /// A domain name.
    Name,
    /// A file, a mail, whatever else.
    Other,
}

/// Things that are all true at once, as far as they have been read.
#[derive(Clone, Copy, Default)]
struct All {
    item: Option<Item>,
    /// Whether it is the address of who sends.
    is_source: bool,
    port: Option<u16>,
    protocol: Option<Protocol>,
    name: bool,
    /// A condition that no packet shows.
    other: bool,
    /// Nothing can be all of it, such as two addresses at once.
    never: bool,
}

/// Any of these.
type Any = Vec<All>;

/// Longest list of alternatives: each AND of two multiplies them.
const MOST: usize = 16_384;

const SYNTAX: &str = "no STIX pattern";
const TOO_MANY: &str = "a pattern of more than 16384 alternatives";
const TOO_DEEP: &str = "a pattern with too many parentheses";
const NOT_SAID: &str = "a pattern that no filter can apply whole: an address with a condition that \
                        packets do not show";
const NEVER: &str = "a pattern that nothing can meet, such as two addresses at once";
const TOGETHER: &str = "a pattern of several observations that must come together, or in a time";

/// What makes the pattern true.
///
/// # Errors
/// It is no pattern, or says of an address what a filter cannot.
pub(super) fn terms(pattern: &str) -> Result<Vec<Term>, &'static str> {
    let tokens = tokens(pattern).ok_or(SYNTAX)?;
    let mut reader = Reader {
        tokens: &tokens,
        depth: 0,
    };
    let any = reader.observations()?;
    if !reader.tokens.is_empty() {
        return Err(SYNTAX);
    }
    let terms: Vec<Term> = any
        .into_iter()
        .filter(|all| !all.never)
        .map(term)
        .collect::<Result<_, _>>()?;
    match terms.is_empty() {
        true => Err(NEVER),
        false => Ok(terms),
    }
}

fn term(all: All) -> Result<Term, &'static str> {
    match all.item {
        Some(_) if all.other || all.name => Err(NOT_SAID),
        // The port that somebody calls is none of his.
        Some(_) if all.is_source && all.port.is_some() => Err(NOT_SAID),
        Some(item) => match (all.port, all.protocol) {
            (Some(number), protocol) => Ok(Term::Item(item, Some(Port { number, protocol }))),
            (None, None) => Ok(Term::Item(item, None)),
            (None, Some(_)) => Err(NOT_SAID),
        },
        None if all.name => Ok(Term::Name),
        None => Ok(Term::Other),
    }
}

struct Reader<'t, 'p> {
    tokens: &'t [Token<'p>],
    depth: usize,
}

impl<'t, 'p> Reader<'t, 'p> {
    fn next(&mut self) -> Result<&'t Token<'p>, &'static str> {
        let (first, rest) = self.tokens.split_first().ok_or(SYNTAX)?;
        self.tokens = rest;
        Ok(first)
    }

    /// Steps over the word or sign if it is the next.
    fn takes(&mut self, word: &str) -> bool {
        let is = |token: &Token<'_>| match token {
            Token::Word(text) => text.eq_ignore_ascii_case(word),
            Token::Sign(text) => *text == word,
            Token::Text(_) => false,
        };
        let taken = self.tokens.first().is_some_and(is);
        self.tokens = &self.tokens[usize::from(taken)..];
        taken
    }

    fn expect(&mut self, word: &str) -> Result<(), &'static str> {
        self.takes(word).then_some(()).ok_or(SYNTAX)
    }

    fn deeper(&mut self) -> Result<(), &'static str> {
        self.depth += 1;
        (self.depth < 50).then_some(()).ok_or(TOO_DEEP)
    }

    /// `[ … ] OR [ … ]`: any of them. Together, one after the other, or so many in a time is nothing
    /// that a filter knows; harmless where no address is among them.
    fn observations(&mut self) -> Result<Any, &'static str> {
        let mut any = self.observation()?;
        loop {
            let or = self.takes("OR");
            if !or && !self.takes("AND") && !self.takes("FOLLOWEDBY") {
                return Ok(any);
            }
            let other = self.observation()?;
            let addresses = any.iter().chain(&other).any(|all| all.item.is_some());
            if !or && addresses {
                return Err(TOGETHER);
            }
            any.extend(other);
            within_bounds(&any)?;
        }
    }

    fn observation(&mut self) -> Result<Any, &'static str> {
        self.deeper()?;
        let any = if self.takes("(") {
            let any = self.observations()?;
            self.expect(")")?;
            any
        } else {
            self.expect("[")?;
            let any = self.comparisons()?;
            self.expect("]")?;
            any
        };
        self.depth -= 1;
        let mut qualified = false;
        while ["WITHIN", "REPEATS", "START"]
            .iter()
            .any(|word| self.takes(word))
        {
            qualified = true;
            while matches!(self.tokens.first(), Some(Token::Word(word)) if !is_operator(word))
                || matches!(self.tokens.first(), Some(Token::Text(_)))
            {
                self.next()?;
            }
        }
        match qualified && any.iter().any(|all| all.item.is_some()) {
            true => Err(TOGETHER),
            false => Ok(any),
        }
    }

    /// Comparisons, where AND binds more than OR.
    fn comparisons(&mut self) -> Result<Any, &'static str> {
        let mut any = self.conjunction()?;
        while self.takes("OR") {
            any.extend(self.conjunction()?);
            within_bounds(&any)?;
        }
        Ok(any)
    }

    fn conjunction(&mut self) -> Result<Any, &'static str> {
        let mut any = self.comparison()?;
        while self.takes("AND") {
            let others = self.comparison()?;
            if any.len() * others.len() > MOST {
                return Err(TOO_MANY);
            }
            let both = |one: &All| {
                others
                    .iter()
                    .map(|other| and(*one, *other))
                    .collect::<Vec<_>>()
            };
            any = any.iter().flat_map(both).collect();
        }
        Ok(any)
    }

    fn comparison(&mut self) -> Result<Any, &'static str> {
        if self.takes("(") {
            self.deeper()?;
            let any = self.comparisons()?;
            self.depth -= 1;
            self.expect(")")?;
            return Ok(any);
        }
        if self.takes("EXISTS") {
            self.next()?;
            return Ok(vec![OTHER]);
        }
        let Token::Word(path) = self.next()? else {
            return Err(SYNTAX);
        };
        let negated = self.takes("NOT");
        let operators = [
            "=",
            "==",
            "IN",
            "ISSUBSET",
            "!=",
            "<>",
            "<",
            "<=",
            ">",
            ">=",
            "LIKE",
            "MATCHES",
            "ISSUPERSET",
        ];
        let operator = operators
            .into_iter()
            .find(|operator| self.takes(operator))
            .ok_or(SYNTAX)?;
        let values = self.values()?;
        // `MATCHES` and its like of an address: which ones, nobody can list.
        if negated || !["=", "==", "IN", "ISSUBSET"].contains(&operator) {
            return match is_address(path) {
                true => Err(NOT_SAID),
                false => Ok(vec![OTHER]),
            };
        }
        values
            .into_iter()
            .map(|value| meaning(path, value))
            .collect()
    }

    /// One value, or those in parentheses.
    fn values(&mut self) -> Result<Vec<&'t str>, &'static str> {
        if !self.takes("(") {
            return Ok(vec![self.value()?]);
        }
        let mut values = vec![self.value()?];
        while self.takes(",") {
            values.push(self.value()?);
        }
        self.expect(")")?;
        Ok(values)
    }

    fn value(&mut self) -> Result<&'t str, &'static str> {
        match self.next()? {
            Token::Text(text) => {
                // h'…', b'…' and t'…' come as a word before the text.
                Ok(text)
            }
            Token::Word(word) if matches!(*word, "t" | "h" | "b") => match self.next()? {
                Token::Text(text) => Ok(text),
                _ => Err(SYNTAX),
            },
            Token::Word(word) => Ok(word),
            Token::Sign(_) => Err(SYNTAX),
        }
    }
}

const OTHER: All = All {
    item: None,
    is_source: false,
    port: None,
    protocol: None,
    name: false,
    other: true,
    never: false,
};

fn is_operator(word: &str) -> bool {
    let words = ["AND", "OR", "FOLLOWEDBY", "WITHIN", "REPEATS", "START"];
    words.iter().any(|it| word.eq_ignore_ascii_case(it))
}

fn within_bounds(any: &Any) -> Result<(), &'static str> {
    (any.len() <= MOST).then_some(()).ok_or(TOO_MANY)
}

fn and(one: All, other: All) -> All {
    let differ = |a: bool, b: bool, same: bool| a && b && !same;
    let never = one.never
        || other.never
        || differ(
            one.item.is_some(),
            other.item.is_some(),
            one.item == other.item,
        )
        || differ(
            one.port.is_some(),
            other.port.is_some(),
            one.port == other.port,
        )
        || differ(
            one.protocol.is_some(),
            other.protocol.is_some(),
            one.protocol == other.protocol,
        );
    All {
        item: one.item.or(other.item),
        is_source: one.is_source || other.is_source,
        port: one.port.or(other.port),
        protocol: one.protocol.or(other.protocol),
        name: one.name || other.name,
        other: one.other || other.other,
        never,
    }
}

fn is_address(path: &str) -> bool {
    let addresses = [
        "ipv4-addr:value",
        "ipv6-addr:value",
        "network-traffic:dst_ref.value",
        "network-traffic:src_ref.value",
        "domain-name:resolves_to_refs[*].value",
    ];
    addresses.contains(&path)
}

/// What one comparison says. An address literal counts wherever a name could stand.
fn meaning(path: &str, value: &str) -> Result<All, &'static str> {
    let nothing = All::default();
    let number = value.parse::<u16>().ok().filter(|&port| port != 0);
    Ok(match path {
        "domain-name:value" | "hostname:value" => match item(value.as_bytes()) {
            Ok(item) => All {
                item: Some(item),
                ..nothing
            },
            Err(_) => All {
                name: true,
                ..nothing
            },
        },
        path if is_address(path) => match item(value.as_bytes()) {
            Ok(item) => All {
                item: Some(item),
                is_source: path == "network-traffic:src_ref.value",
                ..nothing
            },
            Err(_) if is_name(value) => All {
                name: true,
                ..nothing
            },
            Err(reason) => return Err(reason),
        },
        "network-traffic:dst_port" => All {
            port: Some(number.ok_or("no port from 1 to 65535")?),
            ..nothing
        },
        "network-traffic:dst_ref.type" | "network-traffic:src_ref.type" => nothing,
        path if path.starts_with("network-traffic:protocols[") => of_protocol(value),
        _ => OTHER,
    })
}

fn of_protocol(name: &str) -> All {
    let protocol = Protocol::ALL
        .into_iter()
        .find(|it| it.as_str().eq_ignore_ascii_case(name));
    let wider = ["ip", "ipv4", "ipv6", "http", "https", "tls", "ssl"];
    match protocol {
        // What is spoken on top does not widen the port that it is spoken at.
        None if !wider.contains(&name.to_ascii_lowercase().as_str()) => OTHER,
        protocol => All {
            protocol,
            ..All::default()
        },
    }
}

#[cfg(test)]
mod tests;
