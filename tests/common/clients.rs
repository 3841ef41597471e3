//! Clients of every manner: a good one, and the crowd that a server on a network must expect.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream, UdpSocket};
use std::thread;
use std::time::Duration;

use super::PATIENCE;

/// How long a write must be stuck for the flood to count as not taken any more.
const STUCK: Duration = Duration::from_millis(300);

/// A pause between two writes of a flood, in which the answers to the first find their way. Without
/// it both directions fill up at once, and Linux drops the acknowledgements that ride on data it has
/// no room for: the flood is then stuck although the server waits for its bytes.
const PACE: Duration = Duration::from_micros(300);

/// The most that a flood sends to a server that echoes it.
const FLOOD: usize = 16 << 20;

/// What a flood sends to a server that takes everything, and answers nothing.
pub const TAKEN: usize = 4 << 20;

/// Connects to the loopback interface; reads and writes there give up after [`PATIENCE`].
pub fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).expect("the server listens");
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Sends bytes, and reads until `length` bytes have come.
pub fn exchange(mut stream: &TcpStream, message: &[u8], length: usize) -> Vec<u8> {
    stream.write_all(message).expect("the server reads");
    let mut answer = vec![0; length];
    stream.read_exact(&mut answer).expect("the server answers");
    answer
}

/// Reads until the end of the stream.
pub fn read_all(mut stream: &TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    stream.read_to_end(&mut all).expect("the server closes");
    all
}

/// Waits for the end of the stream or a reset, whatever comes before it: the server has let go.
pub fn wait_for_end(mut stream: &TcpStream) {
    let mut chunk = [0; 65_536];
    loop {
        match stream.read(&mut chunk) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) if matches!(error.kind(), ErrorKind::ConnectionReset) => return,
            Err(error) => panic!("the server does not let go: {error}"),
        }
    }
}

/// Ends the connection with a reset: closing while received bytes are unread does that. There must be
/// something to receive. See tcp(7) and RFC 2525, 2.17.
pub fn reset(stream: TcpStream) {
    stream.peek(&mut [0]).expect("something to leave unread");
}

/// Sends without reading until the server takes no more. Returns how much it took.
pub fn flood(mut stream: &TcpStream) -> usize {
    stream.set_write_timeout(Some(STUCK)).unwrap();
    let mut sent = 0;
    while sent < FLOOD {
        match stream.write(&[b'x'; 16_384]) {
            Ok(count) => sent += count,
            Err(_) => break,
        }
        thread::sleep(PACE);
    }
    sent
}

/// Every kind of client that harms a careless server. Those that stay connected are returned.
/// `answers` says whether the server sends anything back.
pub fn crowd(port: u16, answers: bool) -> Vec<TcpStream> {
    let mut staying = vec![connect(port)];
    for bytes in [
        &b"half a line"[..],
        b"\xff",
        b"\xff\xfe\xc3( \xed\xa0\x80 invalid \xf0\x9f",
        b"\x1b[2J\x1b]0;pwned\x07\x9b31m\xc2\x9b2J\r\x08",
        b"\0",
    ] {
        let mut client = connect(port);
        client.write_all(bytes).unwrap();
        staying.push(client);
    }
    // Half-close: no more questions, but it would still read.
    let client = connect(port);
    client.shutdown(Shutdown::Write).unwrap();
    staying.push(client);
    // Gone without a word.
    drop(connect(port));
    if answers {
        let mut client = connect(port);
        client.write_all(b"answer me").unwrap();
        reset(client);
    }
    let mut client = connect(port);
    if answers {
        assert!(flood(&client) > 0);
    } else {
        client.write_all(&vec![b'x'; TAKEN]).expect("the server takes everything");
    }
    staying.push(client);
    staying
}

/// A port of the loopback interface on which nobody listens, TCP or UDP, and which nobody can be given
/// while this lives: both are the own ports of sockets that talk to somebody else.
pub struct Refusing {
    _listener: TcpListener,
    connection: TcpStream,
    _datagrams: UdpSocket,
}

impl Refusing {
    /// Takes one.
    pub fn new() -> Refusing {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        loop {
            let connection = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let address = connection.local_addr().unwrap();
            // The same number may be taken for UDP; then with another.
            if let Ok(datagrams) = UdpSocket::bind(address) {
                datagrams.connect("127.0.0.2:9").unwrap();
                return Refusing { _listener: listener, connection, _datagrams: datagrams };
            }
        }
    }

    /// Its number.
    pub fn port(&self) -> u16 {
        self.connection.local_addr().unwrap().port()
    }
}

/// Asserts that nothing a peer sent could have driven the terminal.
pub fn assert_escaped(lines: &[String]) {
    for line in lines {
        let unsafe_character = |c: char| c.is_control() || c == '\u{fffd}';
        assert!(!line.contains(unsafe_character), "unescaped: {line:?}");
    }
}
