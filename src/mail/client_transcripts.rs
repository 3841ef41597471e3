//! Whole dialogues in memory, compared byte for byte: the client against scripted servers.

use std::cell::RefCell;
use std::rc::Rc;

use super::address::Mailbox;
use super::auth::{log_in, Login};
use super::dialogue::Dialogue;
use super::message::{Letter, Stamp};
use super::send::{send, Verdict};
use super::wire::script::Script;
use crate::kit::error::Error;

const HELLO: &str = "250-mail.lab\r\n250-SIZE 1000\r\n250 8BITMIME\r\n";

fn letter(to: &[&str], text: &str) -> Letter {
    let mailbox = |text: &&str| Mailbox::parse("--to", text).unwrap();
    Letter {
        from: mailbox(&"ada@example.org"),
        to: to.iter().map(mailbox).collect(),
        cc: Vec::new(),
        bcc: Vec::new(),
        subject: String::new(),
        text: text.to_string(),
        attachments: Vec::new(),
    }
}

fn stamp() -> Stamp {
    let text = |text: &str| text.to_string();
    Stamp { date: text("Sat, 21 Nov 2026 09:31:35 +0000"), unique: text("1"), boundary: text("b") }
}

/// What a client sends, what it shows, and how it ends, when the server says `pieces`.
fn client(letter: &Letter, pieces: &[&str]) -> (String, Vec<String>, Result<Vec<Verdict>, Error>) {
    let shown = Rc::new(RefCell::new(Vec::new()));
    let lines = Rc::clone(&shown);
    let show = move |line: &str| {
        lines.borrow_mut().push(line.to_string());
        Ok(())
    };
    let mut dialogue = Dialogue::new(Script::new(pieces), None, Box::new(show));
    let mut converse = || {
        dialogue.greeting()?;
        let server = dialogue.hello("[127.0.0.1]")?;
        send(&mut dialogue, &server, letter, &stamp())
    };
    let outcome = converse();
    let heard = String::from_utf8(dialogue.into_stream().heard).unwrap();
    let shown = shown.borrow().clone();
    (heard, shown, outcome)
}

/// What it failed with.
pub fn failure<T>(outcome: Result<T, Error>) -> String {
    match outcome {
        Err(error) => error.to_string(),
        Ok(_) => panic!("this should have failed"),
    }
}

#[test]
fn the_sheets_dialogue_from_the_greeting_to_quit() {
    let letter = letter(&["bob@example.org"], "I love computer networks!\n.\n..\nEnd");
    let (heard, shown, outcome) = client(
        &letter,
        &[
            "220 mail.lab ESMTP\r\n",
            HELLO,
            "250 ok\r\n",
            "250 ok\r\n",
            "354 go\r\n",
            "250 queued\r\n",
            "221 bye\r\n",
        ],
    );
    let wire = "EHLO [127.0.0.1]\r
MAIL FROM:<ada@example.org> SIZE=246\r
RCPT TO:<bob@example.org>\r
DATA\r
Date: Sat, 21 Nov 2026 09:31:35 +0000\r
From: ada@example.org\r
To: bob@example.org\r
Message-ID: <1@example.org>\r
MIME-Version: 1.0\r
Content-Type: text/plain; charset=utf-8\r
Content-Transfer-Encoding: 7bit\r
\r
I love computer networks!\r
..\r
...\r
End\r
.\r
QUIT\r
";
    assert_eq!(heard, wire);
    assert!(outcome.unwrap().iter().all(Verdict::accepted));
    assert_eq!(
        shown[..5],
        [
            "S: 220 mail.lab ESMTP",
            "C: EHLO [127.0.0.1]",
            "S: 250-mail.lab",
            "S: 250-SIZE 1000",
            "S: 250 8BITMIME",
        ]
    );
    assert_eq!(shown[shown.len() - 4..], ["C: .", "S: 250 queued", "C: QUIT", "S: 221 bye"]);
}

#[test]
fn replies_in_any_pieces() {
    let letter = letter(&["bob@example.org"], "x");
    let whole = format!("220 x\r\n{HELLO}250 ok\r\n250 ok\r\n354 go\r\n250 queued\r\n221 bye\r\n");
    let (expected, _, _) = client(&letter, &[&whole]);
    let bytes: Vec<String> = whole.chars().map(|character| character.to_string()).collect();
    let bytes: Vec<&str> = bytes.iter().map(String::as_str).collect();
    let (heard, _, outcome) = client(&letter, &bytes);
    assert_eq!(heard, expected);
    outcome.unwrap();
}

#[test]
fn an_old_server_is_greeted_with_helo_and_told_nothing_more() {
    let letter = letter(&["bob@example.org"], "größer");
    let (heard, _, outcome) = client(
        &letter,
        &[
            "220 x\r\n",
            "500 what?\r\n",
            "250 x\r\n",
            "250 ok\r\n",
            "250 ok\r\n",
            "354 go\r\n",
            "250 queued\r\n",
            "221 bye\r\n",
        ],
    );
    let start = "EHLO [127.0.0.1]\r\nHELO [127.0.0.1]\r\nMAIL FROM:<ada@example.org>\r\nRCPT TO:";
    assert!(heard.starts_with(start), "{heard}");
    assert!(heard.contains("quoted-printable\r\n\r\ngr=C3=B6=C3=9Fer\r\n"), "{heard}");
    outcome.unwrap();
}

#[test]
fn refused_at_each_step() {
    let letter = letter(&["bob@example.org"], "x");
    let way_out = "RSET\r\nQUIT\r\n";
    for (pieces, error, end) in [
        (
            &["554 no service\r\n", "221 bye\r\n"][..],
            "the server does not serve us: 554 no service",
            "QUIT\r\n",
        ),
        (
            &["220 x\r\n", "500 ?\r\n", "550 go away\r\n", "221 bye\r\n"],
            "the server refuses HELO: 550 go away",
            "HELO [127.0.0.1]\r\nQUIT\r\n",
        ),
        (
            &["220 x\r\n", "450 not now\r\n", "221 bye\r\n"],
            "the server refuses EHLO: 450 not now (try again later)",
            "EHLO [127.0.0.1]\r\nQUIT\r\n",
        ),
        (
            &["220 x\r\n", "421 busy\r\n"],
            "the server refuses EHLO: 421 busy (try again later)",
            "EHLO [127.0.0.1]\r\n",
        ),
        (
            &["220 x\r\n", HELLO, "550 not you\r\n", "250 ok\r\n", "221 bye\r\n"],
            "the server refuses the sender: 550 not you",
            way_out,
        ),
        (
            &["220 x\r\n", HELLO, "451 slow\r\n"],
            "the server refuses the sender: 451 slow (try again later)",
            "RSET\r\n",
        ),
        (
            &["220 x\r\n", HELLO, "250 ok\r\n", "550-no\r\n550 such user\r\n", "250 ok\r\n", "221 bye\r\n"],
            "not delivered to bob@example.org (550 no such user)",
            way_out,
        ),
        (
            &["220 x\r\n", HELLO, "250 ok\r\n", "421 bye\r\n"],
            "the server ends the dialogue: 421 bye (try again later)",
            "RCPT TO:<bob@example.org>\r\n",
        ),
        (
            &["220 x\r\n", HELLO, "250 ok\r\n", "250 ok\r\n", "451 full\r\n", "250 ok\r\n", "221 bye\r\n"],
            "the server refuses DATA: 451 full (try again later)",
            way_out,
        ),
        (
            &[
                "220 x\r\n",
                HELLO,
                "250 ok\r\n",
                "250 ok\r\n",
                "354 go\r\n",
                "554 spam\r\n",
                "250 ok\r\n",
                "221 bye\r\n",
            ],
            "the server refuses the message: 554 spam",
            way_out,
        ),
        (
            &["220 x\r\n", HELLO, "250 ok\r\n", "250 ok\r\n", "354 go\r\n"],
            "the server closed the connection",
            "\r\n.\r\n",
        ),
        (
            &["220 x\r\n", HELLO, "250 ok\r\n", "250 ok\r\n", "421 bye\r\n"],
            "the server refuses DATA: 421 bye (try again later)",
            "DATA\r\n",
        ),
        (
            &["HTTP/1.1 400 Bad Request\r\n"],
            "the server does not speak SMTP: it says: HTTP/1.1 400 Bad Request (is this the right port?)",
            "",
        ),
        (
            &["220 x\r\n", "250-SIZE 10\r\n250 SIZE 10\r\n", "250 ok\r\n", "221 bye\r\n"],
            "the message has 210 bytes, and the server takes at most 10",
            way_out,
        ),
        (&[], "the server closed the connection", ""),
    ] {
        let (heard, _, outcome) = client(&letter, pieces);
        assert_eq!(failure(outcome), error);
        assert!(heard.ends_with(end), "{error}: {heard}");
        assert_eq!(heard.contains("QUIT"), end.ends_with("QUIT\r\n"), "{error}: {heard}");
    }
}

#[test]
fn one_of_two_recipients_is_refused_and_the_other_served() {
    let letter = letter(&["bob@example.org", "eve@example.org"], "x");
    let (heard, _, outcome) = client(
        &letter,
        &[
            "220 x\r\n",
            HELLO,
            "250 ok\r\n",
            "250 ok\r\n",
            "550 no\r\n",
            "354 go\r\n",
            "250 queued\r\n",
            "221 bye\r\n",
        ],
    );
    let verdicts = outcome.unwrap();
    let accepted: Vec<bool> = verdicts.iter().map(Verdict::accepted).collect();
    assert_eq!(accepted, [true, false]);
    assert!(heard.ends_with(".\r\nQUIT\r\n"));
    assert_eq!(super::send::refused(&verdicts).to_string(), "not delivered to eve@example.org (550 no)");
}

#[test]
fn starttls_with_bytes_in_clear_behind_the_consent_is_refused() {
    let show = Box::new(|_: &str| Ok(()));
    let dialogue = Dialogue::new(Script::new(&["220 go\r\n250 injected\r\n"]), None, show);
    let error = failure(dialogue.start_tls(Ok).map(|_| ()));
    assert_eq!(error, "bytes in clear arrived after STARTTLS: the connection cannot be trusted");
    let shown = Rc::new(RefCell::new(Vec::new()));
    let lines = Rc::clone(&shown);
    let show = move |line: &str| {
        lines.borrow_mut().push(line.to_string());
        Ok(())
    };
    let dialogue = Dialogue::new(Script::new(&["454 not now\r\n", "221 bye\r\n"]), None, Box::new(show));
    let error = failure(dialogue.start_tls(Ok).map(|_| ()));
    assert_eq!(error, "the server refuses STARTTLS: 454 not now (try again later)");
    assert_eq!(shown.borrow()[2..], ["C: QUIT", "S: 221 bye"]);
}

#[test]
fn both_ways_to_log_in_and_the_password_nowhere_in_the_transcript() {
    for (offer, pieces, wire) in [
        ("AUTH LOGIN PLAIN", &["235 welcome\r\n"][..], "AUTH PLAIN AGFkYQBzZWNyZXQ=\r\n"),
        (
            "AUTH LOGIN",
            &["334 VXNlcm5hbWU6\r\n", "334 UGFzc3dvcmQ6\r\n", "235 ok\r\n"],
            "AUTH LOGIN\r\nYWRh\r\nc2VjcmV0\r\n",
        ),
    ] {
        let login = Login { user: "ada".to_string(), password: "secret".to_string() };
        let shown = Rc::new(RefCell::new(String::new()));
        let lines = Rc::clone(&shown);
        let show = move |line: &str| {
            lines.borrow_mut().push_str(line);
            Ok(())
        };
        let hello = format!("250-x\r\n250 {offer}\r\n");
        let pieces: Vec<&str> = std::iter::once(hello.as_str()).chain(pieces.iter().copied()).collect();
        let mut dialogue = Dialogue::new(Script::new(&pieces), None, Box::new(show));
        let server = dialogue.hello("x").unwrap();
        log_in(&mut dialogue, &server, &login).unwrap();
        let heard = String::from_utf8(dialogue.into_stream().heard).unwrap();
        assert_eq!(heard, format!("EHLO x\r\n{wire}"));
        let shown = shown.borrow();
        for secret in ["secret", "c2VjcmV0", "AGFkYQBzZWNyZXQ="] {
            assert!(!shown.contains(secret), "{shown}");
        }
        assert!(shown.contains("****"));
    }
}

#[test]
fn a_login_that_is_refused_or_not_possible() {
    for (offer, pieces, error) in [
        ("AUTH PLAIN", &["535 no\r\n"][..], "the server refuses the login: 535 no (wrong user name or password? Many providers want an application password here)"),
        ("AUTH PLAIN", &["454 later\r\n"], "the server refuses the login: 454 later (try again later)"),
        ("AUTH LOGIN", &["504 no\r\n"], "the server refuses the login: 504 no"),
        ("AUTH XOAUTH2", &[], "the server offers AUTH XOAUTH2 only, not PLAIN or LOGIN"),
        ("SIZE", &[], "the server does not offer to log in"),
    ] {
        let login = Login { user: "ada".to_string(), password: "secret".to_string() };
        let hello = format!("250-x\r\n250 {offer}\r\n");
        let pieces: Vec<&str> = std::iter::once(hello.as_str()).chain(pieces.iter().copied()).collect();
        let mut dialogue = Dialogue::new(Script::new(&pieces), None, Box::new(|_: &str| Ok(())));
        let server = dialogue.hello("x").unwrap();
        assert_eq!(failure(log_in(&mut dialogue, &server, &login)), error);
    }
}
