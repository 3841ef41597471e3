//! What a member of the room has typed: commands, names and text. No I/O, no state.
//!
//! ```text
//! hello            said to everyone else as `name: hello`
//! /name ann        from now on I am ann
//! /who             who is here?
//! /me waves        everyone else sees `~ name waves`
//! /msg bob psst    only bob sees `name (to you): psst`
//! /quit            leave
//! /help            what can I type?
//! //etc/hosts      text that begins with a slash: said as `/etc/hosts`
//! ```
//!
//! No text of a member can be taken for a line of the room itself. The room's begin with `* `, and a
//! member's with its name, which has only letters, digits and `-_.`, or with `~ ` and the name.

/// What `/help` answers.
pub const HELP: [&str; 3] = [
    "a line is said to everyone; begin it with // if it begins with a slash",
    "/name NAME takes a name, /who lists who is here, /me TEXT tells what you do",
    "/msg NAME TEXT is for one alone, /quit leaves",
];

/// The longest name, in characters.
pub const LONGEST_NAME: usize = 24;

/// A line, understood.
#[derive(Debug, PartialEq, Eq)]
pub enum Phrase<'a> {
    /// Said to everyone else.
    Say(&'a str),
    /// `/me`: told to everyone else.
    Act(&'a str),
    /// `/msg`: for one member: the name, the text.
    Whisper(&'a str, &'a str),
    /// `/name`.
    Name(&'a str),
    /// `/who`.
    Who,
    /// `/help`.
    Help,
    /// `/quit`.
    Quit,
    /// No command, or one that lacks something: what to tell the member.
    Wrong(&'static str),
}

/// Understands a line that has gone through [`clean`].
pub fn parse(line: &str) -> Phrase<'_> {
    let Some(command) = line.strip_prefix('/') else { return Phrase::Say(line) };
    if command.starts_with('/') {
        return Phrase::Say(command);
    }
    let (word, rest) = command.split_once(' ').unwrap_or((command, ""));
    let rest = rest.trim();
    match word {
        "name" if rest.is_empty() => Phrase::Wrong("which name? /name NAME"),
        "name" => Phrase::Name(rest),
        "who" => Phrase::Who,
        "me" if rest.is_empty() => Phrase::Wrong("what do you do? /me TEXT"),
        "me" => Phrase::Act(rest),
        "msg" => match rest.split_once(' ') {
            Some((name, text)) => Phrase::Whisper(name, text.trim_start()),
            None => Phrase::Wrong("to whom, and what? /msg NAME TEXT"),
        },
        "quit" => Phrase::Quit,
        "help" => Phrase::Help,
        _ => Phrase::Wrong("there is no such command; /help lists them"),
    }
}

/// A member's bytes as another's terminal may have them: control characters, the characters that
/// change line or writing direction, and bytes that are not UTF-8 become `\u{fffd}`, a tab a blank.
///
/// Not [`crate::kit::screen::escape`]: that doubles a `\` for whoever reads a transcript, and this text
/// goes on to clients that may escape it again. The caller collects whole lines first, so a character
/// that was cut in two on its way is whole here.
pub fn clean(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.chars()
        .map(|character| match character {
            '\t' => ' ',
            '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => char::REPLACEMENT_CHARACTER,
            control if control.is_control() => char::REPLACEMENT_CHARACTER,
            printable => printable,
        })
        .collect()
}

/// Whether a name may be taken. Errs with what to tell the member.
pub fn check_name(name: &str) -> Result<(), &'static str> {
    if name.chars().count() > LONGEST_NAME {
        return Err("a name has 24 characters at most");
    }
    // Alphabetic, for Unicode, are also four Hangul letters that are blank, and marks that are drawn over
    // the letter before them.
    let unseen = |character: char| matches!(character, '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}');
    let plain = |character: char| {
        (character.is_alphanumeric() && !unseen(character) && !is_mark(character))
            || "-_.".contains(character)
    };
    if name.is_empty() || !name.chars().all(plain) {
        return Err("a name has letters, digits and -_. only");
    }
    Ok(())
}

/// Whether a character is drawn over or beside the one before it. std has no table of these; the blocks
/// that hold nothing else, and the marks in the blocks of Hebrew and Arabic. Scripts whose vowels are such
/// marks (those of India, Thai) need them to be read, so theirs are allowed: the limit of this rule.
fn is_mark(character: char) -> bool {
    matches!(character,
        '\u{300}'..='\u{36f}'
        | '\u{483}'..='\u{489}'
        | '\u{591}'..='\u{5c7}'
        | '\u{610}'..='\u{61a}'
        | '\u{64b}'..='\u{65f}'
        | '\u{670}'
        | '\u{6d6}'..='\u{6dc}'
        | '\u{6df}'..='\u{6e4}'
        | '\u{6e7}'..='\u{6e8}'
        | '\u{6ea}'..='\u{6ed}'
        | '\u{1ab0}'..='\u{1aff}'
        | '\u{1dc0}'..='\u{1dff}'
        | '\u{20d0}'..='\u{20ff}'
        | '\u{2de0}'..='\u{2dff}'
        | '\u{fe00}'..='\u{fe2f}')
}

/// What two names have in common that look the same but for capitals: `Ann`, `ANN` and `ann` are one.
///
/// Letters of different alphabets that look alike (Latin a, Cyrillic а) stay different: to tell those
/// apart takes the tables of Unicode's TR 39.
///
/// Character by character, upper case first: Σ has two small letters, σ and ς, and ß becomes `ss`.
pub fn fold(name: &str) -> String {
    name.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_and_what_only_looks_like_one() {
        let table = [
            ("hello", Phrase::Say("hello")),
            ("", Phrase::Say("")),
            (" /who", Phrase::Say(" /who")),
            ("//etc/hosts", Phrase::Say("/etc/hosts")),
            ("/name ann", Phrase::Name("ann")),
            ("/name  ann ", Phrase::Name("ann")),
            ("/name ann lee", Phrase::Name("ann lee")),
            ("/name", Phrase::Wrong("which name? /name NAME")),
            ("/who", Phrase::Who),
            ("/me waves", Phrase::Act("waves")),
            ("/me ", Phrase::Wrong("what do you do? /me TEXT")),
            ("/msg bob psst, here", Phrase::Whisper("bob", "psst, here")),
            ("/msg bob", Phrase::Wrong("to whom, and what? /msg NAME TEXT")),
            ("/quit", Phrase::Quit),
            ("/quit now", Phrase::Quit),
            ("/help", Phrase::Help),
            ("/Who", Phrase::Wrong("there is no such command; /help lists them")),
            ("/", Phrase::Wrong("there is no such command; /help lists them")),
        ];
        for (line, phrase) in table {
            assert_eq!(parse(line), phrase, "{line:?}");
        }
    }

    #[test]
    fn nothing_that_drives_a_terminal_gets_through() {
        let table: [(&[u8], &str); 7] = [
            (b"plain \\ text", "plain \\ text"),
            ("größer ≥ 3 🦀".as_bytes(), "größer ≥ 3 🦀"),
            (b"a\tb", "a b"),
            (b"\x1b[2J\x07\r\x00\x7f", "\u{fffd}[2J\u{fffd}\u{fffd}\u{fffd}\u{fffd}"),
            ("\u{9b}2J\u{85}".as_bytes(), "\u{fffd}2J\u{fffd}"),
            ("\u{2028}\u{202e}\u{2066}".as_bytes(), "\u{fffd}\u{fffd}\u{fffd}"),
            (b"\xff\xc3(", "\u{fffd}\u{fffd}("),
        ];
        for (bytes, text) in table {
            assert_eq!(clean(bytes), text);
        }
        // Every byte, and every character there is.
        let bytes: Vec<u8> = (0..=255).collect();
        assert!(!clean(&bytes).chars().any(char::is_control));
        let characters: String = (0..=0x10_ffff).filter_map(char::from_u32).collect();
        let cleaned = clean(characters.as_bytes());
        assert!(!cleaned.chars().any(char::is_control));
        assert_eq!(crate::kit::screen::escape(cleaned.as_bytes()), cleaned.replace('\\', "\\\\"));
    }

    #[test]
    fn names() {
        for good in ["ann", "Ann-Marie", "a", "größe", "李", "x_1.2", "abcdefghijklmnopqrstuvwx"] {
            assert_eq!(check_name(good), Ok(()), "{good}");
        }
        let bad = [
            "",
            "a b",
            "ann:",
            "*",
            "~",
            "a\u{200b}b",
            "a\u{1b}",
            "\u{fffd}",
            "(to",
            "abcdefghijklmnopqrstuvwxy",
        ];
        let unseen = ["\u{115f}", "a\u{1160}", "\u{3164}", "\u{ffa0}", "a\u{300}", "a\u{345}", "e\u{5b0}"];
        for bad in bad.into_iter().chain(unseen) {
            assert!(check_name(bad).is_err(), "{bad:?}");
        }
        assert_eq!(fold("ANN"), fold("ann"));
        assert_eq!(fold("GRÖSSE"), fold("grösse"));
        assert_eq!(fold("GRÖSSE"), fold("größe"));
        for other in ["νικος", "νικοσ", "ΝΙΚΟΣ"] {
            assert_eq!(fold("Νικος"), fold(other));
        }
    }
}
