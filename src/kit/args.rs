//! The command line, parsed by the same table that `--help` is printed from.
//!
//! Each exercise declares a [`Usage`]: its operands (given by position) and its flags. [`parse`]
//! checks every value against its [`Kind`], so that a wrong one is reported before anything runs.
//! `getopt` and `argparse` do the same for C and Python.
//!
//! `--flag VALUE`, `--flag=VALUE`, `-c 5`, `-c5` and joined switches (`-nq`) are understood. `--` ends
//! the flags; an argument that reads as a negative number is a value, and so is a lone `-`.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::time::Duration;

use super::error::Error;
use super::nearest::nearest;
use super::screen::escape;
use super::usage::{Flag, Kind, Usage};

/// The values of one call. Each getter takes the name by which the table declares the value; asking
/// for one that the table lacks is a mistake in the program and panics.
#[derive(Debug, Default)]
pub struct Args {
    values: HashMap<&'static str, Vec<OsString>>,
    list: Vec<OsString>,
    help: bool,
}

impl Args {
    /// Whether `--help` was asked for.
    pub fn wants_help(&self) -> bool {
        self.help
    }

    /// Whether a flag was given, or a value exists by default.
    pub fn has(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    /// Every value of a flag that may be repeated, in order.
    pub fn all(&self, name: &str) -> &[OsString] {
        self.values.get(name).map_or(&[], Vec::as_slice)
    }

    /// The values after the last operand, for a [`Usage`] with a list.
    pub fn list(&self) -> &[OsString] {
        &self.list
    }

    /// The value as it was typed. A value given twice counts as given last.
    pub fn bytes(&self, name: &str) -> &[u8] {
        self.value(name).as_bytes()
    }

    /// A value of kind `Text` or `Host`.
    pub fn text(&self, name: &str) -> &str {
        self.value(name).to_str().unwrap_or_default()
    }

    /// A value of kind `Path`.
    pub fn path(&self, name: &str) -> &Path {
        Path::new(self.value(name))
    }

    /// A value of kind `Port`.
    pub fn port(&self, name: &str) -> u16 {
        self.text(name).parse().unwrap_or_default()
    }

    /// A value of kind `Count`.
    pub fn count(&self, name: &str) -> u64 {
        self.text(name).parse().unwrap_or_default()
    }

    /// A value of kind `Count` that may be missing.
    pub fn count_if(&self, name: &str) -> Option<u64> {
        self.has(name).then(|| self.count(name))
    }

    /// A value of kind `Seconds`.
    pub fn seconds(&self, name: &str) -> Duration {
        Duration::try_from_secs_f64(self.number(name)).unwrap_or_default()
    }

    /// A value of kind `Seconds` that may be missing.
    pub fn seconds_if(&self, name: &str) -> Option<Duration> {
        self.has(name).then(|| self.seconds(name))
    }

    /// A value of kind `Percent`.
    pub fn number(&self, name: &str) -> f64 {
        self.text(name).parse().unwrap_or_default()
    }

    fn value(&self, name: &str) -> &OsStr {
        match self.values.get(name).and_then(|values| values.last()) {
            Some(value) => value,
            None => panic!("{name} is asked for, but the exercise's table does not declare it"),
        }
    }

    fn set(&mut self, name: &'static str, value: OsString) {
        self.values.entry(name).or_default().push(value);
    }
}

/// Parses the words after the exercise's name. Errs with [`Error::Usage`].
pub fn parse(usage: &Usage, words: impl IntoIterator<Item = OsString>) -> Result<Args, Error> {
    let mut args = Args::default();
    let mut words = words.into_iter();
    let mut operands = usage.operands.iter();
    let mut flags_ended = false;
    while let Some(word) = words.next() {
        let bytes = word.as_bytes();
        if !flags_ended && bytes == b"--" {
            flags_ended = true;
        } else if flags_ended || !is_flag(usage, bytes) {
            match operands.next() {
                Some(operand) => {
                    check(operand.name, operand.kind, &word)?;
                    args.set(operand.name, word);
                    flags_ended |= usage.list.is_some() && !usage.flags_anywhere;
                }
                None if usage.list.is_some() => args.list.push(word),
                None => return Err(wrong(format!("one argument too many: {}", escape(bytes)))),
            }
        } else if bytes.starts_with(b"--") {
            long_flag(usage, &mut args, &word, &mut words)?;
        } else {
            letters(usage, &mut args, bytes, &mut words)?;
        }
    }
    if args.help {
        return Ok(args);
    }
    for operand in operands {
        match operand.default {
            Some(value) => args.set(operand.name, value.into()),
            None => return Err(wrong(format!("{} is missing: {}", operand.name, operand.help))),
        }
    }
    for flag in usage.flags {
        if let (Some(value), false) = (flag.default, args.has(flag.name)) {
            args.set(flag.name, value.into());
        }
    }
    Ok(args)
}

/// Whether a word is a flag: not a lone `-`, and not a negative number unless the table has it
/// (`-4` and `-6` choose the address family).
fn is_flag(usage: &Usage, word: &[u8]) -> bool {
    let text = std::str::from_utf8(word).unwrap_or_default();
    match word {
        [b'-', b'0'..=b'9' | b'.', ..] => usage.flag(text).is_some() || text.parse::<f64>().is_err(),
        [b'-', _, ..] => true,
        _ => false,
    }
}

/// `--flag`, `--flag VALUE` or `--flag=VALUE`.
fn long_flag(
    usage: &Usage,
    args: &mut Args,
    word: &OsStr,
    words: &mut impl Iterator<Item = OsString>,
) -> Result<(), Error> {
    let mut parts = word.as_bytes().splitn(2, |&byte| byte == b'=');
    let name = String::from_utf8_lossy(parts.next().unwrap_or_default()).into_owned();
    let joined = parts.next().map(|value| OsString::from_vec(value.to_vec()));
    if name == "--help" {
        args.help = true;
        return Ok(());
    }
    let Some(flag) = usage.flag(&name) else {
        // Without their dashes, which all have in common and which would make any two look alike.
        let known = usage.flags.iter().filter_map(|flag| flag.name.strip_prefix("--"));
        let hint =
            nearest(&name[2..], known).map_or(String::new(), |near| format!(" (did you mean --{near}?)"));
        return Err(wrong(format!("unknown flag {}{hint}", escape(name.as_bytes()))));
    };
    take(args, flag, joined, words)
}

/// `-c 5`, `-c5`, or several switches in one word: `-nq`.
fn letters(
    usage: &Usage,
    args: &mut Args,
    word: &[u8],
    words: &mut impl Iterator<Item = OsString>,
) -> Result<(), Error> {
    let mut rest = &word[1..];
    while let [letter, after @ ..] = rest {
        let name = format!("-{}", char::from(*letter));
        if name == "-h" {
            args.help = true;
            return Ok(());
        }
        let Some(flag) = usage.flag(&name) else {
            // `-inf` and `-0x10` are values for Python's struct, and flags by their look.
            let hint = if usage.list.is_some() { " (before a value that begins with -, put --)" } else { "" };
            return Err(wrong(format!("unknown flag -{}{hint}", escape(first_character(rest)))));
        };
        rest = after;
        if matches!(flag.kind, Kind::Switch) {
            take(args, flag, None, words)?;
        } else {
            let joined = (!rest.is_empty()).then(|| OsString::from_vec(rest.to_vec()));
            return take(args, flag, joined, words);
        }
    }
    Ok(())
}

/// The first character of a word's rest; its first byte where that is not UTF-8.
fn first_character(bytes: &[u8]) -> &[u8] {
    let first = bytes.utf8_chunks().next().and_then(|chunk| chunk.valid().chars().next());
    &bytes[..first.map_or(1, char::len_utf8)]
}

/// Stores a flag's value: the one joined to it, or the next word.
fn take(
    args: &mut Args,
    flag: &'static Flag,
    joined: Option<OsString>,
    words: &mut impl Iterator<Item = OsString>,
) -> Result<(), Error> {
    let value = match (flag.kind, joined) {
        (Kind::Switch, Some(_)) => return Err(wrong(format!("{} takes no value", flag.name))),
        (Kind::Switch, None) => OsString::new(),
        (_, Some(value)) => value,
        (_, None) => {
            words.next().ok_or_else(|| wrong(format!("{} needs a value: {}", flag.name, flag.value)))?
        }
    };
    check(flag.name, flag.kind, &value)?;
    args.set(flag.name, value);
    Ok(())
}

/// Whether a value is of its kind.
fn check(name: &str, kind: Kind, value: &OsStr) -> Result<(), Error> {
    let text = value.to_str();
    let plain_number = || {
        let text = text.filter(|text| text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.'))?;
        text.parse::<f64>().ok()
    };
    let whole = || text.filter(|text| !text.starts_with('+'))?.parse::<u64>().ok();
    let (fits, wanted) = match kind {
        Kind::Switch | Kind::Bytes => return Ok(()),
        Kind::Text => (text.is_some(), "UTF-8 text".to_string()),
        Kind::Path => (!value.is_empty(), "the name of a file".to_string()),
        Kind::Host => (text.is_some_and(|host| !host.is_empty()), "a host name or an address".to_string()),
        Kind::Port => (whole().is_some_and(|port| port <= 65_535), "a port from 0 to 65535".to_string()),
        Kind::Count(least, most) => {
            let most_text = if most == u64::MAX { "up".to_string() } else { format!("to {most}") };
            let fits = whole().is_some_and(|number| (least..=most).contains(&number));
            (fits, format!("a whole number from {least} {most_text}"))
        }
        Kind::Seconds(most) => {
            let fits = plain_number().is_some_and(|seconds| seconds <= f64::from(most));
            (fits, format!("seconds from 0 to {most}, for example 0.2"))
        }
        Kind::Percent => {
            let fits = plain_number().is_some_and(|percent| percent <= 100.0);
            (fits, "a percentage from 0 to 100".to_string())
        }
    };
    if fits {
        return Ok(());
    }
    Err(wrong(format!("{name} {}: not {wanted}", escape(value.as_bytes()))))
}

fn wrong(text: String) -> Error {
    Error::Usage(text)
}

#[cfg(test)]
mod tests {
    use super::super::usage::{switch, timeout, Operand, HOST, V6};
    use super::*;

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
        assert_eq!(
            (args.text("HOST"), args.port("PORT"), args.bytes("TEXT")),
            ("127.0.0.1", 7, &b"hello"[..])
        );
        assert_eq!(args.seconds("--timeout"), Duration::from_secs(1));
        assert!(!args.has("--quiet") && !args.has("--count") && !args.wants_help());
        assert_eq!((args.count_if("--count"), args.seconds_if("--count")), (None, None));
        assert!(args.all("--to").is_empty() && args.list().is_empty());
    }

    #[test]
    fn a_value_may_be_joined_to_its_flag_or_follow_it() {
        for words in [&["--count", "5"][..], &["--count=5"], &["-c", "5"], &["-c5"], &["-qc5"], &["-qc", "5"]]
        {
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
}
