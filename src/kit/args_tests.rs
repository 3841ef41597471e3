//! The command line's tests: every form of flag and value, and how wrong ones are named.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::time::Duration;

use super::args::{parse, Args};
use super::error::Error;
use super::usage::{switch, timeout, Flag, Kind, Operand, Usage, HOST, V6};

const COUNT: Flag = Flag {
    name: "--count",
    short: "-c",
    value: "N",
    kind: Kind::Count(1, 10),
    default: None,
    help: "how many",
};
const TO: Flag = Flag { name: "--to", short: "", kind: Kind::Text, ..COUNT };
const LOSS: Flag = Flag { name: "--loss", short: "", kind: Kind::Percent, ..COUNT };
const QUIET: Flag = Flag { short: "-q", ..switch("--quiet", "say less") };
const NUMBERS: Flag = Flag { short: "-n", ..switch("--numbers", "no names") };
const PORT: Operand = Operand { name: "PORT", kind: Kind::Port, default: Some("7"), help: "the port" };
const TEXT: Operand = Operand { name: "TEXT", kind: Kind::Bytes, default: Some("hello"), help: "what" };

/// A client's table: operands with defaults, every form of flag.
const CLIENT: Usage = Usage {
    operands: &[HOST, PORT, TEXT],
    flags: &[COUNT, TO, LOSS, QUIET, NUMBERS, timeout("1"), V6],
    ..Usage::NONE
};
/// A table with a list, as `pack FORMAT VALUE…` has it.
const LIST: Usage = Usage {
    operands: &[Operand { name: "FORMAT", kind: Kind::Text, default: None, help: "the layout" }],
    flags: &[QUIET],
    list: Some("VALUE"),
    ..Usage::NONE
};

fn read(usage: &Usage, words: &[&str]) -> Args {
    parse(usage, words.iter().map(OsString::from)).unwrap_or_else(|error| panic!("{words:?}: {error}"))
}

fn refusal(usage: &Usage, words: &[&str]) -> String {
    match parse(usage, words.iter().map(OsString::from)) {
        Err(Error::Usage(text)) => text,
        other => panic!("{words:?} should be wrong usage, but is {other:?}"),
    }
}

#[test]
fn defaults_where_nothing_is_given() {
    let args = read(&CLIENT, &[]);
    assert_eq!((args.text("HOST"), args.port("PORT"), args.bytes("TEXT")), ("127.0.0.1", 7, &b"hello"[..]));
    assert_eq!(args.seconds("--timeout"), Duration::from_secs(1));
    assert!(!args.has("--quiet") && !args.has("--count") && !args.wants_help());
    assert_eq!((args.count_if("--count"), args.seconds_if("--count")), (None, None));
    assert!(args.all("--to").is_empty() && args.list().is_empty());
}

#[test]
fn a_value_may_be_joined_to_its_flag_or_follow_it() {
    for words in [&["--count", "5"][..], &["--count=5"], &["-c", "5"], &["-c5"], &["-qc5"], &["-qc", "5"]] {
        assert_eq!(read(&CLIENT, words).count("--count"), 5, "{words:?}");
    }
    assert_eq!(read(&CLIENT, &["--to=a=b"]).text("--to"), "a=b");
    assert_eq!(read(&CLIENT, &["--to="]).text("--to"), "");
    assert_eq!(read(&CLIENT, &["--to", "--quiet"]).text("--to"), "--quiet");
}

#[test]
fn switches_may_share_a_dash() {
    let args = read(&CLIENT, &["-nq6"]);
    assert!(args.has("--quiet") && args.has("--numbers") && args.has("-6"));
}

#[test]
fn flags_stand_before_between_and_after_operands() {
    for words in [&["-q", "h", "9"][..], &["h", "-q", "9"], &["h", "9", "-q"]] {
        let args = read(&CLIENT, words);
        assert!(args.has("--quiet"), "{words:?}");
        assert_eq!((args.text("HOST"), args.port("PORT")), ("h", 9), "{words:?}");
    }
}

#[test]
fn given_twice_the_last_counts_and_all_are_kept() {
    let args = read(&CLIENT, &["--to", "a", "--to=b", "--timeout", "5", "--timeout", "6"]);
    assert_eq!(args.all("--to"), ["a", "b"]);
    assert_eq!(args.text("--to"), "b");
    assert_eq!(args.seconds("--timeout"), Duration::from_secs(6));
}

#[test]
fn a_double_dash_ends_the_flags() {
    let args = read(&CLIENT, &["--", "-q", "9", "--help"]);
    assert!(!args.has("--quiet") && !args.wants_help());
    assert_eq!((args.text("HOST"), args.bytes("TEXT")), ("-q", &b"--help"[..]));
    assert_eq!(read(&CLIENT, &["h", "9", "--", "--"]).bytes("TEXT"), b"--");
}

#[test]
fn negative_numbers_and_a_lone_dash_are_values() {
    for text in ["-1", "-1.5", "-.5", "-1e9", "-", "-6.0"] {
        assert_eq!(read(&CLIENT, &["h", "9", text]).bytes("TEXT"), text.as_bytes());
    }
    let args = read(&CLIENT, &["h", "9", "-6"]);
    assert!(args.has("-6"), "the table has -6, so it is the flag");
    assert_eq!(args.bytes("TEXT"), b"hello");
    assert_eq!(refusal(&CLIENT, &["h", "9", "-5x"]), "unknown flag -5");
}

#[test]
fn negative_numbers_as_python_writes_them_are_values_too() {
    let numbers = ["-inf", "-Infinity", "-0x10", "-0XfF", "-0b1", "-1_000", "-0x_1f"];
    for text in numbers {
        assert_eq!(read(&CLIENT, &["h", "9", text]).bytes("TEXT"), text.as_bytes());
    }
    // The table has -n, so this is that flag and two others.
    assert_eq!(refusal(&CLIENT, &["h", "9", "-nan"]), "unknown flag -a");
    for text in ["-0x", "-0xg", "-_", "-information"] {
        assert!(refusal(&CLIENT, &["h", "9", text]).starts_with("unknown flag -"), "{text}");
    }
}

#[test]
fn every_kind_has_its_range() {
    let right = [
        ("--count", "1"),
        ("--count", "10"),
        ("--loss", "0"),
        ("--loss", "100"),
        ("--loss", "2.5"),
        ("--timeout", "0"),
        ("--timeout", "0.2"),
        ("--timeout", ".5"),
        ("--timeout", "1000000"),
    ];
    for (flag, value) in right {
        read(&CLIENT, &[flag, value]);
    }
    let count = "not a whole number from 1 to 10";
    let percent = "not a percentage from 0 to 100";
    let seconds = "not seconds from 0 to 1000000, for example 0.2";
    let port = "not a port from 0 to 65535";
    let wrong = [
        ("--count", "0", count),
        ("--count", "11", count),
        ("--count", "+5", count),
        ("--count", "-5", count),
        ("--count", "", count),
        ("--count", "1.0", count),
        ("--count", "99999999999999999999", count),
        ("--loss", "100.1", percent),
        ("--loss", "-1", percent),
        ("--loss", "nan", percent),
        ("--timeout", "1e3", seconds),
        ("--timeout", "inf", seconds),
        ("--timeout", ".", seconds),
        ("--timeout", "1000000.1", seconds),
        ("--timeout", "", seconds),
        ("h", "65536", port),
        ("h", "http", port),
        ("h", "+80", port),
        ("h", "", port),
        ("h", "-1", port),
    ];
    for (flag, value, wanted) in wrong {
        let name = if flag == "h" { "PORT" } else { flag };
        assert_eq!(refusal(&CLIENT, &[flag, value]), format!("{name} {value}: {wanted}"));
    }
    assert_eq!(refusal(&CLIENT, &[""]), "HOST : not a host name or an address");
}

#[test]
fn what_is_wrong_is_named() {
    for (words, text) in [
        (&["h", "9", "t", "more"][..], "one argument too many: more"),
        (&["--qiet"], "unknown flag --qiet (did you mean --quiet?)"),
        (&["--zzzzzzzzzz"], "unknown flag --zzzzzzzzzz"),
        (&["-qx"], "unknown flag -x"),
        (&["--quiet=yes"], "--quiet takes no value"),
        (&["--count"], "--count needs a value: N"),
        (&["-c"], "--count needs a value: N"),
        (&["--\x1b[2J"], "unknown flag --\\x1b[2J"),
    ] {
        assert_eq!(refusal(&CLIENT, words), text);
    }
    assert_eq!(refusal(&LIST, &[]), "FORMAT is missing: the layout");
}

#[test]
fn bytes_that_are_not_text() {
    let words = ["h", "9"].map(OsString::from).into_iter();
    let args = parse(&CLIENT, words.chain([OsString::from_vec(b"\xff\x00a".to_vec())]));
    assert_eq!(args.unwrap().bytes("TEXT"), b"\xff\x00a");
    let error = parse(&CLIENT, [OsString::from_vec(b"\xff".to_vec())]).unwrap_err();
    assert_eq!(error.to_string(), "HOST \\xff: not a host name or an address");
    let error = parse(&CLIENT, [OsString::from("-ü")]).unwrap_err();
    assert_eq!(error.to_string(), "unknown flag -ü");
}

#[test]
fn after_the_last_operand_of_a_list_everything_is_a_value() {
    let args = read(&LIST, &["-q", "=iif", "-1", "-q", "--", "--help"]);
    assert_eq!(args.text("FORMAT"), "=iif");
    assert!(args.has("--quiet") && !args.wants_help());
    assert_eq!(args.list(), ["-1", "-q", "--", "--help"]);
    assert!(read(&LIST, &["--", "-q"]).list().is_empty());
}

#[test]
fn help_needs_nothing_else() {
    for words in [&["--help"][..], &["-h"], &["-qh"], &["-q", "--help"]] {
        assert!(read(&LIST, words).wants_help(), "{words:?}");
    }
}
