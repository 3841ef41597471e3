//! IoT lab 1, task 1.4: `pack`, `unpack`, `pack-server`, `pack-client`, and 100,000 random formats and
//! values against CPython's `struct`.

mod common;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::{Command, Stdio};
use std::thread;

use common::{can_run, installed, socklab, Program};
use socklab::kit::random::Random;
use socklab::pack::codec::{pack, unpack};
use socklab::pack::format::{Code, Format, Kind};
use socklab::pack::program::hex;
use socklab::pack::value::{tuple, Value};

#[test]
fn pack_and_unpack_show_what_struct_does() {
    for (words, shown) in [
        (&["pack", "<iif", "1", "4", "2.7"][..], "0100000004000000cdcc2c40"),
        (&["pack", "!iif", "1", "4", "2.7"], "0000000100000004402ccccd"),
        (&["pack", ">hl", "-1", "-2"], "fffffffffffe"),
        (&["pack", "<4s?c", "--é", "True", "-"], "2d2dc3a9012d"),
        (&["pack", "<i", "-5"], "fbffffff"),
        (&["pack", ""], ""),
        (&["unpack", "<iif", "0100000004000000cdcc2c40"], "(1, 4, 2.700000047683716)"),
        (&["unpack", "!h?", "ffff 02"], "(-1, True)"),
        (&["unpack", "<3s", "610A", "27"], "(b\"a\\n'\",)"),
        (&["unpack", "2x", "0000"], "()"),
    ] {
        let ended = socklab(words, b"");
        assert_eq!((ended.code, ended.out), (0, vec![shown.to_string()]), "{words:?}: {:?}", ended.err);
    }
}

#[test]
fn wrong_usage_says_which_character_and_why() {
    for (words, part) in [
        (&["pack", "z", "1"][..], "format \"z\": 'z': no format character"),
        (&["pack", "<n", "1"], "'n'"),
        (&["pack", "<b", "300"], "'b' takes -128 to 127, not 300"),
        (&["pack", "<i", "2.5"], "'i' takes an integer"),
        (&["pack", "<i", "five"], "'i' takes an integer, and five is none"),
        (&["pack", "<ii", "1"], "takes 2 values, not 1"),
        (&["pack", "<999999999s", "a"], "at most"),
        (&["pack", "<9999999999999999999s", "a"], "longer than memory"),
        (&["pack", "<i", "\u{1b}[2J"], "\\x1b[2J"),
        (&["unpack", "<i", "010203"], "the format has 4 bytes, not 3"),
        (&["unpack", "<i", "0102030"], "7 hex digits"),
        (&["unpack", "<i", "0x000001"], "x is no hex digit"),
        (&["pack-server", "0", "--format", "2x3"], "the count 3"),
        (&["pack-server", "0", "--format", ""], "without bytes"),
    ] {
        let ended = socklab(words, b"");
        assert_eq!(ended.code, 2, "{words:?}: {ended:?}");
        assert!(ended.err[0].contains(part), "{words:?}: {ended:?}");
        assert!(ended.err[1].starts_with("usage: "), "{ended:?}");
    }
}

#[test]
fn the_sheets_client_and_server() {
    let mut server = Program::socklab(&["pack-server", "0", "--format", "<iif"]);
    let port = server.port().to_string();
    // Flags before the operands, and after them.
    for (words, first) in [
        (&["--format", "<iif", "127.0.0.1", &port][..], ("01000000", "1")),
        (&["127.0.0.1", &port, "--format=<iif", "-1", "4", "2.7"], ("ffffffff", "-1")),
    ] {
        let client = socklab(&[&["pack-client"], words].concat(), b"");
        let sent = format!("\"{}04000000cdcc2c40\"", first.0);
        assert_eq!((client.code, client.out), (0, vec![format!("Sending {sent}")]), "{:?}", client.err);
        server.wait_out(&format!("Received {sent}"));
        server.wait_out(&format!("Unpacked: ({}, 4, 2.700000047683716)", first.1));
    }
    server.stop_cleanly(&[]);
}

// The contract: an argument that reads as a negative number is a value.
#[test]
fn negative_values_stand_where_flags_may_stand_too() {
    let mut server = Program::socklab(&["pack-server", "0", "--format", ">fi3s"]);
    let port = server.port().to_string();
    let client = |values: &[&str]| {
        socklab(&[&["pack-client", "--format", ">fi3s", "127.0.0.1", &port], values].concat(), b"")
    };
    assert_eq!(client(&["-inf", "-0x10", "abc"]).code, 0);
    server.wait_out("Unpacked: (-inf, -16, b'abc')");
    assert_eq!(client(&["-1_000.5", "-2", "--", "-a"]).code, 0);
    server.wait_out("Unpacked: (-1000.5, -2, b'-a\\x00')");
    let ended = client(&["1", "2", "-a"]);
    assert!(ended.code == 2 && ended.err[0].contains("unknown flag -a (before a value"), "{ended:#?}");
    server.stop_cleanly(&[]);
}

#[test]
fn a_message_is_as_many_bytes_as_the_format_has_however_they_arrive() {
    let mut server = Program::socklab(&["pack-server", "0", "--format", ">IH"]);
    let port = server.port();
    // Byte by byte, and two and a half messages at once: TCP promises neither.
    let mut slow = TcpStream::connect(("127.0.0.1", port)).unwrap();
    slow.set_nodelay(true).unwrap();
    for byte in [0, 0, 0, 1, 0, 2] {
        slow.write_all(&[byte]).unwrap();
        thread::yield_now();
    }
    server.wait_out("Unpacked: (1, 2)");
    slow.write_all(&[0, 0, 0, 3, 0, 4, 0, 0, 0, 5, 0, 6, 9, 9]).unwrap();
    server.wait_out("Unpacked: (3, 4)");
    server.wait_out("Unpacked: (5, 6)");
    slow.shutdown(Shutdown::Write).unwrap();
    server.wait_err("the client closed after 2 of 6 bytes");
    // A short message is the end of its own conversation and of no other.
    for short in 0..6 {
        let mut client = TcpStream::connect(("127.0.0.1", port)).unwrap();
        client.write_all(&vec![7; short]).unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        assert_eq!(client.read(&mut [0; 9]).unwrap(), 0);
        server.wait_err(&format!("the client closed after {short} of 6 bytes"));
    }
    socklab(&["pack-client", "--format", ">IH", "127.0.0.1", &port.to_string(), "7", "8"], b"");
    server.wait_out("Unpacked: (7, 8)");
    server.stop_cleanly(&["the client closed after"]);
}

/// What python3 does with each case: `pack` then `unpack`, or the word `error`. One case a line.
const PEER: &str = r#"
import struct, sys
nan, inf = float("nan"), float("inf")
for line in sys.stdin:
    what, form, argument = eval(line)
    form = bytes.fromhex(form)
    try:
        if what == "pack":
            print(struct.pack(form, *argument).hex())
        else:
            print(struct.unpack(form, argument))
    except (struct.error, OverflowError, TypeError) as e:
        print("error")
"#;

#[test]
fn a_hundred_thousand_random_cases_are_as_in_cpython() {
    if !can_run(installed("python3"), "python3 is the peer") {
        return;
    }
    const CASES: usize = 100_000;
    let mut random = Random::new(Some(17));
    let mut input = String::new();
    let mut ours = Vec::new();
    while ours.len() < CASES {
        let text = random_format(&mut random);
        // A wrong format is tried, too: with no values.
        let format = Format::parse(text.as_bytes());
        let codes = format.as_ref().map_or(Vec::new(), |format| {
            format.fields.iter().flat_map(|field| vec![field.code; field.values()]).collect()
        });
        let mut values: Vec<Value> = codes.iter().map(|&code| random_value(&mut random, code)).collect();
        if random.chance(2.0) && values.pop().is_none() {
            values.push(Value::Int(1));
        }
        let list: Vec<String> = values.iter().map(Value::repr).collect();
        let hex_text = hex(text.as_bytes());
        input += &format!("\"pack\", \"{hex_text}\", [{}]\n", list.join(", "));
        let packed = format.clone().and_then(|format| pack(&format, &values));
        ours.push((text.clone(), packed.as_ref().map_or("error".into(), |bytes| hex(bytes))));
        let Ok(format) = format else { continue };
        let length = format.size + usize::from(random.chance(2.0));
        let bytes: Vec<u8> = (0..length).map(|_| random.bits() as u8).collect();
        input += &format!("\"unpack\", \"{hex_text}\", bytes.fromhex(\"{}\")\n", hex(&bytes));
        let unpacked = unpack(&format, &bytes);
        ours.push((text, unpacked.map_or("error".into(), |values| tuple(&values))));
    }
    let mut python = Command::new("python3")
        .args(["-c", PEER])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3");
    let mut stdin = python.stdin.take().unwrap();
    let cases: Vec<String> = input.lines().map(str::to_string).collect();
    let writer = thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = python.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    let theirs = String::from_utf8(output.stdout).unwrap();
    let theirs: Vec<&str> = theirs.lines().collect();
    assert_eq!(theirs.len(), ours.len());
    let mut errors = 0;
    for ((case, (format, ours)), theirs) in cases.iter().zip(&ours).zip(theirs) {
        assert_eq!(ours, theirs, "format {format:?}, case {case}");
        errors += usize::from(theirs == "error");
    }
    // The generator should make both kinds.
    assert!((CASES / 50..CASES / 3).contains(&errors), "{errors} errors in {CASES} cases");
}

/// A format of up to eight items, one in fifty wrong.
fn random_format(random: &mut Random) -> String {
    let pick = |random: &mut Random, from: &str| {
        char::from(from.as_bytes()[random.below(from.len() as u64) as usize]).to_string()
    };
    let order = pick(random, "@=<>!-").replace('-', "");
    let standard = !order.is_empty() && order != "@";
    let mut format = order;
    for _ in 0..random.below(9) {
        if random.chance(10.0) {
            format += &pick(random, " \t\n\r\x0b\x0c");
        }
        let letter = match random.chance(0.5) {
            true => pick(random, "zXr3 <é@"),
            false if standard => pick(random, "xcbB?hHiIlLqQefdsp"),
            false => pick(random, "xcbB?hHiIlLqQefdspnNP"),
        };
        let count = match random.below(20) {
            0 => "0".to_string(),
            1 => "00".to_string() + &random.below(4).to_string(),
            2..=6 => random.below(5).to_string(),
            7 if letter == "s" || letter == "p" => random.below(400).to_string(),
            8 if random.chance(1.0) => "99999999999999999999".to_string(),
            _ => String::new(),
        };
        // CPython 3.11 fails on unpacking `0p` (SystemError: negative size); here it is an empty text.
        let count = if letter == "p" && count.trim_matches('0').is_empty() { String::new() } else { count };
        format += &(count + &letter);
    }
    format
}

/// A value for a format character: mostly one that fits, often at an edge, at times of another type.
fn random_value(random: &mut Random, code: Code) -> Value {
    let kind = match random.below(200) {
        0 => Kind::Text,
        1 => Kind::Float,
        2 => Kind::Bool,
        3 => Kind::Signed,
        _ => code.kind,
    };
    match kind {
        Kind::Char => Value::Bytes(vec![random.bits() as u8]),
        Kind::Text | Kind::Pascal => {
            let most = if random.chance(5.0) { 400 } else { 8 };
            let length = random.below(most);
            Value::Bytes((0..length).map(|_| random.bits() as u8).collect())
        }
        Kind::Bool | Kind::Pad => Value::Bool(random.chance(50.0)),
        Kind::Float => random_float(random),
        Kind::Signed | Kind::Unsigned | Kind::Pointer => {
            let bits = 8 * code.size as u32;
            let edge = 1i128 << (bits - u32::from(kind == Kind::Signed));
            match random.below(40) {
                0 => Value::Int(edge),
                1 => Value::Int(edge - 1),
                2 => Value::Int(-edge),
                3 => Value::Int(-edge - 1),
                4 => Value::Int(-1),
                5 => Value::Huge("9".repeat(40 + random.below(300) as usize)),
                _ if kind == Kind::Signed => Value::Int(i128::from(
                    random.bits() as i64 >> (64 - bits + random.below(8) as u32).min(63),
                )),
                _ => Value::Int(i128::from(random.bits() >> (64 - bits))),
            }
        }
    }
}

/// A float: any bits, or a number near one of the limits of the smaller formats.
fn random_float(random: &mut Random) -> Value {
    let number = match random.below(12) {
        0 => f64::from_bits(random.bits()),
        1 => f64::INFINITY,
        2 => f64::NAN,
        3 => 65519.0 + random.fraction() * 2.0,
        4 => f64::from(f32::MAX) * (1.0 + (random.fraction() - 0.5) * 1e-7),
        5 => 2f64.powi(-26 + random.below(14) as i32) * (1.0 + random.below(4096) as f64 / 4096.0),
        6 => f64::from(f32::from_bits(random.bits() as u32)),
        7 => random.below(100_000) as f64 / 100.0,
        8 => f64::from(random.below(5000) as u16) + 0.5,
        _ => 10f64.powi(random.below(40) as i32 - 20) * random.fraction(),
    };
    if number.is_nan() {
        return Value::Float(f64::NAN);
    }
    Value::Float(if random.chance(30.0) { -number } else { number })
}
