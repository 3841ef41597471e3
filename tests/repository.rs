//! The rules of the house, as tests: the one table of exercises against everything that lists them,
//! and what may stand where.

use std::fs;
use std::path::{Path, PathBuf};

use socklab::exercises::{Exercise, EXERCISES};
use socklab::sheets::Sheet;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every file below a folder of the project whose name ends with `ending`.
fn files(folder: &str, ending: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.to_str().unwrap().ends_with(ending) {
                let name = path.strip_prefix(root()).unwrap().to_str().unwrap().to_string();
                found.push((name, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    assert!(!found.is_empty(), "no {ending} file below {folder}");
    found
}

/// One row of the README's table.
fn row(sheet: Sheet, exercise: &Exercise) -> String {
    let Exercise { name, task, summary, file, .. } = exercise;
    format!(
        "| [{}]({}) | {task} | `make {name}` | {summary} | [{file}]({file}) |",
        sheet.title(),
        sheet.page()
    )
}

#[test]
fn the_readme_has_a_row_for_each_exercise() {
    let rows: Vec<String> = EXERCISES.iter().map(|exercise| row(exercise.sheets[0], exercise)).collect();
    let readme = read("README.md");
    let listed: Vec<&str> = readme.lines().filter(|line| line.contains("| `make ")).collect();
    assert_eq!(listed, rows, "the table should read:\n{}", rows.join("\n"));
}

#[test]
fn the_makefile_has_a_target_for_each_exercise_with_the_tables_arguments() {
    let makefile = read("Makefile").replace("\\\n", " ");
    let list = makefile.lines().find_map(|line| line.strip_prefix("EXERCISES := ")).unwrap();
    let names: Vec<&str> = EXERCISES.iter().map(|exercise| exercise.name).collect();
    assert_eq!(list.split_whitespace().collect::<Vec<_>>(), names);
    let given: Vec<&str> = makefile.lines().filter(|line| line.contains(": ARGS ?= ")).collect();
    let with_arguments = EXERCISES.iter().filter(|exercise| !exercise.make.is_empty());
    let expected: Vec<String> =
        with_arguments.map(|exercise| format!("{}: ARGS ?= {}", exercise.name, exercise.make)).collect();
    assert_eq!(given, expected);
}

#[test]
fn each_exercise_has_its_file_its_page_and_its_scene() {
    let scenes: String = files("tests/demo/scenes", ".txt").into_iter().map(|(_, text)| text).collect();
    let plays: Vec<&str> = scenes
        .lines()
        .filter_map(|line| line.strip_prefix("plays: "))
        .flat_map(str::split_whitespace)
        .collect();
    for exercise in EXERCISES {
        let Exercise { name, file, sheets, .. } = exercise;
        assert!(plays.contains(name), "no scene of the demo plays {name}");
        let text = read(file);
        assert!(text.starts_with("//! "), "{file} does not say what it is");
        for part in ["Limits", "Sheet"] {
            assert!(text.contains(&format!("//! {part}")), "the head of {file} lacks `{part}`");
        }
        for sheet in *sheets {
            assert!(read(sheet.page()).contains(name), "{} does not mention {name}", sheet.page());
        }
    }
}

#[test]
fn unsafe_stands_in_kit_sys_only() {
    for (name, text) in files("src", ".rs") {
        let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        let found = code.filter(|line| line.contains("unsafe ")).count();
        assert!(found == 0 || name.starts_with("src/kit/sys/"), "{name} has `unsafe`");
    }
}

#[test]
fn rooms_use_the_kit_and_not_each_other() {
    // The exceptions that the architecture page names.
    let allowed = [("sensor", "reliable")];
    let rooms: Vec<String> = fs::read_dir(root().join("src"))
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().into_string().unwrap())
        .filter(|name| name != "kit")
        .collect();
    for room in &rooms {
        for (name, text) in files(&format!("src/{room}"), ".rs") {
            for other in rooms.iter().filter(|other| *other != room) {
                let uses = text.contains(&format!("crate::{other}"));
                let allowed = allowed.contains(&(room.as_str(), other.as_str()));
                assert!(!uses || allowed, "{name} uses the room {other}");
            }
        }
    }
    for (name, text) in files("src/kit", ".rs") {
        for room in &rooms {
            assert!(!text.contains(&format!("crate::{room}::")), "{name} uses the room {room}");
        }
    }
}

#[test]
fn files_are_one_thought_and_say_which() {
    for folder in ["src", "tests"] {
        for (name, text) in files(folder, ".rs") {
            let lines = text.lines().count();
            assert!(lines <= 500, "{name} has {lines} lines: which two thoughts does it hold?");
            assert!(text.starts_with("//! "), "{name} does not say what it is");
        }
    }
}

#[test]
fn nothing_is_left_to_do_and_nothing_comes_from_elsewhere() {
    // Spelled in two halves, or this file would find itself.
    let marks =
        [["TO", "DO"], ["FIX", "ME"], ["todo", "!("], ["unimplemented", "!("]].map(|half| half.concat());
    for folder in ["src", "tests"] {
        for (name, text) in files(folder, ".rs") {
            for mark in &marks {
                assert!(!text.contains(mark.as_str()), "{name} contains {mark}");
            }
        }
    }
    let lock = read("Cargo.lock");
    let packages: Vec<&str> = lock.lines().filter_map(|line| line.strip_prefix("name = ")).collect();
    assert_eq!(packages, ["\"libc\"", "\"socklab\""]);
}
