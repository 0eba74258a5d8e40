use super::*;
use crate::feed::{Refused, http::later::Later, records::Records, store};

const LIST: &[u8] = b"203.0.113.9\n192.0.2.7:443/tcp\n2001:db8::/32\nnonsense\n";

fn job(task: Task) -> Job {
    Job {
        format: Some(Format::Plain),
        ..Job::new(task, Timestamp::UNIX_EPOCH)
    }
}

fn written(answer: Result<Answer>) -> Vec<u8> {
    let mut bytes = Vec::new();
    exchange::write_answer(&mut bytes, answer).unwrap();
    bytes
}

/// An answer as the other side reads it.
fn handed_over(answer: Result<Answer>) -> Result<Answer> {
    read(&written(answer))
}

fn read(mut bytes: &[u8]) -> Result<Answer> {
    exchange::read_answer(&mut bytes, &job(Task::Read))
}

fn new() -> New {
    match task::work(&job(Task::Read), LIST).unwrap() {
        Answer::New(new) => *new,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_handed_over_is_what_was_parsed() {
    let (mut here, there) = (
        new(),
        handed_over(Ok(Answer::New(Box::new(new())))).unwrap(),
    );
    // In order, as records are.
    Records::take(&mut here.parsed).give(&mut here.parsed);
    assert_eq!(there, Answer::New(Box::new(here)));
    for answer in [
        Answer::Said(None),
        Answer::Same(Version {
            etag: Some("\"one\"".into()),
            ..Version::default()
        }),
    ] {
        let again = format!("{answer:?}");
        assert_eq!(format!("{:?}", handed_over(Ok(answer)).unwrap()), again);
    }
    let later = Later {
        reason: "busy".to_owned(),
        seconds: 4_000_000,
    };
    let told = handed_over(Err(anyhow::Error::from(later).context("cannot fetch it"))).unwrap_err();
    let expected = Later {
        reason: "cannot fetch it: busy".to_owned(),
        seconds: 86_400,
    };
    assert_eq!(told.downcast_ref(), Some(&expected));
    let refused = Err(Refused("it is a page".into()).into());
    assert_eq!(
        handed_over(refused).unwrap_err().to_string(),
        "it is a page"
    );
}

#[test]
fn what_is_known_is_not_parsed_again() {
    let same = Job {
        same: Some(store::hexadecimal(&store::sha256(LIST))),
        ..job(Task::Read)
    };
    assert!(matches!(task::work(&same, LIST), Ok(Answer::Same(_))));
    assert!(matches!(
        task::work(&same, b"192.0.2.1\n"),
        Ok(Answer::New(_))
    ));
}

#[test]
fn a_job_comes_as_it_was_sent_and_nothing_else_is_one() {
    let mut sent = Vec::new();
    let job = job(Task::fetch(
        &"https://example.com/list?key=1".parse().unwrap(),
    ));
    exchange::write_job(&mut sent, &job, b"given").unwrap();
    assert_eq!(
        exchange::read_job(&sent[..]).unwrap(),
        (job, b"given".to_vec())
    );
    for wrong in [&b""[..], b"hello", &sent[..20], &[0xff; 100]] {
        let refused = exchange::read_job(wrong).unwrap_err().to_string();
        assert!(
            refused.contains("started by 'firewall' itself"),
            "{refused}"
        );
    }
}

#[test]
fn an_answer_that_is_cut_or_changed_is_refused_or_another_content() {
    let whole = written(Ok(Answer::New(Box::new(new()))));
    let records = whole.len() - LIST.len();
    for end in 0..records {
        assert!(read(&whole[..end]).is_err(), "cut at {end}");
    }
    let json = 4 + u32::from_le_bytes([whole[0], whole[1], whole[2], whole[3]]) as usize;
    for byte in json..records {
        let mut changed = whole.clone();
        changed[byte] ^= 0x40;
        assert!(read(&changed).is_err(), "byte {byte}");
    }
}

#[test]
fn words_of_a_worker_do_not_reach_the_terminal_as_they_are() {
    let mut new = new();
    new.parsed.rejected[0].text = "\u{1b}]0;owned\u{7}".into();
    new.parsed.rejected[0].reason = "\u{1b}[2J".into();
    let Answer::New(read) = handed_over(Ok(Answer::New(Box::new(new)))).unwrap() else {
        panic!()
    };
    let rejected = &read.parsed.rejected[0];
    let words = format!("{}{}", rejected.text, rejected.reason);
    assert!(!words.contains(char::is_control), "{words:?}");
    let failed = handed_over(Err(anyhow::anyhow!("\u{1b}[2Jgone"))).unwrap_err();
    assert!(!failed.to_string().contains(char::is_control));
}

#[test]
fn counts_that_do_not_fit_together_are_refused() {
    let mut new = new();
    new.parsed.v6_entries = 99;
    let refused = handed_over(Ok(Answer::New(Box::new(new)))).unwrap_err();
    assert!(refused.to_string().contains("does not fit together"));
}

#[test]
fn what_was_not_asked_for_is_refused() {
    let refusal = |job: &Job, new: New| {
        let bytes = written(Ok(Answer::New(Box::new(new))));
        let read = exchange::read_answer(&mut &bytes[..], job);
        read.unwrap_err().to_string()
    };
    let other = New {
        format: Format::Hosts,
        ..new()
    };
    assert!(refusal(&job(Task::Read), other).contains("another format"));
    let mut short = job(Task::Read);
    short.limits.content = LIST.len() - 1;
    assert!(refusal(&short, new()).contains("more than it may"));
    let mut endless = new();
    endless.parsed.rejected_count = usize::MAX;
    assert!(refusal(&job(Task::Read), endless).contains("does not fit together"));
}
