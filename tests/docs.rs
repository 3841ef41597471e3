//! The pages tell the truth: every `console` block of README.md and docs/ is played, and every file,
//! function and make target that the pages name exists.
//!
//! A block is one transcript in the form of `tests/common/script.rs`. Words after `console` say what
//! it needs: `root`, or `needs=ss,nc` for programs. The pages use the real default ports, so each
//! block is played in a network namespace of its own, where nobody else has them and no connection
//! of an earlier block is left. For that this test runs itself again under unshare(1); where that is
//! not allowed, the blocks are played one after another on the ordinary loopback interface, except
//! those that look at all of the machine's connections and say so with `alone`.

mod common;

use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;

use common::script::{self, Event};
use common::{can_run, installed, is_root, SOCKLAB};

/// Tells the second process which block is its: `docs/scc231.md:40`.
const BLOCK: &str = "SOCKLAB_DOCS_BLOCK";

/// The name of the test below, which the second process runs.
const TEST: &str = "every_transcript_is_real";

/// One `console` block.
struct Block {
    /// `docs/scc231.md:40`: its page and the line of its fence.
    place: String,
    needs: Vec<String>,
    script: String,
}

/// README.md and every page: path and text.
fn pages() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let docs = fs::read_dir(root.join("docs")).expect("the folder docs");
    let names = docs.map(|entry| format!("docs/{}", entry.unwrap().file_name().into_string().unwrap()));
    let mut names: Vec<String> = names.filter(|name| name.ends_with(".md")).collect();
    names.sort();
    names.insert(0, "README.md".to_string());
    names.into_iter().map(|name| (name.clone(), fs::read_to_string(root.join(&name)).unwrap())).collect()
}

/// The `console` blocks of a page.
fn blocks(page: &str, text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        let Some(fence) = line.trim_start().strip_prefix("```").filter(|fence| !fence.is_empty()) else {
            continue;
        };
        // A block may stand in a list, indented as the list is.
        let indent = line.len() - line.trim_start().len();
        let body: Vec<&str> = lines
            .by_ref()
            .map(|(_, line)| line.get(indent..).unwrap_or_default())
            .take_while(|line| *line != "```")
            .collect();
        let mut words = fence.split_whitespace();
        if words.next() != Some("console") {
            continue;
        }
        let needs = words.flat_map(|word| word.strip_prefix("needs=").unwrap_or(word).split(','));
        blocks.push(Block {
            place: format!("{page}:{}", number + 1),
            needs: needs.map(str::to_string).collect(),
            script: body.join("\n"),
        });
    }
    blocks
}

#[test]
fn every_transcript_is_real() {
    let all: Vec<Vec<Block>> = pages().iter().map(|(page, text)| blocks(page, text)).collect();
    if let Some(place) = env::var_os(BLOCK) {
        let block = all.iter().flatten().find(|block| place == block.place.as_str());
        return play(block.expect("the block that was asked for"));
    }
    let unshare = [["-n"], ["-rn"]].into_iter().find(|words| {
        let probe = Command::new("unshare").args(words).args(["sh", "-c", LOOPBACK_UP]).output();
        probe.is_ok_and(|output| output.status.success())
    });
    let page = |blocks: Vec<Block>| {
        move || {
            let failed = |block: &Block| second_process(block, unshare).is_some();
            blocks.into_iter().filter(failed).collect::<Vec<Block>>()
        }
    };
    let failed: Vec<Block> = if unshare.is_some() {
        let threads: Vec<_> = all.into_iter().map(|blocks| thread::spawn(page(blocks))).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    } else {
        all.into_iter().flat_map(|blocks| page(blocks)()).collect()
    };
    // The programs' own times (a second for a datagram, 50 ms for a reply without a frame) are a lesson of
    // the pages, and may be too short while all pages are played at once: so once more, one by one.
    let failures: Vec<String> = failed.iter().filter_map(|block| second_process(block, unshare)).collect();
    assert!(failures.is_empty(), "\n\n{}", failures.join("\n\n"));
}

/// A new namespace has a loopback interface that is down.
const LOOPBACK_UP: &str = "PATH=$PATH:/usr/sbin:/sbin ip link set lo up";

/// Has one block played by a second process; what went wrong, if anything.
fn second_process(block: &Block, unshare: Option<[&str; 1]>) -> Option<String> {
    for need in &block.needs {
        let here = match need.as_str() {
            "root" => is_root(),
            "alone" => unshare.is_some(),
            program => installed(program),
        };
        if !can_run(here, &format!("{} needs {need}", block.place)) {
            return None;
        }
    }
    let myself = env::current_exe().expect("the path of this test");
    let mut command = match unshare {
        Some(words) => {
            let mut command = Command::new("unshare");
            command.args(words).args(["sh", "-c", &format!("{LOOPBACK_UP}\nexec \"$0\" \"$@\"")]).arg(myself);
            command
        }
        None => Command::new(myself),
    };
    let output = command.args(["--exact", TEST, "--nocapture"]).env(BLOCK, &block.place).output();
    let output = output.expect("a second process");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    (!output.status.success()).then_some(told)
}

/// Plays one block in this process. On failure the whole story is told, and it ends with the line.
fn play(block: &Block) {
    let (page, fence) = block.place.split_once(':').expect("page:line");
    let fence: usize = fence.parse().expect("a line number");
    let programs = Path::new(SOCKLAB).parent().expect("a folder");
    let mut story = String::new();
    let mut at = 0;
    let mut tell = |event: Event| {
        story += &match event {
            Event::Command(who, command) => format!("{who:>10} | $ {command}\n"),
            Event::Typed(who, text) => format!("{who:>10} | > {text}\n"),
            Event::Shown(who, line) => format!("{who:>10} |   {line}\n"),
        };
    };
    if let Err(why) = script::replay(&block.script, programs, &mut tell, &mut at) {
        panic!("{page}:{}: {why}\n{story}", fence + at);
    }
    assert!(at > 0, "{page}:{fence}: an empty transcript");
}

/// The text of a page outside its fenced blocks, line by line with line numbers.
fn prose(text: &str) -> Vec<(usize, &str)> {
    let mut fenced = false;
    let outside = text.lines().enumerate().filter(|(_, line)| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        !fenced && !fence
    });
    outside.map(|(number, line)| (number + 1, line)).collect()
}

/// A heading's anchor, as the usual viewers make it.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

#[test]
fn every_link_leads_somewhere() {
    let pages = pages();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut broken = Vec::new();
    for (page, text) in &pages {
        for (number, line) in prose(text) {
            for target in line.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
                if target.contains("://") {
                    continue;
                }
                let (path, wanted) = target.split_once('#').unwrap_or((target, ""));
                let folder = root.join(page).parent().expect("a folder").to_path_buf();
                let path = if path.is_empty() { root.join(page) } else { folder.join(path) };
                let headings = |text: &str| {
                    let headings = prose(text).into_iter().filter(|(_, line)| line.starts_with('#'));
                    headings.map(|(_, line)| anchor(line.trim_start_matches('#').trim())).collect::<Vec<_>>()
                };
                let leads = path.exists()
                    && (wanted.is_empty()
                        || fs::read_to_string(&path)
                            .is_ok_and(|text| headings(&text).iter().any(|have| have == wanted)));
                if !leads {
                    broken.push(format!("{page}:{number}: {target}"));
                }
            }
        }
    }
    assert!(broken.is_empty(), "links that lead nowhere:\n{}", broken.join("\n"));
}

#[test]
fn every_file_function_and_target_that_is_named_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let makefile = fs::read_to_string(root.join("Makefile")).unwrap();
    let targets: Vec<&str> = makefile.split(|c: char| c.is_whitespace() || c == ':').collect();
    let mut wrong = Vec::new();
    for (page, text) in &pages() {
        for (number, line) in prose(text) {
            // Every second piece stands between backticks.
            for code in line.split('`').skip(1).step_by(2) {
                if let Some(target) = code.strip_prefix("make ") {
                    let target = target.split(' ').next().unwrap_or_default();
                    let example = target.chars().any(|c| c.is_uppercase() || c == '…');
                    if !example && !targets.contains(&target) {
                        wrong.push(format!("{page}:{number}: there is no target in `{code}`"));
                    }
                }
                if !["src/", "tests/", "docs/", ".ci/"].iter().any(|folder| code.starts_with(folder)) {
                    continue;
                }
                // `src/echo/once.rs: serve, CHUNK` names a file and what to look for in it.
                let (path, names) = code.split_once(": ").unwrap_or((code, ""));
                let example = path.contains(|c: char| c.is_uppercase() || c == '…' || c == '*');
                let whole = root.join(path);
                if !whole.exists() {
                    if !(example && names.is_empty() && !path.ends_with(".md")) {
                        wrong.push(format!("{page}:{number}: there is no {path}"));
                    }
                    continue;
                }
                for name in names.split(", ").filter(|name| !name.is_empty()) {
                    let text = fs::read_to_string(&whole).unwrap_or_default();
                    let mut words = text.split(|c: char| !(c.is_alphanumeric() || c == '_'));
                    if !words.any(|word| word == name) {
                        wrong.push(format!("{page}:{number}: {path} has no {name}"));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "the pages name what is not there:\n{}", wrong.join("\n"));
}
