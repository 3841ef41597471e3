//! `mail-client` against `mail-server` and hostile servers, in clear: the sheet's dialogue, pictures, refusals.

mod common;
#[path = "common/mail.rs"]
mod mail;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

use common::can_run;
use common::system::Folder;
use mail::{python, python_with, send, send_typing, Server, PICTURE};

// CSE3214 assignment 3: the skeleton's dialogue, step by step.
#[test]
fn the_sheets_mail_arrives() {
    let server = Server::start(&[]);
    let ended = send(&server.address(), &["--subject", "Networks"]);
    assert_eq!(ended.code, 0, "{ended:#?}");
    assert!(ended.err.is_empty(), "{ended:#?}");
    let steps = ended.out.iter().filter(|line| line.starts_with("C: "));
    let commands: Vec<&str> = steps.map(|line| line.split(['<', ' ']).nth(1).unwrap()).collect();
    assert_eq!(commands[..4], ["EHLO", "MAIL", "RCPT", "DATA"]);
    assert_eq!(commands[commands.len() - 2..], [".", "QUIT"]);
    assert_eq!(ended.out.last().unwrap(), "-- bob@example.org: accepted");
    let stored = String::from_utf8(server.stored().remove(0)).unwrap();
    assert!(stored.contains("\nSubject: Networks\n"), "{stored}");
    assert!(stored.ends_with("\n\nI love computer networks!\n"), "{stored}");
    let ended = server.program.stop_cleanly(&[]);
    assert!(ended.out[0].contains(": from <ada@example.org> to bob@example.org: "), "{ended:#?}");
}

// `mail-client … | head -n 1`: nobody reads the transcript, and 0 still means that the mail is there.
#[test]
fn the_mail_goes_out_when_nobody_reads_the_transcript() {
    let server = Server::start(&[]);
    let address = server.address();
    let mut client = Command::new(common::SOCKLAB)
        .args(["mail-client", "--server", &address, "--from", "ada@example.org", "--to", "bob@example.org"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    drop(client.stdout.take());
    assert_eq!(client.wait().unwrap().code(), Some(0));
    assert_eq!(server.stored().len(), 1);
}

// Option 2: text and images. The judge is Python's parser, which lists every defect it finds.
#[test]
fn text_and_pictures_arrive_byte_for_byte() {
    let Some(interpreter) = python_with("email") else {
        can_run(false, "Python is not installed");
        return;
    };
    let server = Server::start(&[]);
    let scratch = Folder::new();
    let picture = scratch.file("größe \"1\".png", PICTURE);
    let bytes: Vec<u8> = (0..100_000u64).map(|number| ((number * number) >> 8) as u8).collect();
    let data = scratch.file(
        "all bytes, in a file whose name is so long that it takes several lines of a header.bin",
        &bytes,
    );
    let text = "Größer\n.\n..\nFrom here\n--boundary\n\ttab and blank \nend";
    let flags = [
        "--subject",
        "Ein Bild für dich, 図 und mehr als eine Zeile lang, damit gefaltet werden muss",
        "--body-file",
        "-",
        "--attach",
        &picture,
        "--attach",
        &data,
        "--cc",
        "Jürg \"J.\" Ö <carol@example.org>",
        "--bcc",
        "dave@example.org",
    ];
    let ended = send_typing(&server.address(), &flags, text.as_bytes());
    assert_eq!(ended.code, 0, "{ended:#?}");
    let shown = format!(
        "C: (1755 lines of base64: {}, 100000 bytes)",
        Path::new(&data).file_name().unwrap().to_str().unwrap()
    );
    assert!(ended.out.contains(&shown), "{ended:#?}");

    let folder = server.scratch.0.join("mailbox/new");
    let message = fs::read_dir(folder).unwrap().next().unwrap().unwrap().path();
    let check = r#"
import email, email.policy, sys
message = email.message_from_binary_file(open(sys.argv[1], "rb"), policy=email.policy.default)
for part in message.walk():
    assert not part.defects, part.defects
    for name, value in part.items():
        assert not value.defects, (name, value, value.defects)
assert message["Subject"] == sys.argv[4], message["Subject"]
assert message["From"].addresses[0].addr_spec == "ada@example.org"
assert message["Cc"].addresses[0].display_name == 'Jürg "J." Ö', message["Cc"]
assert message["Date"].datetime.tzinfo is not None
# Bcc: the server knows it from the envelope, the message does not.
assert message["Bcc"] is None and "dave" not in str(message["To"]) + str(message["Cc"])
text, picture, data = message.iter_parts()
assert text.get_content().rstrip("\n") == sys.argv[5], repr(text.get_content())
assert picture.get_content_type() == "image/png" and picture.get_content_disposition() == "inline"
assert picture.get_filename() == 'größe "1".png', picture.get_filename()
assert picture.get_content() == open(sys.argv[2], "rb").read()
assert data.get_content_type() == "application/octet-stream" and data.is_attachment()
assert data.get_filename() == sys.argv[3].rsplit("/")[-1], data.get_filename()
assert data.get_content() == open(sys.argv[3], "rb").read()
"#;
    python(interpreter, check, &[message.to_str().unwrap(), &picture, &data, flags[1], text]);
    server.program.stop_cleanly(&[]);
}

// Every encoding of text, as the same parser reads it.
#[test]
fn any_text_arrives() {
    let Some(interpreter) = python_with("email") else {
        can_run(false, "Python is not installed");
        return;
    };
    let server = Server::start(&[]);
    let texts = [
        "",
        "\n",
        ".",
        "plain",
        "größer",
        "図と文字",
        &"x".repeat(998),
        &"x".repeat(999),
        &"ö".repeat(2000),
        "a\rb\r\nc",
        "\u{0}",
        "== =20 =3D \t\n \n.",
    ];
    for (number, text) in texts.iter().enumerate() {
        server.scratch.file(&format!("text-{number:02}"), text.as_bytes());
        let ended = send_typing(&server.address(), &["--body-file", "-"], text.as_bytes());
        assert_eq!(ended.code, 0, "{ended:#?}");
    }
    let check = r#"
import email, email.policy, glob, re, sys
order = lambda name: [int(number) for number in re.findall(r"\d+", name.rsplit("/")[-1])]
stored = sorted(glob.glob(sys.argv[1] + "/mailbox/new/*"), key=order)
sent = sorted(glob.glob(sys.argv[1] + "/text-*"))
assert len(stored) == len(sent) == 12, (stored, sent)
for name, text in zip(stored, sent):
    message = email.message_from_binary_file(open(name, "rb"), policy=email.policy.default)
    assert not message.defects, message.defects
    # Every line ends with CR LF, whatever it ended with before; the last one too.
    text = open(text, "rb").read().decode().replace("\r\n", "\n").replace("\r", "\n")
    if text and not text.endswith("\n"):
        text += "\n"
    raw = message.get_payload(decode=True).decode().replace("\r\n", "\n")
    assert raw == text, (raw, text)
"#;
    python(interpreter, check, &[server.scratch.0.to_str().unwrap()]);
    server.program.stop_cleanly(&[]);
}

// RFC 5321, 3.3: one refused recipient does not keep the message from the other.
#[test]
fn each_recipients_verdict() {
    let server = Server::start(&["--reject", "Eve@example.org"]);
    let ended = send(&server.address(), &["--to", "eve@example.org"]);
    assert_eq!(ended.code, 1, "{ended:#?}");
    assert!(ended.out.contains(&"-- bob@example.org: accepted".to_string()), "{ended:#?}");
    assert!(ended.out.contains(&"-- eve@example.org: refused".to_string()), "{ended:#?}");
    let error = "socklab mail-client: not delivered to eve@example.org (550 no such mailbox here)";
    assert_eq!(ended.err, [error]);
    assert_eq!(server.stored().len(), 1);
    server.program.stop_cleanly(&[]);
}

#[test]
fn nobody_accepted_takes_everything_back() {
    let server = Server::start(&["--reject", "bob@example.org"]);
    let ended = send(&server.address(), &[]);
    assert_eq!(ended.code, 1, "{ended:#?}");
    let commands: Vec<&String> = ended.out.iter().filter(|line| line.starts_with("C: ")).collect();
    assert_eq!(commands[commands.len() - 2..], ["C: RSET", "C: QUIT"]);
    assert!(server.stored().is_empty());
    server.program.stop_cleanly(&[]);
}

// Nothing that the user gives can add a header, a recipient or a command.
#[test]
fn injections_are_wrong_usage() {
    let server = Server::start(&[]);
    for flags in [
        &["--subject", "x\r\nBcc: eve@example.org"][..],
        &["--to", "bob@example.org>\r\nRCPT TO:<eve@example.org"],
        &["--to", "bob@example.org, eve@example.org"],
        &["--from", "ada@example.org\nX: y"],
        &["--cc", "Carol\nX: y <carol@example.org>"],
        &["--tls", "ssl"],
        &["--user", "ada"],
    ] {
        let ended = send(&server.address(), flags);
        assert_eq!((ended.code, ended.out.len()), (2, 0), "{flags:?} {ended:#?}");
        assert_eq!(ended.err.len(), 2, "{ended:#?}");
    }
    let ended = common::socklab(&["mail-client"], b"");
    assert_eq!(ended.code, 2);
    assert!(ended.err[0].contains("--server is missing"), "{ended:#?}");
    let usage = "usage: socklab mail-client --server HOST[:PORT] --from ADDR --to ADDR [--cc ADDR]";
    assert!(ended.err[1].starts_with(usage), "{ended:#?}");
    let ended = send("localhost:x", &[]);
    assert_eq!(ended.code, 2, "{ended:#?}");
    let ended = server.program.stop_cleanly(&[]);
    assert_eq!(ended.err.last().unwrap(), "served 0 clients, at most 0 at once");
}

#[test]
fn what_cannot_be_sent_is_said_before_anyone_is_called() {
    let scratch = Folder::new();
    let latin = scratch.file("latin.txt", b"gr\xf6\xdfer");
    let rude = scratch.file("\x1b[2J.txt", b"\xff");
    for (flags, error) in [
        (&["--attach", "/no/such"][..], "cannot attach /no/such: No such file or directory"),
        (&["--body-file", "/no/such"], "cannot read /no/such: No such file or directory"),
        (&["--body-file", &latin], "is not UTF-8 text (--attach takes any bytes)"),
        // A file's name may have come with a download.
        (&["--body-file", &rude], "/\\x1b[2J.txt is not UTF-8 text"),
        (&["--attach", "/\x1b[2J"], "cannot attach /\\x1b[2J: "),
        (&["--tls", "implicit", "--ca", "/no/such"], "cannot read /no/such: No such file or directory"),
    ] {
        let ended = send("localhost:1", flags);
        assert_eq!(ended.code, 1, "{ended:#?}");
        assert!(ended.err[0].contains(error), "{ended:#?}");
    }
    let ended = send("127.0.0.1:1", &[]);
    assert_eq!(ended.code, 1);
    assert!(ended.err[0].contains("cannot connect to 127.0.0.1:1: Connection refused"), "{ended:#?}");
}

// RFC 1870: a message that is too large is not even begun.
#[test]
fn a_message_that_is_too_large() {
    let server = Server::start(&["--max-size", "1000"]);
    let ended = send(&server.address(), &["--body", &"x ".repeat(1000)]);
    assert_eq!(ended.code, 1, "{ended:#?}");
    assert!(ended.err[0].contains("bytes, and the server takes at most 1000"), "{ended:#?}");
    assert!(!ended.out.iter().any(|line| line.starts_with("C: MAIL")), "{ended:#?}");
    server.program.stop_cleanly(&[]);
}

// The server's flags that show a client's other paths.
#[test]
fn lost_connections_and_slow_replies() {
    let server = Server::start(&["--loss", "100"]);
    let ended = send(&server.address(), &[]);
    assert_eq!(
        (ended.code, &ended.err[..]),
        (1, &["socklab mail-client: the server closed the connection".to_string()][..])
    );
    server.program.stop_cleanly(&[]);
    let server = Server::start(&["--delay", "2"]);
    let ended = send(&server.address(), &["--timeout", "0.3"]);
    assert_eq!(ended.code, 1);
    assert!(ended.err[0].contains("no reply from the server: timed out"), "{ended:#?}");
    // The delayed greeting may find nobody any more.
    server.program.stop_cleanly(&["Broken pipe", "Connection reset"]);
}

/// A server made for one test: says these pieces, one for each line it hears, and hands over all it heard.
fn scripted(pieces: &'static [&'static str]) -> (String, std::thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let thread = std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let mut lines = BufReader::new(stream);
        let mut heard = String::new();
        for piece in pieces {
            lines.get_mut().write_all(piece.as_bytes()).unwrap();
            lines.read_line(&mut heard).unwrap();
        }
        let _ = lines.read_to_string(&mut heard);
        heard
    });
    (address, thread)
}

// Hostile servers: endless lines and replies, control characters, an end in the middle.
#[test]
fn hostile_servers() {
    let (address, _) =
        scripted(&["220 \x1b[2J\x07\r\n", "550 \u{9b}31m no\r\n", "550 no\r\n", "221 bye\r\n"]);
    let ended = send(&address, &[]);
    assert_eq!(ended.code, 1);
    assert_eq!(ended.out[0], "S: 220 \\x1b[2J\\x07", "a terminal must not obey the server");
    assert_eq!(ended.err, ["socklab mail-client: the server refuses HELO: 550 no"]);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let flood = std::thread::spawn(move || {
        for endless in [&b"220-x\r\n"[..], b"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"] {
            let (mut stream, _) = listener.accept().unwrap();
            while stream.write_all(endless).is_ok() {}
        }
    });
    let ended = send(&address, &[]);
    assert_eq!(ended.err, ["socklab mail-client: the server's reply has over 100 lines"]);
    let ended = send(&address, &[]);
    assert!(ended.err[0].contains("does not speak SMTP: a line of over 2000 bytes"), "{ended:#?}");
    flood.join().unwrap();
}

// No STARTTLS on offer (somebody may have taken it out of the list): nothing goes on in clear.
#[test]
fn starttls_is_never_left_out() {
    let server = Server::start(&[]);
    let scratch = Folder::new();
    let password = scratch.file("password", b"secret\n");
    let flags = ["--tls", "starttls", "--user", "ada", "--password-file", &password];
    let ended = send(&server.address(), &flags);
    assert_eq!(ended.code, 1, "{ended:#?}");
    assert!(
        ended.err[0].contains("the server does not offer STARTTLS; nothing was sent in clear"),
        "{ended:#?}"
    );
    assert!(!ended.out.iter().any(|line| line.contains("MAIL") || line.contains("AUTH")), "{ended:#?}");
    let (address, thread) =
        scripted(&["220 x\r\n", "250-x\r\n250 STARTTLS\r\n", "220 go\r\n250 injected\r\n"]);
    let ended = send(&address, &flags);
    assert!(ended.err[0].contains("bytes in clear arrived after STARTTLS"), "{ended:#?}");
    let heard = thread.join().unwrap();
    assert!(heard.ends_with("STARTTLS\r\n"), "{heard}");
    server.program.stop_cleanly(&[]);
}
