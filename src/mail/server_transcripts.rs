//! Whole dialogues in memory, compared byte for byte: the server against scripted clients.

use std::fs;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::Mutex;
use std::time::Duration;

use super::client_transcripts::failure;
use super::content::LONGEST_WIRE_LINE;
use super::conversation::{Conversation, Ended, Service, Trouble};
use super::maildir::Maildir;
use super::session::{Rules, MOST_ERRORS, MOST_RECIPIENTS, MOST_SURPLUS};
use super::wire::script::Script;
use crate::kit::error::Error;
use crate::kit::random::Random;

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
    // However long it is, its end is no command of its own.
    let longer = format!("{}MAIL FROM:<a@x>\r\nNOOP", "x".repeat(5 * LONGEST_WIRE_LINE));
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
        (&longer, "500 a command has at most 512 bytes\r\n250 nothing done"),
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
    // The dot that the sender adds is not counted (RFC 5321, 4.5.3.1.6).
    let longest = format!(".{}\n", "x".repeat(997));
    server.hears(&format!("{start}.{}\r\n.\r\n", longest.trim_end())).1.unwrap();
    assert!(server.stored()[0].ends_with(&longest));
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
    let flood = "RCPT TO:<b@x>\r\n".repeat(MOST_RECIPIENTS + MOST_SURPLUS as usize + 10);
    // Counted for each message anew.
    let before = format!("EHLO x\r\nMAIL FROM:<a@x>\r\n{many}RSET\r\n");
    let (heard, ended) = server.hears(&format!("{before}MAIL FROM:<a@x>\r\n{flood}"));
    assert_eq!(heard.matches("452 ").count() as u32, MOST_SURPLUS, "the last of them is answered with 421");
    assert!(heard.ends_with("421 lab too many recipients\r\n"), "{heard}");
    assert_eq!(ended.unwrap(), Ended::Closed);
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
