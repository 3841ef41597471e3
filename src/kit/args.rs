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

/// Whether a word is a flag: not a lone `-`, and not a negative number unless the table has it (`-4` and
/// `-6` choose the address family) or, for a number in words, its letter (`-inf` where there is `-i`).
fn is_flag(usage: &Usage, word: &[u8]) -> bool {
    let text = std::str::from_utf8(word).unwrap_or_default();
    let as_flag = match word {
        [b'-', b'0'..=b'9' | b'.', ..] => text,
        [b'-', _, ..] => text.get(..2).unwrap_or_default(),
        _ => return false,
    };
    usage.flag(as_flag).is_some() || !is_number(text)
}

/// Whether a word is a number as Python writes it: `-1.5`, `-1_000`, `-inf`, `-0x1f`.
fn is_number(text: &str) -> bool {
    let plain = text.replace('_', "").to_ascii_lowercase();
    let whole = |prefix: &str, radix: u32| {
        plain.strip_prefix(prefix).is_some_and(|digits| i128::from_str_radix(digits, radix).is_ok())
    };
    plain.parse::<f64>().is_ok() || whole("-0x", 16) || whole("-0o", 8) || whole("-0b", 2)
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
            // A text for Python's struct may look like a flag.
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
