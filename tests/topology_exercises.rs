//! SCC.231, part 2: every other exercise once between h1 and h4, two routers and 240 ms apart. It needs root.

mod common;

use std::fs;

use common::lab::{can_build, Lab};
use common::system::Folder;
use socklab::exercises::EXERCISES;
use socklab::kit::random::Random;

/// One exercise between h1 and h4.
struct Row {
    /// Started on h4, in the background; nothing where the client needs none.
    server: &'static str,
    /// Then run on h1.
    client: &'static str,
    /// What one of the two then shows.
    shows: &'static str,
}

const fn row(server: &'static str, client: &'static str, shows: &'static str) -> Row {
    Row { server, client, shows }
}

/// Every exercise that talks over a network: a new one is a row here. Inside of quotes h4 is written
/// 10.1.0.2; `FOLDER` stands for a folder of the test's own.
#[rustfmt::skip]
const ROWS: &[Row] = &[
    row("socklab echo-server 7001 --bind h4",
        "socklab echo-client h4 7001 'across two routers'", "Received 'across two routers'"),
    row("socklab udp-echo-server 7002 --bind h4",
        "socklab udp-echo-client h4 7002 --timeout 5", "Received 'Hello, world'"),
    row("socklab udp-receiver 7003 --bind h4",
        "socklab udp-sender h4 7003 'one way'", "one way"),
    row("socklab concurrent-server 7004 --bind h4",
        "socklab concurrent-client h4 7004", "From the server: Hello, I am a client!!"),
    row("socklab stamp-server 7005",
        "sh -c 'echo stamped | socklab stamp-client 10.1.0.2 7005'", ":stamped"),
    row("socklab stamp-server 7006 --select",
        "sh -c 'echo selected | socklab stamp-client 10.1.0.2 7006'", ":selected"),
    row("socklab message-server 7007",
        "socklab message-client h4 7007 'a message'", "a message"),
    row("socklab message-server 7008 --select",
        "socklab message-client h4 7008 'another one'", "another one"),
    row("socklab pack-server 7009 --bind h4",
        "socklab pack-client h4 7009", "Unpacked: (1, 4, 2.700000047683716)"),
    row("socklab sensor-server 7010 --bind h4",
        "socklab sensor-client h4 7010 --transport tcp --count 2 --interval 0.1 --seed 1", "2 acknowledged"),
    row("socklab sensor-server 7011 --bind h4",
        "socklab sensor-client h4 7011 --transport udp --count 2 --interval 0.1 --seed 1", "2 acknowledged"),
    row("socklab sensor-server 7012 --bind h4",
        "socklab sensor-client h4 7012 --transport reliable --count 2 --interval 0.1 --seed 1", "2 acknowledged"),
    row("socklab reliable-receive 7029 --bind h4 -o FOLDER/received",
        "socklab reliable-send Cargo.toml h4 7029", "sent Cargo.toml: "),
    row("sh -c 'yes answer | socklab chat-server 7013 --bind 10.1.0.2'",
        "sh -c 'echo question | socklab chat-client 10.1.0.2 7013'", "answer"),
    row("socklab chat-room 7014 --bind h4",
        "sh -c 'echo hello | socklab chat-client --room 10.1.0.2 7014'", "* welcome, guest1"),
    row("socklab web-server 7015 --bind h4 --root src",
        "socklab web-client h4 7015 /lib.rs", "The socket labs of five sheets"),
    row("socklab udp-ping-server 7016 --bind h4 --loss 0",
        "socklab udp-ping-client h4 7016 -c 2", "2 packets transmitted, 2 received"),
    row("socklab heartbeat-server 7017 --bind h4",
        "socklab heartbeat-client h4 7017 -c 2 -i 0.1", " heartbeat 2, time difference "),
    row("socklab mail-server 7018 --bind h4 --mailbox FOLDER/mailbox",
        "socklab mail-client --server 10.1.0.2:7018 --from ada@example.org --to bob@example.org",
        "-- bob@example.org: accepted"),
    row("", "socklab ping -c 2 h4", "ttl=62"),
    row("", "socklab trace h4", "3  10.1.0.2  "),
];

/// Those that work on one machine alone.
const WITHOUT: [&str; 4] = ["pack", "unpack", "traffic", "topology"];

/// Needs no root: nobody forgets the row of a new exercise.
#[test]
fn every_exercise_has_a_row() {
    let words: Vec<&str> =
        ROWS.iter().flat_map(|row| [row.server, row.client]).flat_map(|line| line.split(' ')).collect();
    for exercise in EXERCISES {
        let there = words.contains(&exercise.name) || WITHOUT.contains(&exercise.name);
        assert!(there, "{} has not been run between h1 and h4", exercise.name);
    }
}

/// Every other exercise runs across the network, and its servers end with it.
#[test]
fn every_other_exercise_between_h1_and_h4() {
    if !can_build() {
        return;
    }
    let folder = Folder::new();
    let mut lab = Lab::without_loss();
    for row in ROWS {
        if !row.server.is_empty() {
            let server = row.server.replace("FOLDER", folder.0.to_str().unwrap());
            lab.program.type_line(&format!("h4 {server} &"));
            lab.program.wait_err("listening on ");
        }
        lab.program.type_line(&format!("h1 {}", row.client));
        lab.program.wait_out(row.shows);
    }
    let ended = lab.finish();
    assert_eq!(ended.code, 0, "{ended:#?}");
    assert_eq!(fs::read_dir(folder.0.join("mailbox/new")).unwrap().count(), 1, "the message");
}

/// A file of 1 MiB comes whole, with loss on the way.
#[test]
fn a_mebibyte_over_http() {
    if !can_build() {
        return;
    }
    let folder = Folder::new();
    let site = folder.0.join("site");
    fs::create_dir(&site).unwrap();
    let mut random = Random::new(Some(1));
    let bytes: Vec<u8> = (0..1 << 17).flat_map(|_| random.bits().to_be_bytes()).collect();
    fs::write(site.join("file"), &bytes).unwrap();
    let got = folder.0.join("got");
    let mut lab = Lab::without_loss();
    // A little: TCP halves its window at each, and 1 % here and there would take it a minute.
    lab.program.type_line("link h1 s1 loss 0.1");
    lab.program.type_line(&format!("h4 socklab web-server 7000 --bind h4 --root {} &", site.display()));
    lab.program.wait_err("listening on ");
    lab.program.type_line(&format!("h1 socklab web-client h4 7000 /file --fail -o {}", got.display()));
    lab.program.type_line("h1 echo done");
    lab.program.wait_out("done");
    let ended = lab.finish();
    assert_eq!(ended.code, 0, "{ended:#?}");
    assert!(fs::read(&got).unwrap() == bytes, "{} bytes, not those that were sent", bytes.len());
}
