//! `make demo`: every exercise once, client against server, on the loopback interface.
//!
//! Each file in `tests/demo/scenes` is a list of scenes. A scene begins with `## ` and what it shows
//! (sheet, task), then names the exercises it plays, then is a transcript in the form of
//! `tests/common/script.rs`. It has worked when all terminals showed exactly what is written there.
//!
//! ```text
//! ## IoT lab 1, TCP echo (task 1.1): the echo comes back
//! plays: echo-server echo-client
//! server$ socklab echo-server 0 --once
//! …
//! ```
//!
//! `demo WORD` plays only the scenes in which WORD occurs. The exit code is 0 if all worked and, unless
//! a word was given, every exercise was played.

#[path = "../common/script.rs"]
mod script;

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::{env, fs};

use script::Event;
use socklab::exercises::EXERCISES;

/// One scene.
struct Scene {
    title: String,
    plays: Vec<String>,
    /// `needs: root` or `needs: PROGRAM`: without it the scene is skipped, and says so.
    needs: Vec<String>,
    script: String,
}

fn main() -> ExitCode {
    let word = env::args().nth(1).unwrap_or_default();
    let colour = std::io::stdout().is_terminal();
    let programs = env::current_exe().ok().and_then(|exe| Some(exe.parent()?.parent()?.to_path_buf()));
    let programs = programs.expect("the demo lies in target/…/examples, beside the program");
    let (mut worked, mut failed, mut skipped) = (0, 0, 0);
    let mut played: Vec<String> = Vec::new();
    for scene in scenes().iter().filter(|scene| scene.title.contains(&word) || scene.script.contains(&word)) {
        println!("\n=== {}", scene.title);
        if let Some(missing) = scene.needs.iter().find(|need| !is_here(need)) {
            println!("    skipped: needs {missing}");
            skipped += 1;
            played.extend(scene.plays.iter().cloned());
            continue;
        }
        match script::run(&scene.script, &programs, &mut |event| tell(event, colour)) {
            Ok(()) => {
                println!("    ok: {}", scene.plays.join(", "));
                worked += 1;
                played.extend(scene.plays.iter().cloned());
            }
            Err(why) => {
                println!("    FAILED: {why}");
                failed += 1;
            }
        }
    }
    let missing: Vec<&str> =
        EXERCISES.iter().map(|e| e.name).filter(|name| !played.iter().any(|p| p == name)).collect();
    println!("\n{worked} scenes worked, {failed} failed, {skipped} skipped");
    if word.is_empty() && !missing.is_empty() {
        println!("not shown: {}", missing.join(", "));
    }
    let required = env::var_os("SOCKLAB_REQUIRE_ALL").is_some_and(|value| value == "1");
    let all = !word.is_empty() || missing.is_empty();
    if failed == 0 && all && worked > 0 && !(required && skipped > 0) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Prints one event, the speaker in front.
fn tell(event: Event, colour: bool) {
    let (who, text) = match event {
        Event::Command(who, command) => (who, format!("$ {command}")),
        Event::Typed(who, text) => (who, format!("> {text}")),
        Event::Shown(who, line) => (who, format!("  {line}")),
    };
    if colour && !text.starts_with("  ") {
        println!("{who:>10} | \x1b[1m{text}\x1b[0m");
    } else {
        println!("{who:>10} | {text}");
    }
}

/// Whether a scene's need is met.
fn is_here(need: &str) -> bool {
    let test = match need {
        "root" => "test \"$(id -u)\" = 0".to_string(),
        program => format!("command -v {program}"),
    };
    Command::new("sh").args(["-c", &test]).output().is_ok_and(|output| output.status.success())
}

/// Every scene, file by file in the order of their names.
fn scenes() -> Vec<Scene> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/demo/scenes");
    let files = fs::read_dir(&folder).expect("the scenes");
    let mut files: Vec<PathBuf> = files.map(|file| file.expect("a file").path()).collect();
    files.sort();
    let mut scenes: Vec<Scene> = Vec::new();
    for file in files {
        for line in fs::read_to_string(&file).expect("a text file").lines() {
            if let Some(title) = line.strip_prefix("## ") {
                let title = title.to_string();
                scenes.push(Scene { title, plays: Vec::new(), needs: Vec::new(), script: String::new() });
                continue;
            }
            let Some(scene) = scenes.last_mut() else { continue };
            if let Some(names) = line.strip_prefix("plays: ") {
                scene.plays.extend(names.split_whitespace().map(str::to_string));
            } else if let Some(names) = line.strip_prefix("needs: ") {
                scene.needs.extend(names.split_whitespace().map(str::to_string));
            } else if !line.is_empty() {
                scene.script += &format!("{line}\n");
            }
        }
    }
    scenes
}
