//! `chat-room` with many members, and with members that misbehave at random.
//!
//! `make test` plays both small. `SOCKLAB_SOAK=1 cargo test --release --test chat_soak -- --nocapture`
//! plays them in full: a thousand members, and a minute of chaos. The seed of the chaos is printed and
//! can be given again in `SOCKLAB_SEED`.

mod common;

use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use common::chat::{hear, join, room, say};
use common::clients::{connect, reset};
use common::system::memory;
use common::PATIENCE;
use socklab::kit::random::Random;

/// The two tests take turns, or each would be the other's busy machine.
static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn full() -> bool {
    env::var_os("SOCKLAB_SOAK").is_some_and(|value| value == "1")
}

/// A thread that reads a member's lines and checks that those of `speaker` count up from zero without
/// a gap; ends when `last` has come, or with the connection. Returns how many came.
fn witness(stream: &TcpStream, speaker: &str, last: u64) -> JoinHandle<u64> {
    let (stream, speaker) = (stream.try_clone().unwrap(), format!("{speaker}: "));
    let body = move || {
        let mut expected = 0;
        for line in BufReader::new(stream).lines() {
            let line = line.expect("a member that reads is not dropped");
            let Some(number) = line.strip_prefix(&speaker) else { continue };
            assert_eq!(number.parse(), Ok(expected), "out of order, or one is missing: {line}");
            expected += 1;
            if expected == last {
                break;
            }
        }
        expected
    };
    thread::Builder::new().stack_size(128 * 1024).spawn(body).unwrap()
}

/// A member that is called `speaker`: before anybody else can take the name.
fn speaker(port: u16) -> TcpStream {
    let stream = join(port);
    say(&stream, "/name speaker");
    assert_eq!(hear(&stream), "* you are now speaker");
    stream
}

#[test]
fn every_line_reaches_everyone_in_order() {
    let _alone = alone();
    let (members, lines) = if full() { (1000, 1000) } else { (150, 300) };
    let (server, port) = room(&["--rate", "200"]);
    let speaker = speaker(port);
    let listeners: Vec<TcpStream> = (0..members).map(|_| join(port)).collect();
    let witnesses: Vec<_> = listeners.iter().map(|stream| witness(stream, "speaker", lines)).collect();
    let start = Instant::now();
    for number in 0..lines {
        say(&speaker, &number.to_string());
    }
    for witness in witnesses {
        assert_eq!(witness.join().expect("in order"), lines);
    }
    let seconds = start.elapsed().as_secs_f64();
    let resident = memory(server.pid(), "VmHWM");
    println!("{members} members, {lines} lines, each to everyone in order: {seconds:.1} s, {resident} KiB");
    assert!(resident < 20_000 + 64 * members, "{resident} KiB");
    drop((speaker, listeners));
    server.stop_cleanly(&[]);
}

/// One that does something rude, again and again, until told to stop.
fn rude(port: u16, seed: u64, stop: &AtomicBool, deeds: &AtomicU64) {
    let mut random = Random::new(Some(seed));
    while !stop.load(Ordering::Relaxed) {
        let mut stream = connect(port);
        stream.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
        let pause = Duration::from_millis(random.below(200));
        // Whatever it does may fail: the room may have let it go.
        match random.below(8) {
            // Comes and goes.
            0 => {}
            // Talks a little and reads.
            1 => {
                for number in 0..random.below(20) {
                    let _ = stream.write_all(format!("talk {number}\n").as_bytes());
                }
                stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
                let _ = stream.read(&mut [0; 4096]);
            }
            // Floods without reading, in lines or in one without an end.
            2 => {
                let line = if random.chance(50.0) { "flood\n".repeat(2000) } else { "x".repeat(20_000) };
                while !stop.load(Ordering::Relaxed) && stream.write_all(line.as_bytes()).is_ok() {}
            }
            // Stalls: asks and does not read the answers.
            3 => {
                let _ = stream.write_all("/who\n/help\n".repeat(500).as_bytes());
                thread::sleep(pause * 10);
            }
            // Leaves with a reset.
            4 => reset(stream),
            // Takes names, its own and others'.
            5 => {
                for _ in 0..20 {
                    let name = ["speaker", "ann", "bob", "guest3", "\u{1b}[2J"][random.below(5) as usize];
                    let _ = stream.write_all(format!("/name {name}\n/msg ann psst\n").as_bytes());
                }
                thread::sleep(pause);
            }
            // Bytes that mean nothing.
            6 => {
                let noise: Vec<u8> = (0..random.below(5000)).map(|_| random.bits() as u8).collect();
                let _ = stream.write_all(&noise);
            }
            // Stays, silent and deaf.
            _ => thread::sleep(pause * 5),
        }
        deeds.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn members_that_misbehave_at_random_do_not_stop_the_room() {
    let _alone = alone();
    let (seconds, crowd) = if full() { (60, 40) } else { (4, 12) };
    let seed = env::var("SOCKLAB_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed: u64 = seed.unwrap_or_else(|| Random::new(None).bits());
    println!("seed {seed}");
    let (server, port) = room(&[]);
    let descriptors = || fs::read_dir(format!("/proc/{}/fd", server.pid())).unwrap().count();
    let before = descriptors();
    let speaker = speaker(port);
    let listeners: Vec<TcpStream> = (0..3).map(|_| join(port)).collect();
    let witnesses: Vec<_> = listeners.iter().map(|stream| witness(stream, "speaker", u64::MAX)).collect();
    let (stop, deeds) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let rude: Vec<_> = (0..crowd)
        .map(|number| {
            let (stop, deeds) = (Arc::clone(&stop), Arc::clone(&deeds));
            thread::spawn(move || rude(port, seed ^ number, &stop, &deeds))
        })
        .collect();
    // The speaker reads too, or it would be one of those that do not.
    let heard = {
        let stream = speaker.try_clone().unwrap();
        thread::spawn(move || BufReader::new(stream).lines().map_while(Result::ok).count())
    };
    let start = Instant::now();
    let mut said = 0;
    while start.elapsed() < Duration::from_secs(seconds) {
        say(&speaker, &said.to_string());
        said += 1;
        thread::sleep(Duration::from_millis(20));
    }
    stop.store(true, Ordering::Relaxed);
    for rude in rude {
        rude.join().expect("a rude one ends");
    }
    let resident = memory(server.pid(), "VmHWM");
    // Once they have gone, so has what they took.
    let deadline = Instant::now() + PATIENCE;
    while descriptors() > before + 8 {
        assert!(Instant::now() < deadline, "{} descriptors, {before} before", descriptors());
        thread::sleep(Duration::from_millis(20));
    }
    say(&speaker, "/quit");
    assert!(heard.join().unwrap() > 0);
    let ended = server.stop_cleanly(&["lines of the transcript were left out"]);
    for witness in witnesses {
        assert_eq!(witness.join().expect("in order"), said, "each line reached those that read");
    }
    let deeds = deeds.load(Ordering::Relaxed);
    println!("{seconds} s, {crowd} rude at once, {deeds} deeds, {said} lines through: {resident} KiB");
    println!("{}", ended.err.last().unwrap());
    assert!(resident < 100_000, "{resident} KiB");
}
