//! Both ends of a chat, and terminals to hold one at.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use super::system::{state_of_thread, tcp_end, threads};
use super::{Program, PATIENCE, SOCKLAB};

/// Longer than the server waits after a client has left in its turn (`desk::REACTION`).
pub const SETTLED: Duration = Duration::from_millis(1300);

/// A `chat-server` and its port.
pub fn server() -> (Program, u16) {
    let mut server = Program::socklab(&["chat-server", "0", "--bind", "127.0.0.1"]);
    let port = server.port();
    (server, port)
}

/// A `chat-client` of it.
pub fn client(port: u16) -> Program {
    Program::socklab(&["chat-client", "127.0.0.1", &port.to_string()])
}

/// Sends a line.
pub fn say(mut stream: &TcpStream, line: &str) {
    stream.write_all(format!("{line}\n").as_bytes()).expect("the peer reads");
}

/// The next line, without its newline. Reads byte by byte, so that nothing after it is taken.
pub fn hear(mut stream: &TcpStream) -> String {
    let mut line = Vec::new();
    loop {
        let mut byte = [0];
        let count = stream.read(&mut byte).expect("a line");
        assert!(count == 1, "the stream ends after {:?}", String::from_utf8_lossy(&line));
        if byte == *b"\n" {
            return String::from_utf8(line).expect("UTF-8");
        }
        line.push(byte[0]);
    }
}

/// Waits until the server has read all that a client has sent, and the client's thread sleeps: it waits
/// for its turn then, or for more.
pub fn wait_until_read(server: &Program, client: &TcpStream) {
    let (own, peer) = (client.local_addr().unwrap(), client.peer_addr().unwrap());
    let deadline = Instant::now() + PATIENCE;
    let is_read = || {
        tcp_end(own, peer).is_some_and(|end| end.unacknowledged == 0)
            && tcp_end(peer, own).is_some_and(|end| end.unread == 0)
            && state_of_thread(server.pid(), &own.to_string()) == Some('S')
    };
    while !is_read() {
        assert!(Instant::now() < deadline, "the server does not read what {own} says");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Closes a connection, and waits until the server's kernel knows.
pub fn leave(client: TcpStream) {
    let (own, peer) = (client.local_addr().unwrap(), client.peer_addr().unwrap());
    client.shutdown(Shutdown::Write).unwrap();
    let deadline = Instant::now() + PATIENCE;
    // ESTABLISHED and FIN-WAIT-1: the end of the stream is not acknowledged yet.
    while tcp_end(own, peer).is_some_and(|end| [1, 4].contains(&end.state)) {
        assert!(Instant::now() < deadline, "the end of {own} never arrives");
        thread::sleep(Duration::from_millis(5));
    }
}

/// What the server calls a client.
pub fn name(stream: &TcpStream) -> String {
    stream.local_addr().unwrap().to_string()
}

/// A server of the test's own, with one client that is handed to `talk`.
pub fn serve_once(talk: impl FnOnce(TcpStream) + Send + 'static) -> (u16, thread::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let body = move || {
        let (stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        talk(stream);
    };
    (port, thread::spawn(body))
}

/// Waits until so many clients have a thread.
pub fn wait_for_threads(server: &Program, clients: usize) {
    let deadline = Instant::now() + PATIENCE;
    while threads(server.pid()).iter().filter(|name| name.starts_with("127.")).count() < clients {
        assert!(Instant::now() < deadline, "{:?}", threads(server.pid()));
        thread::sleep(Duration::from_millis(5));
    }
}

/// A `tmux` of this test's own, in which programs have a terminal; ended with everything in it.
pub struct Screen {
    socket: String,
}

impl Screen {
    pub fn new(name: &str) -> Screen {
        Screen { socket: format!("socklab-{}-{name}", std::process::id()) }
    }

    pub fn tmux(&self, words: &[&str]) -> String {
        let mut command = Command::new("tmux");
        command.args(["-L", &self.socket, "-f", "/dev/null", "-u"]).args(words);
        let output = command.env("LC_ALL", "C.UTF-8").env_remove("TMUX").output().expect("tmux");
        assert!(output.status.success(), "tmux {words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Starts `socklab` in a terminal of its own.
    pub fn start(&self, name: &str, words: &str) {
        // The shell outlives Ctrl-C and Ctrl-\ and shows the code.
        let command = format!("trap : INT QUIT; {SOCKLAB} {words}; echo \"exit code $?\"; exec sleep 1000");
        self.tmux(&["new-session", "-d", "-s", name, "-x", "90", "-y", "24", "sh", "-c", &command]);
    }

    pub fn keys(&self, name: &str, keys: &[&str]) {
        self.tmux(&[&["send-keys", "-t", name], keys].concat());
    }

    pub fn shown(&self, name: &str) -> String {
        self.tmux(&["capture-pane", "-p", "-t", name]).trim_end().to_string()
    }

    pub fn wait(&self, name: &str, text: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let shown = self.shown(name);
            if shown.contains(text) {
                return shown;
            }
            assert!(Instant::now() < deadline, "{text:?} never came:\n{shown}");
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let mut command = Command::new("tmux");
        let _ = command.args(["-L", &self.socket, "kill-server"]).output();
    }
}

/// The port in the ready line on a screen.
pub fn port_on(shown: &str) -> u16 {
    let after = shown.split("listening on 127.0.0.1:").nth(1).expect("the ready line");
    after.split(' ').next().unwrap().parse().unwrap()
}

/// A `chat-room` on the loopback interface with these flags, and its port.
pub fn room(flags: &[&str]) -> (Program, u16) {
    let mut room = Program::socklab(&[&["chat-room", "0", "--bind", "127.0.0.1"], flags].concat());
    let port = room.port();
    (room, port)
}

/// A member of the room that has been greeted.
pub fn join(port: u16) -> TcpStream {
    let stream = super::clients::connect(port);
    assert!(hear(&stream).starts_with("* welcome, "));
    stream
}
