//! `socklab EXERCISE ARGS…`: look the exercise up, run it, turn its error into an exit code.

// Tests may unwrap; the program says what went wrong instead. More lints are in Cargo.toml.
#![deny(clippy::unwrap_used)]

use std::ffi::OsString;
use std::process::ExitCode;

use socklab::exercises::{self, Exercise};
use socklab::kit::error::Error;
use socklab::kit::{args, screen, stop};

fn main() -> ExitCode {
    // Before any other thread: threads inherit which signals are blocked.
    if let Err(error) = stop::start() {
        screen::note(&format!("socklab: cannot wait for signals: {error}"));
        return ExitCode::from(1);
    }
    let mut words = std::env::args_os().skip(1);
    let first = words.next().map(|word| word.to_string_lossy().into_owned());
    let outcome = match first.as_deref() {
        None | Some("help" | "--help" | "-h") => {
            let name = words.next();
            nothing_more(words.next()).and_then(|()| help(name))
        }
        Some("--version" | "-V") => nothing_more(words.next())
            .and_then(|()| screen::say(concat!("socklab ", env!("CARGO_PKG_VERSION")))),
        Some(name) => match exercises::find(name) {
            Ok(exercise) => return run(exercise, words),
            Err(error) => Err(error),
        },
    };
    leave("socklab", "usage: socklab [EXERCISE [ARGS…] | help EXERCISE | --version]", outcome)
}

/// Runs one exercise with the words that follow its name.
fn run(exercise: &Exercise, words: impl Iterator<Item = OsString>) -> ExitCode {
    let outcome = args::parse(exercise.usage, words).and_then(|args| {
        if args.wants_help() {
            screen::say(&exercises::help(exercise))
        } else {
            (exercise.run)(&args)
        }
    });
    leave(&format!("socklab {}", exercise.name), &exercise.usage.line(exercise.name), outcome)
}

/// The index of all exercises, or one exercise's help.
fn help(name: Option<OsString>) -> Result<(), Error> {
    match name {
        None => screen::say(&exercises::index()),
        Some(name) => screen::say(&exercises::help(exercises::find(&name.to_string_lossy())?)),
    }
}

/// Errs when there is a word that nothing would look at.
fn nothing_more(word: Option<OsString>) -> Result<(), Error> {
    match word {
        None => Ok(()),
        Some(word) => {
            Err(Error::Usage(format!("one argument too many: {}", screen::escape(word.as_encoded_bytes()))))
        }
    }
}

/// Says in one line what failed and returns the exit code it means.
fn leave(who: &str, usage: &str, outcome: Result<(), Error>) -> ExitCode {
    let Err(error) = outcome else { return ExitCode::SUCCESS };
    match &error {
        Error::OutputClosed | Error::Exit(_) => {}
        Error::Usage(_) => screen::note(&format!("{who}: {error}\n{usage}")),
        Error::Failed(_) | Error::Io(_) => screen::note(&format!("{who}: {error}")),
    }
    ExitCode::from(error.exit_code())
}
