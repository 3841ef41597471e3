//! The mail programs beside others: aiosmtpd and Postfix receive from `mail-client`, swaks and Python's
//! smtplib send to `mail-server`. All of them run on the loopback interface in scratch folders.

mod common;
#[path = "common/mail.rs"]
mod mail;

use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use common::system::Folder;
use common::{can_run, installed, is_root, Program, PATIENCE};
use mail::{authority, free_port, python, python_with, send, Server, PICTURE};

/// Where the peers' scripts are.
fn peer(script: &str) -> String {
    format!("{}/tests/peers/{script}", env!("CARGO_MANIFEST_DIR"))
}

/// The text and the picture that every peer must receive unchanged.
const TEXT: &str = "Größer.\n.\n..\nFrom here\n\nend";

/// The flags that send them.
fn letter(scratch: &Folder) -> Vec<String> {
    let picture = scratch.file("größe.png", PICTURE);
    ["--subject", "Ein Bild für dich", "--body", TEXT, "--attach", &picture].map(str::to_string).to_vec()
}

/// The first file in a folder, as soon as there is one: it may be on its way when the client has gone.
fn delivered(folder: &Path) -> PathBuf {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let first = fs::read_dir(folder).ok().and_then(|mut files| files.next());
        if let Some(file) = first {
            return file.unwrap().path();
        }
        assert!(Instant::now() < deadline, "nothing was delivered to {}", folder.display());
        thread::sleep(Duration::from_millis(10));
    }
}

/// Has Python's parser look at a stored message: no defects, the same text, the picture byte for byte.
fn judge(interpreter: &str, message: &Path, picture: &str, text: &str) {
    let check = r#"
import email, email.policy, sys
message = email.message_from_binary_file(open(sys.argv[1], "rb"), policy=email.policy.default)
for part in message.walk():
    assert not part.defects, part.defects
    for name, value in part.items():
        assert not value.defects, (name, value, value.defects)
assert message["Subject"] == "Ein Bild für dich", message["Subject"]
text, picture = message.iter_parts()
assert text.get_content().rstrip("\n") == sys.argv[3], repr(text.get_content())
assert picture.get_filename() == "größe.png" and picture.get_content_type() == "image/png"
assert picture.get_content() == open(sys.argv[2], "rb").read()
"#;
    python(interpreter, check, &[message.to_str().unwrap(), picture, text]);
}

// Options 1 and 2 with aiosmtpd: both kinds of TLS, both ways to log in.
#[test]
fn aiosmtpd_receives() {
    let (interpreter, openssl) = (python_with("aiosmtpd"), installed("openssl"));
    if !can_run(interpreter.is_some() && openssl, "aiosmtpd (pip) or the openssl program is not installed") {
        return;
    }
    let (interpreter, lab) = (interpreter.unwrap(), authority());
    let password = lab.file("password", b"open sesame\n");
    for (kind, mechanism) in
        [("starttls", "PLAIN"), ("starttls", "LOGIN"), ("implicit", "PLAIN"), ("implicit", "LOGIN")]
    {
        let scratch = Folder::new();
        let mailbox = scratch.path("mailbox");
        let mut command = Command::new(interpreter);
        command.args([&peer("smtp_server.py"), &mailbox, kind]);
        command.args([lab.path("good.pem"), lab.path("good.key"), mechanism.to_string()]);
        let mut program = Program::start(command);
        let server = format!("localhost:{}", program.port());
        let ca = lab.path("ca.pem");
        let login = ["--tls", kind, "--ca", &ca, "--user", "ada", "--password-file", &password];
        let letter = letter(&scratch);
        let flags: Vec<&str> = login.into_iter().chain(letter.iter().map(String::as_str)).collect();
        let ended = send(&server, &flags);
        assert_eq!(ended.code, 0, "{kind} {mechanism}: {ended:#?}");
        let shown = ended.out.join("\n");
        assert!(shown.contains(&format!("C: AUTH {mechanism}")) && shown.contains("****"), "{ended:#?}");
        for secret in ["sesame", "b3BlbiBzZXNhbWU", "AGFkYQBvcGVuIHNlc2FtZQ"] {
            assert!(!shown.contains(secret), "{ended:#?}");
        }
        judge(interpreter, &delivered(&Path::new(&mailbox).join("new")), letter.last().unwrap(), TEXT);

        let wrong = scratch.file("wrong", b"open barley\n");
        let ended = send(&server, &["--tls", kind, "--ca", &ca, "--user", "ada", "--password-file", &wrong]);
        assert_eq!(ended.code, 1, "{ended:#?}");
        assert!(ended.err[0].contains("the server refuses the login: 535 "), "{ended:#?}");
        assert!(!ended.out.iter().any(|line| line.starts_with("C: MAIL")), "{ended:#?}");
    }
}

// The server that much of the world's mail passes through, with a configuration of the test's own.
#[test]
fn postfix_receives() {
    let programs = installed("openssl") && Path::new("/usr/sbin/postconf").exists();
    let interpreter = python_with("email");
    let here = is_root() && programs && interpreter.is_some();
    if !can_run(here, "needs root, postfix, python3 and the openssl program") {
        return;
    }
    let (lab, scratch) = (authority(), Folder::new());
    let port = free_port();
    let mut command = Command::new("sh");
    command.arg(peer("postfix.sh")).arg(&scratch.0).arg(port.to_string());
    command.args([lab.path("good.pem"), lab.path("good.key")]);
    let mut postfix = Program::start(command);
    let deadline = Instant::now() + PATIENCE;
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        let log = || fs::read_to_string(scratch.0.join("log")).unwrap_or_default();
        assert!(Instant::now() < deadline, "Postfix does not listen: {}", log());
        thread::sleep(Duration::from_millis(20));
    }
    let letter = letter(&scratch);
    let mut flags: Vec<&str> = letter.iter().map(String::as_str).collect();
    let ca = lab.path("ca.pem");
    flags.extend(["--tls", "starttls", "--ca", &ca, "--to", "eve@elsewhere.example"]);
    let ended = send(&format!("localhost:{port}"), &flags);
    // It relays nothing: one recipient is refused, and the other gets the message all the same.
    assert_eq!(ended.code, 1, "{ended:#?}");
    let error = "socklab mail-client: not delivered to eve@elsewhere.example (554 5.7.1 ";
    assert!(ended.err[0].starts_with(error), "{ended:#?}");
    assert!(ended.out.contains(&"-- bob@example.org: accepted".to_string()), "{ended:#?}");
    let message = delivered(&scratch.0.join("mail/box/new"));
    judge(interpreter.unwrap(), &message, &letter[5], TEXT);
    // Its master ends its own children.
    postfix.signal("TERM");
    postfix.finish();
}

// The command line with which administrators try their servers.
#[test]
fn swaks_sends() {
    let programs = installed("swaks") && installed("openssl");
    if !can_run(programs, "swaks or the openssl program is not installed") {
        return;
    }
    let lab = authority();
    let (certificate, key) = (lab.path("good.pem"), lab.path("good.key"));
    let server = Server::start(&["--cert", &certificate, "--key", &key, "--reject", "eve@example.org"]);
    let swaks = |flags: &[&str]| {
        let mut command = Command::new("swaks");
        command
            .args(["--server", &server.address(), "--helo", "pc", "--from", "ada@example.org"])
            .args(flags);
        Program::start(command).finish()
    };
    let ended = swaks(&["--to", "bob@example.org", "--body", "in clear\n.\nend"]);
    assert_eq!(ended.code, 0, "{ended:#?}");
    let verified = ["--tls", "--tls-verify", "--tls-ca-path", &lab.path("ca.pem")];
    let ended = swaks(&[&["--to", "bob@example.org", "--body", "inside TLS"], &verified[..]].concat());
    assert_eq!(ended.code, 0, "{ended:#?}");
    // swaks's code for a refused recipient.
    assert_eq!(swaks(&["--to", "eve@example.org"]).code, 24);
    let stored: Vec<String> =
        server.stored().into_iter().map(|message| String::from_utf8(message).unwrap()).collect();
    assert!(stored[0].contains("with ESMTP;") && stored[0].contains("\nin clear\n.\nend\n"), "{stored:?}");
    assert!(stored[1].contains("with ESMTPS;") && stored[1].contains("\ninside TLS\n"), "{stored:?}");
    assert_eq!(stored.len(), 2);
    server.program.stop_cleanly(&[]);
}

// Python's own client, which the sheet forbids its students: several recipients, UTF-8, a picture, TLS.
#[test]
fn smtplib_sends() {
    let (interpreter, openssl) = (python_with("smtplib"), installed("openssl"));
    if !can_run(interpreter.is_some() && openssl, "Python or the openssl program is not installed") {
        return;
    }
    let (interpreter, lab) = (interpreter.unwrap(), authority());
    let (certificate, key) = (lab.path("good.pem"), lab.path("good.key"));
    let server = Server::start(&["--cert", &certificate, "--key", &key, "--reject", "eve@example.org"]);
    let picture = lab.file("größe.png", PICTURE);
    let client = r#"
import smtplib, ssl, sys
from email.message import EmailMessage
port, authority, picture, text = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4]
message = EmailMessage()
message["From"], message["To"] = "ada@example.org", "bob@example.org, eve@example.org"
message["Subject"] = "Ein Bild für dich"
message.set_content(text)
message.add_attachment(open(picture, "rb").read(), maintype="image", subtype="png", filename="größe.png")
with smtplib.SMTP("localhost", port, timeout=30) as server:
    server.starttls(context=ssl.create_default_context(cafile=authority))
    refused = server.send_message(message)
    assert list(refused) == ["eve@example.org"] and refused["eve@example.org"][0] == 550, refused
    assert server.verify("bob")[0] == 252 and server.noop()[0] == 250 and server.rset()[0] == 250
    assert server.docmd("DATA")[0] == 503
with smtplib.SMTP("localhost", port, timeout=30) as server:
    server.helo("pc")
    try:
        server.sendmail("ada@example.org", ["eve@example.org"], "x")
        assert False, "everyone was refused"
    except smtplib.SMTPRecipientsRefused:
        pass
"#;
    // Python writes `>From` where a line begins with `From `, as mailbox files of one kind need it.
    let text = TEXT.replace("From here", "here");
    python(interpreter, client, &[&server.port.to_string(), &lab.path("ca.pem"), &picture, &text]);
    assert_eq!(server.stored().len(), 1);
    judge(interpreter, &delivered(&server.scratch.0.join("mailbox/new")), &picture, &text);
    server.program.stop_cleanly(&[]);
}
