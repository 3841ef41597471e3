//! `mail-client` and `mail-server` inside TLS: CSE3214 assignment 3, option 1. Good certificates and bad
//! ones come from a throw-away authority that each test makes with the openssl program.

mod common;
#[path = "common/mail.rs"]
mod mail;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;

use common::system::Folder;
use common::{can_run, installed, is_root, Program, PATIENCE};
use mail::{authority, free_port, python, python_with, send, Server};

/// The authority, if it can be made here.
fn lab() -> Option<Folder> {
    can_run(installed("openssl"), "the openssl program is not installed").then(authority)
}

/// A server with this certificate of the authority.
fn server_with(lab: &Folder, name: &str, flags: &[&str]) -> Server {
    let (certificate, key) = (lab.path(&format!("{name}.pem")), lab.path(&format!("{name}.key")));
    Server::start(&[&["--cert", &certificate, "--key", &key], flags].concat())
}

/// What servers say about clients that broke off the handshake.
const BROKEN_OFF: &[&str] = &["TLS handshake failed: ", "lost the connection during the TLS handshake"];

// Option 1: EHLO, STARTTLS, handshake, and EHLO again, for what was said in clear counts no more.
#[test]
fn starttls_and_everything_after_it_inside() {
    let Some(lab) = lab() else { return };
    let server = server_with(&lab, "good", &["--bind", "::"]);
    for host in ["localhost", "127.0.0.1", "[::1]"] {
        let address = format!("{host}:{}", server.port);
        let ended = send(&address, &["--tls", "starttls", "--ca", &lab.path("ca.pem")]);
        assert_eq!(ended.code, 0, "{host}: {ended:#?}");
        let place = ended.out.iter().position(|line| line.starts_with("-- TLSv1.3, ")).unwrap();
        assert_eq!(
            ended.out[place],
            format!("-- TLSv1.3, TLS_AES_256_GCM_SHA384, certificate verified for {}", host)
        );
        assert_eq!(ended.out[place - 2..place], ["C: STARTTLS", "S: 220 begin the handshake"]);
        assert!(ended.out[place + 1].starts_with("C: EHLO ["), "{ended:#?}");
        assert!(!ended.out[place..].iter().any(|line| line.contains("STARTTLS")), "not offered again");
    }
    let stored = String::from_utf8(server.stored().remove(2)).unwrap();
    assert!(
        stored.contains("Received: from [IPv6:::1] ([IPv6:::1])\n by localhost with ESMTPS;"),
        "{stored}"
    );
    server.program.stop_cleanly(&[]);
}

// Each bad certificate is refused, with a line that says what is wrong; nothing was sent but EHLO.
#[test]
fn bad_certificates() {
    let Some(lab) = lab() else { return };
    let ca = lab.path("ca.pem");
    let trusting: &[&str] = &["--ca", &ca];
    for (certificate, flags, error) in [
        ("good", &[][..], "the certificate of localhost has an unknown issuer: "),
        ("expired", trusting, "the certificate of localhost has expired: "),
        ("wrong", trusting, "the certificate is not for localhost: "),
        ("self", trusting, "the certificate of localhost is self-signed by somebody who is not trusted: "),
    ] {
        let server = server_with(&lab, certificate, &[]);
        let ended = send(&server.address(), &[&["--tls", "starttls"], flags].concat());
        assert_eq!((ended.code, ended.err.len()), (1, 1), "{certificate}: {ended:#?}");
        assert!(ended.err[0].contains(error), "{certificate}: {ended:#?}");
        assert_eq!(ended.out.last().unwrap(), "S: 220 begin the handshake", "{ended:#?}");
        assert!(server.stored().is_empty());
        server.program.stop_cleanly(BROKEN_OFF);
    }
}

// RFC 8996: TLS 1.1 is no longer safe. The other end is OpenSSL's own test server.
#[test]
fn a_server_that_offers_tls_1_1_only() {
    let Some(lab) = lab() else { return };
    let port = free_port();
    let mut command = Command::new("openssl");
    command.args(["s_server", "-accept", &format!("127.0.0.1:{port}"), "-naccept", "1", "-tls1_1"]);
    command.args([
        "-cipher",
        "ALL:@SECLEVEL=0",
        "-cert",
        &lab.path("good.pem"),
        "-key",
        &lab.path("good.key"),
    ]);
    let mut program = Program::start(command);
    program.wait_out("ACCEPT");
    let flags = ["--tls", "implicit", "--ca", &lab.path("ca.pem")];
    let ended = send(&format!("localhost:{port}"), &flags);
    assert_eq!((ended.code, ended.out.len()), (1, 0), "{ended:#?}");
    let error = "localhost offers no version of TLS that is still safe: ";
    assert!(ended.err[0].contains(error), "{ended:#?}");
    program.finish();
}

// Port 465 expects the handshake at once, port 25 says something first: mixed up, both ways.
#[test]
fn the_wrong_kind_of_tls() {
    let Some(lab) = lab() else { return };
    let server = server_with(&lab, "good", &[]);
    let flags = ["--tls", "implicit", "--ca", &lab.path("ca.pem")];
    let ended = send(&server.address(), &flags);
    assert_eq!(ended.code, 1, "{ended:#?}");
    let error = "localhost does not speak TLS on this port: wrong version number (try --tls starttls)";
    assert!(ended.err[0].contains(error), "{ended:#?}");
    server.program.stop_cleanly(&["reset by peer", "Broken pipe"]);
}

// Clients that send rubbish instead of a handshake, or go: their own affair.
#[test]
fn hostile_handshakes() {
    let Some(lab) = lab() else { return };
    let server = server_with(&lab, "good", &[]);
    for (sent, answer) in [
        // Behind STARTTLS in the same packet: refused unread (CVE-2011-0411).
        (&b"STARTTLS\r\nMAIL FROM:<eve@example.org>\r\n"[..], false),
        (b"STARTTLS\r\n", true),
    ] {
        let mut stream = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(sent).unwrap();
        let mut heard = Vec::new();
        if answer {
            let consent = b"220 begin the handshake\r\n";
            while !heard.ends_with(consent) {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                heard.push(byte[0]);
            }
            stream.write_all(&[b'x'; 10_000]).unwrap();
        }
        // It ends, with an alert, a reset or nothing: never with a reply to MAIL.
        let _ = stream.read_to_end(&mut heard);
        assert!(!String::from_utf8_lossy(&heard).contains("250"), "{heard:?}");
    }
    let ended = send(&server.address(), &["--tls", "starttls", "--ca", &lab.path("ca.pem")]);
    assert_eq!(ended.code, 0, "others do not notice: {ended:#?}");
    let expected = [BROKEN_OFF, &["sent commands in clear behind STARTTLS; let go"]].concat();
    server.program.stop_cleanly(&expected);
}

// The stack of a client's thread is small. RSA with 4096 bits is the most expensive handshake in use.
#[test]
fn many_handshakes_with_a_large_key_at_once() {
    let Some(lab) = lab() else { return };
    let Some(interpreter) = python_with("ssl") else {
        can_run(false, "Python is not installed");
        return;
    };
    let openssl = |words: &str| {
        let output = Command::new("openssl").args(words.split(' ')).current_dir(&lab.0).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    openssl("genrsa -out rsa.key 4096");
    openssl("req -x509 -new -key rsa.key -subj /CN=localhost -addext subjectAltName=DNS:localhost -days 2 -out rsa.pem");
    let server = server_with(&lab, "rsa", &[]);
    let clients = r#"
import smtplib, ssl, sys, threading
port, authority, version = int(sys.argv[1]), sys.argv[2], sys.argv[3]
def deliver():
    context = ssl.create_default_context(cafile=authority)
    context.maximum_version = getattr(ssl.TLSVersion, version)
    with smtplib.SMTP("localhost", port, timeout=60) as server:
        server.starttls(context=context)
        server.sendmail("a@example.org", ["b@example.org"], b"x" * 70 + b"\r\n" + b"line\r\n" * 20000)
threads = [threading.Thread(target=deliver) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
"#;
    for version in ["TLSv1_2", "TLSv1_3"] {
        python(interpreter, clients, &[&server.port.to_string(), &lab.path("rsa.pem"), version]);
    }
    assert_eq!(server.stored().len(), 16);
    server.program.stop_cleanly(&[]);
}

// An attacker who cuts the connection cannot make a shorter message of a longer one, nor end one.
#[test]
fn a_stream_that_is_cut_inside_tls() {
    let Some(lab) = lab() else { return };
    let Some(interpreter) = python_with("ssl") else {
        can_run(false, "Python is not installed");
        return;
    };
    let server = server_with(&lab, "good", &[]);
    let client = r#"
import smtplib, ssl, sys
server = smtplib.SMTP("localhost", int(sys.argv[1]), timeout=60)
server.starttls(context=ssl.create_default_context(cafile=sys.argv[2]))
server.ehlo()
server.mail("a@example.org"); server.rcpt("b@example.org")
server.putcmd("data"); assert server.getreply()[0] == 354
server.send(b"half a message\r\n.")
# The socket is closed without TLS's own end.
import os; os.close(server.sock.detach())
"#;
    python(interpreter, client, &[&server.port.to_string(), &lab.path("ca.pem")]);
    let mut server = server;
    server.program.wait_err("the peer closed it");
    assert!(server.stored().is_empty());
    server.program.stop_cleanly(&["the peer closed it"]);
}

// The contract: a server that is told to stop says so to those who wait, inside TLS as well.
#[test]
fn a_server_that_stops() {
    let Some(lab) = lab() else { return };
    let Some(interpreter) = python_with("ssl") else {
        can_run(false, "Python is not installed");
        return;
    };
    let server = server_with(&lab, "good", &[]);
    let client = r#"
import smtplib, ssl, sys
server = smtplib.SMTP("localhost", int(sys.argv[1]), timeout=60)
server.starttls(context=ssl.create_default_context(cafile=sys.argv[2]))
server.ehlo()
print("waiting", flush=True)
print(server.getreply())
"#;
    let mut command = Command::new(interpreter);
    command.args(["-c", client, &server.port.to_string(), &lab.path("ca.pem")]);
    let mut client = Program::start(command);
    client.wait_out("waiting");
    server.program.stop_cleanly(&[]);
    let ended = client.finish();
    assert_eq!(ended.out.last().unwrap(), "(421, b'localhost the server is stopping')", "{ended:#?}");
}

// The server's flags.
#[test]
fn certificates_that_cannot_be_used() {
    let Some(lab) = lab() else { return };
    let (good, other, ca) = (lab.path("good.pem"), lab.path("wrong.key"), lab.path("ca.pem"));
    let locked = lab.path("locked.key");
    let lock = ["pkey", "-aes128", "-passout", "pass:x", "-out", &locked, "-in", &lab.path("good.key")];
    assert!(Command::new("openssl").args(lock).status().is_ok_and(|status| status.success()));
    for (flags, code, error) in [
        (&["--cert", &good][..], 2, "--cert and --key belong together"),
        (&["--cert", &good, "--key", "/no/such"], 1, "cannot read /no/such: No such file or directory"),
        (&["--cert", &good, "--key", &other], 1, "key values mismatch (both PEM, the key unencrypted)"),
        (&["--cert", &good, "--key", &ca], 1, "(both PEM, the key unencrypted)"),
        (&["--cert", &good, "--key", &locked], 1, "(both PEM, the key unencrypted)"),
    ] {
        let ended =
            common::socklab(&[&["mail-server", "0", "--mailbox", &lab.path("box")], flags].concat(), b"");
        assert_eq!(ended.code, code, "{ended:#?}");
        assert!(ended.err[0].contains(error), "{ended:#?}");
    }
    let ended = send("localhost:1", &["--tls", "starttls", "--ca", &lab.path("good.key")]);
    assert_eq!(ended.code, 1);
    assert!(ended.err[0].contains("good.key has no certificates to trust: "), "{ended:#?}");
}

// Without OpenSSL everything but TLS works, and TLS says what to install. The library is covered by an
// empty file, in a mount namespace of its own.
#[test]
fn a_machine_without_openssl() {
    let library = Command::new("sh")
        .arg("-c")
        .arg("PATH=$PATH:/sbin ldconfig -p | sed -n 's/.*libssl.so.3 .*=> //p' | head -n 1")
        .output();
    let library = String::from_utf8(library.unwrap().stdout).unwrap().trim().to_string();
    let tools = is_root() && installed("unshare") && !library.is_empty();
    if !can_run(tools, "hiding a library needs root, unshare and a libssl.so.3 to hide") {
        return;
    }
    let hidden = |words: &[&str]| {
        let script = "mount --bind /dev/null \"$0\" && exec \"$@\"";
        let mut command = Command::new("unshare");
        command.args(["-m", "sh", "-c", script, &library, common::SOCKLAB]).args(words);
        Program::start(command)
    };
    let install = "TLS needs OpenSSL 3: install it, on Debian `apt-get install openssl` (";
    let server = Server::start(&[]);
    let usual =
        ["mail-client", "--server", &server.address(), "--from", "a@example.org", "--to", "b@example.org"];
    assert_eq!(hidden(&usual).finish().code, 0);
    let ended = hidden(&[&usual[..], &["--tls", "starttls"]].concat()).finish();
    assert_eq!((ended.code, ended.out.len()), (1, 0), "{ended:#?}");
    assert!(ended.err[0].contains(install), "{ended:#?}");
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let ended = hidden(&["mail-server", "0", "--cert", manifest, "--key", manifest]).finish();
    assert!(ended.code == 1 && ended.err[0].contains(install), "{ended:#?}");
    server.program.stop_cleanly(&[]);
}
