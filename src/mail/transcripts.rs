//! Whole dialogues in memory, compared byte for byte: the client against scripted servers, the server
//! against scripted clients.

use std::cell::RefCell;
use std::fs;
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::Mutex;
use std::time::Duration;

use super::address::Mailbox;
use super::auth::{log_in, Login};
use super::conversation::{Conversation, Ended, Service, Trouble};
use super::dialogue::Dialogue;
use super::maildir::Maildir;
use super::message::{Letter, Stamp};
use super::send::{send, Verdict};
use super::session::{Rules, MOST_ERRORS, MOST_RECIPIENTS};
use super::wire::script::Script;
use crate::kit::error::Error;
use crate::kit::random::Random;

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

fn failure<T>(outcome: Result<T, Error>) -> String {
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
        (&["554 no service\r\n"][..], "the server does not serve us: 554 no service", ""),
        (
            &["220 x\r\n", "500 ?\r\n", "550 go away\r\n"],
            "the server refuses HELO: 550 go away",
            "HELO [127.0.0.1]\r\n",
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
        assert_eq!(heard.contains("QUIT"), end == way_out, "{error}: {heard}");
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
    let dialogue = Dialogue::new(Script::new(&["454 not now\r\n"]), None, Box::new(|_: &str| Ok(())));
    let error = failure(dialogue.start_tls(Ok).map(|_| ()));
    assert_eq!(error, "the server refuses STARTTLS: 454 not now (try again later)");
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

/// A server in memory, its mailbox in a folder that is removed again.
struct Server {
    service: Service,
    folder: std::path::PathBuf,
}

impl Server {
    fn new(offers_tls: bool) -> Server {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("socklab-mail-{}-{number}", std::process::id()));
        let rules =
            Rules { name: "lab".to_string(), largest: 1000, rejected: vec!["eve@x".to_string()], offers_tls };
        let random = Mutex::new(Random::new(Some(1)));
        let trouble = Trouble { loss: 0.0, delay: Duration::ZERO, random };
        let mailbox = Maildir::open(&folder).unwrap();
        Server { service: Service { rules, mailbox, idle: None, trouble, show: |_| Ok(()) }, folder }
    }

    /// What it says when the client sends `text`, and how the conversation ends.
    fn hears(&self, text: &str) -> (String, Result<Ended, Error>) {
        let client = "127.0.0.1:40000".parse().unwrap();
        let mut conversation = Conversation::new(&self.service, client, Script::new(&[text]), false);
        conversation.greet().unwrap();
        let ended = conversation.serve();
        let heard = conversation.script().heard;
        (String::from_utf8(heard).unwrap(), ended)
    }

    fn stored(&self) -> Vec<String> {
        let files = fs::read_dir(self.folder.join("new")).unwrap();
        let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
        files.sort();
        assert_eq!(fs::read_dir(self.folder.join("tmp")).unwrap().count(), 0);
        files.iter().map(|file| fs::read_to_string(file).unwrap()).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

#[test]
fn the_servers_dialogue_and_what_it_stores() {
    let server = Server::new(false);
    let (heard, ended) = server.hears(
        "EHLO pc\r\nMAIL FROM:<a@x> SIZE=20 BODY=8BITMIME\r\nRCPT TO:<b@x>\r\nRCPT TO:<c@x>\r\nDATA\r\n\
         Subject: 1\r\n\r\n..\r\n.\r\nNOOP\r\nVRFY b\r\nmail from:<>\r\nrcpt to:<b@x>\r\ndata\r\n2\r\n.\r\nQUIT\r\n",
    );
    assert_eq!(
        heard,
        "220 lab ESMTP socklab\r
250-lab greets pc\r
250-SIZE 1000\r
250 8BITMIME\r
250 the sender is noted\r
250 the recipient is noted\r
250 the recipient is noted\r
354 go on, and end with a line that is a single dot\r
250 the message is stored\r
250 nothing done\r
252 cannot say, but will take mail for it\r
250 the sender is noted\r
250 the recipient is noted\r
354 go on, and end with a line that is a single dot\r
250 the message is stored\r
221 lab goodbye\r
"
    );
    assert_eq!(ended.unwrap(), Ended::Closed);
    let stored = server.stored();
    assert!(stored[0].starts_with(
        "Return-Path: <a@x>\nDelivered-To: b@x\nDelivered-To: c@x\n\
         Received: from pc ([127.0.0.1])\n by lab with ESMTP;\n "
    ));
    assert!(stored[0].ends_with(" +0000\nSubject: 1\n\n.\n"), "{}", stored[0]);
    assert!(stored[1].starts_with("Return-Path: <>\nDelivered-To: b@x\nReceived: "));
}

#[test]
fn commands_out_of_order_and_wrong_ones() {
    let long = format!("NOOP {}", "x".repeat(600));
    for (sent, replies) in [
        ("MAIL FROM:<a@x>", "503 EHLO first"),
        ("RCPT TO:<a@x>", "503 MAIL FROM first"),
        ("DATA", "503 MAIL FROM first"),
        ("HELO", "501 say who you are: EHLO name or EHLO [address]"),
        ("HELO Alice\r\nMAIL FROM:<a@x> SIZE=1", "250 lab greets Alice\r\n555 parameters need EHLO"),
        (
            "HELO x\r\nMAIL FROM: <a@x>",
            "250 lab greets x\r\n501 no blank between the colon and < (RFC 5321, 3.3)",
        ),
        (
            "HELO x\r\nMAIL FROM:<a@x>\r\nMAIL FROM:<b@x>",
            "250 lab greets x\r\n250 the sender is noted\r\n503 one sender a message; RSET forgets it",
        ),
        (
            "HELO x\r\nMAIL FROM:<a@x>\r\nDATA",
            "250 lab greets x\r\n250 the sender is noted\r\n503 RCPT TO first",
        ),
        (
            "HELO x\r\nMAIL FROM:<a@x>\r\nRSET\r\nRCPT TO:<b@x>",
            "250 lab greets x\r\n250 the sender is noted\r\n250 forgotten\r\n503 MAIL FROM first",
        ),
        (
            "HELO x\r\nMAIL FROM:<a@x>\r\nRCPT TO:<Eve@x>\r\nDATA",
            "250 lab greets x\r\n250 the sender is noted\r\n550 no such mailbox here\r\n503 RCPT TO first",
        ),
        (
            "HELO x\r\nMAIL FROM:<a@x>\r\nRCPT TO:<>",
            "250 lab greets x\r\n250 the sender is noted\r\n501 a recipient has an address",
        ),
        ("EXPN list", "502 this server does not have that command"),
        ("STARTTLS", "502 this server has no certificate"),
        ("GET / HTTP/1.1", "500 no such command"),
        ("NOOP \x01", "500 a command is printable ASCII"),
        ("NOOP ü", "500 a command is printable ASCII"),
        (&long, "500 a command has at most 512 bytes"),
        ("NOOP\nNOOP", "500 a command ends with CR LF (nc -C sends it)\r\n250 nothing done"),
    ] {
        let server = Server::new(false);
        let (heard, _) = server.hears(&format!("{sent}\r\n"));
        assert_eq!(heard, format!("220 lab ESMTP socklab\r\n{replies}\r\n"), "{sent}");
        assert!(server.stored().is_empty());
    }
}

#[test]
fn sizes_are_refused_before_and_after() {
    let server = Server::new(false);
    let (heard, _) = server.hears("EHLO x\r\nMAIL FROM:<a@x> SIZE=1001\r\nMAIL FROM:<a@x> SIZE=x\r\n");
    assert!(heard.ends_with("552 the limit is 1000 bytes\r\n501 SIZE is a number of bytes\r\n"), "{heard}");
    let start = "EHLO x\r\nMAIL FROM:<a@x>\r\nRCPT TO:<b@x>\r\nDATA\r\n";
    for (message, reply) in [
        ("0123456789\r\n".repeat(100), "552 the limit is 1000 bytes"),
        (format!("{}\r\n", "x".repeat(999)), "554 a line has over 998 bytes"),
        ("a\n.\r\nMAIL FROM:<boss@x>\r\n".to_string(), "554 a bare CR or LF: lines end with CR LF"),
    ] {
        let (heard, _) = server.hears(&format!("{start}{message}.\r\nQUIT\r\n"));
        assert!(heard.ends_with(&format!("{reply}\r\n221 lab goodbye\r\n")), "{heard}");
    }
    assert!(server.stored().is_empty());
}

#[test]
fn no_truncated_dialogue_stores_a_message() {
    let whole = "EHLO x\r\nMAIL FROM:<a@x>\r\nRCPT TO:<b@x>\r\nDATA\r\nhello\r\n.\r\n";
    let server = Server::new(false);
    for end in 0..whole.len() {
        let _ = server.hears(&whole[..end]);
        assert!(server.stored().is_empty(), "{end}");
    }
    server.hears(whole).1.unwrap();
    assert_eq!(server.stored().len(), 1);
}

#[test]
fn a_flood_of_errors_or_recipients_ends() {
    let server = Server::new(false);
    let (heard, ended) = server.hears(&"?\r\n".repeat(100));
    assert_eq!(heard.matches("500 no such command").count() as u32, MOST_ERRORS - 1);
    assert!(heard.ends_with("421 lab too many errors\r\n"), "{heard}");
    assert_eq!(ended.unwrap(), Ended::Closed);
    let many: String = (0..=MOST_RECIPIENTS).map(|number| format!("RCPT TO:<u{number}@x>\r\n")).collect();
    let (heard, _) = server.hears(&format!("EHLO x\r\nMAIL FROM:<a@x>\r\n{many}"));
    assert_eq!(heard.matches("250 the recipient is noted").count(), MOST_RECIPIENTS);
    assert!(heard.ends_with("452 at most 100 recipients a message\r\n"), "{heard}");
}

#[test]
fn starttls_ends_the_clear_part_and_refuses_what_was_sent_ahead() {
    let server = Server::new(true);
    let (heard, ended) = server.hears("EHLO x\r\nSTARTTLS\r\n");
    assert!(heard.ends_with("250-8BITMIME\r\n250 STARTTLS\r\n220 begin the handshake\r\n"), "{heard}");
    assert_eq!(ended.unwrap(), Ended::StartTls);
    let client = "127.0.0.1:40000".parse().unwrap();
    let script = Script::new(&["STARTTLS\r\nMAIL FROM:<a@x>\r\n"]);
    let mut conversation = Conversation::new(&server.service, client, script, false);
    assert_eq!(conversation.serve().unwrap(), Ended::StartTls);
    let error = failure(conversation.into_stream().map(|_| ()));
    assert_eq!(error, "sent commands in clear behind STARTTLS; let go");
    // Inside TLS everything is new, and STARTTLS is not offered again.
    let script = Script::new(&["MAIL FROM:<a@x>\r\nEHLO x\r\nSTARTTLS\r\n"]);
    let mut conversation = Conversation::new(&server.service, client, script, true);
    conversation.serve().unwrap();
    let heard = String::from_utf8(conversation.script().heard).unwrap();
    assert!(
        heard.starts_with("503 EHLO first\r\n")
            && heard.ends_with("250 8BITMIME\r\n503 this is TLS already\r\n")
    );
}
