//! The one table of exercises. The index, every `--help`, the nearest-name suggestion, the make
//! targets, the README's table and several tests all follow from it.

use crate::kit::args::Args;
use crate::kit::error::Error;
use crate::kit::nearest::nearest;
use crate::kit::screen::escape;
use crate::kit::usage::Usage;
use crate::sheets::Sheet;
use crate::{chat, echo, mail, message, pack, ping, reliable, sensor, topology, traffic, web};

/// One program.
#[derive(Debug)]
pub struct Exercise {
    /// What it is called by: `socklab NAME`, `make NAME`.
    pub name: &'static str,
    /// The sheets it answers, the one it follows most closely first.
    pub sheets: &'static [Sheet],
    /// The task of that sheet.
    pub task: &'static str,
    /// What it does, in one line.
    pub summary: &'static str,
    /// What `make NAME` passes to it unless told: it keeps to the loopback interface.
    pub make: &'static str,
    /// Where to start reading.
    pub file: &'static str,
    /// What it takes.
    pub usage: &'static Usage,
    /// What it does.
    pub run: fn(&Args) -> Result<(), Error>,
}

/// Every exercise, sheet by sheet.
pub static EXERCISES: &[Exercise] = &[
    Exercise {
        name: "echo-server",
        sheets: &[Sheet::Iot],
        task: "TCP echo, task 1.1",
        summary: "sends back every byte it receives",
        make: "",
        file: "src/echo/once.rs",
        usage: &echo::server::USAGE,
        run: echo::server::run,
    },
    Exercise {
        name: "echo-client",
        sheets: &[Sheet::Iot],
        task: "TCP echo, task 1.1",
        summary: "sends a message and shows what comes back",
        make: "",
        file: "src/echo/client.rs",
        usage: &echo::client::USAGE,
        run: echo::client::run,
    },
    Exercise {
        name: "udp-receiver",
        sheets: &[Sheet::Iot],
        task: "task 1.2",
        summary: "shows each datagram it receives",
        make: "",
        file: "src/echo/udp_receiver.rs",
        usage: &echo::udp_receiver::USAGE,
        run: echo::udp_receiver::run,
    },
    Exercise {
        name: "udp-sender",
        sheets: &[Sheet::Iot],
        task: "task 1.2",
        summary: "sends one datagram",
        make: "",
        file: "src/echo/udp_sender.rs",
        usage: &echo::udp_sender::USAGE,
        run: echo::udp_sender::run,
    },
    Exercise {
        name: "udp-echo-server",
        sheets: &[Sheet::Iot],
        task: "task 1.3",
        summary: "sends back every datagram it receives",
        make: "",
        file: "src/echo/udp_server.rs",
        usage: &echo::udp_server::USAGE,
        run: echo::udp_server::run,
    },
    Exercise {
        name: "udp-echo-client",
        sheets: &[Sheet::Iot],
        task: "task 1.3",
        summary: "sends a datagram and shows what comes back, or that nothing does",
        make: "",
        file: "src/echo/udp_client.rs",
        usage: &echo::udp_client::USAGE,
        run: echo::udp_client::run,
    },
    Exercise {
        name: "pack",
        sheets: &[Sheet::Iot],
        task: "task 1.4",
        summary: "shows values as the bytes that a format makes of them",
        make: "=iif 1 4 2.7",
        file: "src/pack/program.rs",
        usage: &pack::program::PACK,
        run: pack::program::pack,
    },
    Exercise {
        name: "unpack",
        sheets: &[Sheet::Iot],
        task: "task 1.4",
        summary: "shows the values in bytes",
        make: "=iif 0100000004000000cdcc2c40",
        file: "src/pack/program.rs",
        usage: &pack::program::UNPACK,
        run: pack::program::unpack,
    },
    Exercise {
        name: "pack-server",
        sheets: &[Sheet::Iot],
        task: "task 1.4",
        summary: "receives packed values and shows them",
        make: "",
        file: "src/pack/server.rs",
        usage: &pack::server::USAGE,
        run: pack::server::run,
    },
    Exercise {
        name: "pack-client",
        sheets: &[Sheet::Iot],
        task: "task 1.4",
        summary: "sends packed values",
        make: "",
        file: "src/pack/client.rs",
        usage: &pack::client::USAGE,
        run: pack::client::run,
    },
    Exercise {
        name: "concurrent-server",
        sheets: &[Sheet::Iot],
        task: "task 1.5",
        summary: "shows and echoes the messages of many clients, a thread each",
        make: "",
        file: "src/echo/concurrent_server.rs",
        usage: &echo::concurrent_server::USAGE,
        run: echo::concurrent_server::run,
    },
    Exercise {
        name: "concurrent-client",
        sheets: &[Sheet::Iot],
        task: "task 1.5",
        summary: "says hello, then sends what you type and shows each echo",
        make: "",
        file: "src/echo/concurrent_client.rs",
        usage: &echo::concurrent_client::USAGE,
        run: echo::concurrent_client::run,
    },
    Exercise {
        name: "sensor-server",
        sheets: &[Sheet::Iot],
        task: "deliverable, both optional deliverables",
        summary: "receives readings over TCP, UDP and reliable UDP, logs and answers them",
        make: "",
        file: "src/sensor/server.rs",
        usage: &sensor::server::USAGE,
        run: sensor::server::run,
    },
    Exercise {
        name: "sensor-client",
        sheets: &[Sheet::Iot],
        task: "deliverable, second optional deliverable",
        summary: "reports readings over TCP, UDP or reliable UDP and counts what it cost",
        make: "",
        file: "src/sensor/client.rs",
        usage: &sensor::client::USAGE,
        run: sensor::client::run,
    },
    Exercise {
        name: "traffic",
        sheets: &[Sheet::Iot],
        task: "deliverable, traffic analysis",
        summary: "counts packets, bytes and retransmissions of each flow in a capture",
        make: "docs/captures/sensor-udp.pcap",
        file: "src/traffic/program.rs",
        usage: &traffic::program::USAGE,
        run: traffic::program::run,
    },
    Exercise {
        name: "reliable-receive",
        sheets: &[Sheet::Iot],
        task: "second optional deliverable, beyond it",
        summary: "receives a file over reliable UDP and stores it whole or not at all",
        make: "7002 -o target/received.pcap --force",
        file: "src/reliable/receive.rs",
        usage: &reliable::receive::USAGE,
        run: reliable::receive::run,
    },
    Exercise {
        name: "reliable-send",
        sheets: &[Sheet::Iot],
        task: "second optional deliverable, beyond it",
        summary: "sends a file over reliable UDP and waits until it is stored",
        make: "docs/captures/sensor-tcp.pcap 127.0.0.1 7002",
        file: "src/reliable/send.rs",
        usage: &reliable::send::USAGE,
        run: reliable::send::run,
    },
    Exercise {
        name: "stamp-server",
        sheets: &[Sheet::Scc231],
        task: "part 1, tasks 1 and 3",
        summary: "echoes with a time stamp; threads, or one thread with --select",
        make: "--bind 127.0.0.1",
        file: "src/echo/stamp_server.rs",
        usage: &echo::stamp_server::USAGE,
        run: echo::stamp_server::run,
    },
    Exercise {
        name: "stamp-client",
        sheets: &[Sheet::Scc231],
        task: "part 1, task 2",
        summary: "sends what you type with a time stamp and shows the stamped reply",
        make: "",
        file: "src/echo/stamp_client.rs",
        usage: &echo::stamp_client::USAGE,
        run: echo::stamp_client::run,
    },
    Exercise {
        name: "topology",
        sheets: &[Sheet::Scc231],
        task: "part 2",
        summary: "hosts, switches and routers in one program, with a command line",
        make: "",
        file: "src/topology/shell.rs",
        usage: &topology::USAGE,
        run: topology::run,
    },
    Exercise {
        name: "message-server",
        sheets: &[Sheet::B3, Sheet::Select],
        task: "example; select slides",
        summary: "shows each message it receives; threads, or one thread with --select",
        make: "50000 --bind 127.0.0.1",
        file: "src/message/server.rs",
        usage: &message::server::USAGE,
        run: message::server::run,
    },
    Exercise {
        name: "message-client",
        sheets: &[Sheet::B3, Sheet::Select],
        task: "example; select slides",
        summary: "sends one message and closes",
        make: "127.0.0.1 50000",
        file: "src/message/client.rs",
        usage: &message::client::USAGE,
        run: message::client::run,
    },
    Exercise {
        name: "chat-server",
        sheets: &[Sheet::B3],
        task: "lab task, the server",
        summary: "shows what a client says and sends back what you type, in turns",
        make: "2000 --bind 127.0.0.1",
        file: "src/chat/server.rs",
        usage: &chat::server::USAGE,
        run: chat::server::run,
    },
    Exercise {
        name: "chat-client",
        sheets: &[Sheet::B3],
        task: "lab task, the client",
        summary: "sends what you type and shows what the server answers, in turns",
        make: "127.0.0.1 2000",
        file: "src/chat/client.rs",
        usage: &chat::client::USAGE,
        run: chat::client::run,
    },
    Exercise {
        name: "chat-room",
        sheets: &[Sheet::B3],
        task: "beyond the lab task",
        summary: "a group room: what one member says goes to everyone else",
        make: "2001 --bind 127.0.0.1",
        file: "src/chat/room.rs",
        usage: &chat::room::USAGE,
        run: chat::room::run,
    },
    Exercise {
        name: "web-server",
        sheets: &[Sheet::Cse3214],
        task: "assignment 1, optional exercise 1",
        summary: "serves the files below a folder over HTTP/1.1",
        make: "--root docs/site --bind 127.0.0.1",
        file: "src/web/basic.rs",
        usage: &web::server::USAGE,
        run: web::server::run,
    },
    Exercise {
        name: "web-client",
        sheets: &[Sheet::Cse3214],
        task: "assignment 1, optional exercise 2",
        summary: "asks a web server for a file and shows the answer",
        make: "127.0.0.1 6789 /HelloWorld.html",
        file: "src/web/client.rs",
        usage: &web::client::USAGE,
        run: web::client::run,
    },
    Exercise {
        name: "udp-ping-server",
        sheets: &[Sheet::Cse3214],
        task: "assignment 2",
        summary: "returns each datagram in capitals, and loses 30 % on purpose",
        make: "--bind 127.0.0.1",
        file: "src/ping/udp_server.rs",
        usage: &ping::udp_server::USAGE,
        run: ping::udp_server::run,
    },
    Exercise {
        name: "udp-ping-client",
        sheets: &[Sheet::Cse3214],
        task: "assignment 2, optional exercise 1",
        summary: "ten pings over UDP, the time each took, and the statistics",
        make: "",
        file: "src/ping/udp_client.rs",
        usage: &ping::udp_client::USAGE,
        run: ping::udp_client::run,
    },
    Exercise {
        name: "heartbeat-server",
        sheets: &[Sheet::Cse3214],
        task: "assignment 2, optional exercise 2",
        summary: "says which heartbeats are lost and which clients stopped",
        make: "",
        file: "src/ping/heartbeat_server.rs",
        usage: &ping::heartbeat_server::USAGE,
        run: ping::heartbeat_server::run,
    },
    Exercise {
        name: "heartbeat-client",
        sheets: &[Sheet::Cse3214],
        task: "assignment 2, optional exercise 2",
        summary: "sends a numbered heartbeat each second",
        make: "",
        file: "src/ping/heartbeat_client.rs",
        usage: &ping::heartbeat_client::USAGE,
        run: ping::heartbeat_client::run,
    },
    Exercise {
        name: "ping",
        sheets: &[Sheet::Cse3214],
        task: "assignment 4, optional exercises 1 and 2",
        summary: "ICMP echo requests, statistics, errors by name",
        make: "127.0.0.1 -c 4",
        file: "src/ping/icmp_ping.rs",
        usage: &ping::icmp_ping::USAGE,
        run: ping::icmp_ping::run,
    },
    Exercise {
        name: "trace",
        sheets: &[Sheet::Cse3214],
        task: "assignment 4, beyond it",
        summary: "the routers on the way to a host",
        make: "127.0.0.1",
        file: "src/ping/trace.rs",
        usage: &ping::trace::USAGE,
        run: ping::trace::run,
    },
    Exercise {
        name: "mail-server",
        sheets: &[Sheet::Cse3214],
        task: "assignment 3, to try it offline",
        summary: "a small receiving mail server: each message a file in a Maildir",
        make: "",
        file: "src/mail/server.rs",
        usage: &mail::server::USAGE,
        run: mail::server::run,
    },
    Exercise {
        name: "mail-client",
        sheets: &[Sheet::Cse3214],
        task: "assignment 3, options 1 and 2",
        summary: "sends a mail, with TLS and pictures, and shows the dialogue",
        make: "--server 127.0.0.1:2525 --from ada@example.org --to bob@example.org",
        file: "src/mail/dialogue.rs",
        usage: &mail::client::USAGE,
        run: mail::client::run,
    },
];

/// The exercise of that name. Errs with the nearest name there is.
pub fn find(name: &str) -> Result<&'static Exercise, Error> {
    if let Some(exercise) = EXERCISES.iter().find(|exercise| exercise.name == name) {
        return Ok(exercise);
    }
    let hint = match nearest(name, EXERCISES.iter().map(|exercise| exercise.name)) {
        Some(near) => format!("did you mean {near}?"),
        None => "`socklab` lists them all".to_string(),
    };
    Err(Error::Usage(format!("there is no exercise {}: {hint}", escape(name.as_bytes()))))
}

/// What `socklab` alone prints: every exercise, grouped by sheet, with its make target.
pub fn index() -> String {
    let mut text = format!("socklab {}: socket labs, run for real\n", env!("CARGO_PKG_VERSION"));
    for sheet in Sheet::ALL {
        text += &format!("\n{} ({})\n", sheet.title(), sheet.page());
        for exercise in EXERCISES.iter().filter(|exercise| exercise.sheets.contains(&sheet)) {
            let target = format!("make {}", exercise.name);
            text += &format!("  {:18} {:23} {}\n", exercise.name, target, exercise.summary);
        }
    }
    text + "\n`socklab help EXERCISE` explains one; `make help` lists what else there is to make."
}

/// What `socklab EXERCISE --help` prints.
pub fn help(exercise: &Exercise) -> String {
    let Exercise { name, sheets, task, summary, make, file, usage, .. } = exercise;
    let (title, page) = (sheets[0].title(), sheets[0].page());
    let mut text = format!("socklab {name}: {summary}\n\n{}\n\n{}", usage.line(name), usage.table());
    if !usage.notes.is_empty() {
        text += &format!("\n{}\n", usage.notes);
    }
    let make = if make.is_empty() { String::new() } else { format!(", which runs it with {make}") };
    text + &format!("\n{title}, {task}\nread {page} and {file}; make target: {name}{make}")
}
