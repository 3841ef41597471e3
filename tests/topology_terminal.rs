//! A network at a terminal: what Ctrl-C, Ctrl-\, Ctrl-D and a window that is closed do to it, at the prompt
//! and while a command runs. Nothing is left in any case. They need root and tmux.

mod common;

use std::fs;
use std::os::unix::fs::MetadataExt;

use common::chat::Screen;
use common::lab::{a_sleep, assert_gone, can_build, folder, runs, wait_until};
use common::{can_run, installed, SOCKLAB};

/// A network that runs in a window of tmux.
struct Window {
    screen: Screen,
    id: String,
    folder: u64,
    /// Its command line, which no other process has.
    program: String,
    /// The command line of a program that runs on h1 in the background.
    sleep: String,
    /// The numbers of its namespaces.
    namespaces: Vec<u64>,
}

fn can_run_windows() -> bool {
    can_build() && can_run(installed("tmux"), "tmux is not installed")
}

impl Window {
    /// Builds the network; `number` is the test's own.
    fn open(number: u32) -> Window {
        let screen = Screen::new(&format!("topology{number}"));
        let words = format!("topology --seed {}{number}", std::process::id());
        screen.start("lab", &words);
        let shown = screen.wait("lab", "socklab>");
        let id = shown.split("network ").nth(1).and_then(|rest| rest.split(' ').next()).unwrap().to_string();
        let folder = folder(&id).expect("its folder");
        let number_of = |node| fs::metadata(format!("/run/netns/socklab-{id}-{node}")).expect("a node").ino();
        let namespaces = ["h1", "h2", "h3", "h4", "s1", "s2"].map(number_of).to_vec();
        let (program, sleep) = (format!("{SOCKLAB} {words}"), a_sleep(50 + number));
        let window = Window { screen, id, folder, program, sleep, namespaces };
        window.type_line(&format!("h1 {} &", window.sleep));
        wait_until("a program runs in the background", || runs(&window.sleep));
        assert!(runs(&window.program));
        window
    }

    fn type_line(&self, line: &str) {
        self.screen.keys("lab", &["-l", line]);
        self.screen.keys("lab", &["Enter"]);
    }

    fn press(&self, key: &str) {
        self.screen.keys("lab", &[key]);
    }

    fn wait(&self, text: &str) -> String {
        self.screen.wait("lab", text)
    }

    /// Asserts that the program has ended, and everything with it: programs, names, files. A namespace
    /// without a name and without a process is gone, and its interfaces with it; none is elsewhere.
    fn is_gone(&self) {
        wait_until("it has ended", || !runs(&self.program));
        assert!(!runs(&self.sleep));
        assert_gone(&self.id, self.folder);
        for process in fs::read_dir("/proc").unwrap().flatten() {
            let inside = fs::metadata(process.path().join("ns/net")).map(|about| about.ino());
            let left = inside.is_ok_and(|inside| self.namespaces.contains(&inside));
            assert!(!left, "{} is inside", process.path().display());
        }
        let interfaces = fs::read_dir("/sys/class/net").unwrap().flatten();
        let interfaces: Vec<String> = interfaces.map(|it| it.file_name().into_string().unwrap()).collect();
        assert!(!interfaces.contains(&"h1-eth0".to_string()), "{interfaces:?}");
    }
}

/// At the prompt each of them is a way out, and Ctrl-\ too: it would leave the whole network otherwise.
#[test]
fn keys_that_end_it_at_the_prompt() {
    if !can_run_windows() {
        return;
    }
    for (number, key) in ["C-c", "C-\\", "C-d"].into_iter().enumerate() {
        let window = Window::open(number as u32);
        window.press(key);
        window.wait("exit code 0");
        window.is_gone();
    }
}

/// While a command runs the keys are for the command; the network and what runs in the background stay.
#[test]
fn keys_for_the_command_that_runs() {
    if !can_run_windows() || !can_run(installed("ping"), "needs iputils ping") {
        return;
    }
    let window = Window::open(10);
    window.type_line("link h1 s1 loss 0");
    window.type_line("link s1 h2 loss 0");
    window.type_line("h1 ping -i 0.2 h2");
    window.wait("icmp_seq=2");
    // iputils ping says how it is doing: received/sent packets.
    window.press("C-\\");
    window.wait(" packets, ");
    window.press("C-c");
    window.wait("packets transmitted");
    let sleep = a_sleep(40);
    window.type_line(&format!("h1 {sleep}"));
    wait_until("it runs", || runs(&sleep));
    window.press("C-c");
    window.wait("exit code 130");
    window.type_line("h2 cat");
    window.type_line("for cat and nobody else");
    window.press("C-d");
    window.type_line("h1 echo the network $0");
    let shown = window.wait("network $0\nsocklab>");
    assert_eq!(shown.matches("for cat and nobody else").count(), 2, "typed, and shown by cat: {shown}");
    assert!(runs(&window.sleep) && runs(&window.program));
    // Nobody answers: pingall would wait, and its pings are told that nobody wants to know.
    window.type_line("link h1 s1 down");
    window.type_line("pingall");
    wait_until("they ping", || runs(&format!("{SOCKLAB} ping -c 3 -i 0.3 -W 2 10.1.0.2")));
    window.press("C-c");
    window.wait("pairs reach each other");
    window.type_line("exit");
    window.wait("exit code 0");
    window.is_gone();
}

/// A window that is closed, at the prompt and while a command runs.
#[test]
fn the_terminal_goes_away() {
    if !can_run_windows() {
        return;
    }
    let window = Window::open(20);
    window.screen.tmux(&["kill-session", "-t", "lab"]);
    window.is_gone();

    let window = Window::open(21);
    let sleep = a_sleep(59);
    window.type_line(&format!("h4 {sleep}"));
    wait_until("it runs", || runs(&sleep));
    window.screen.tmux(&["kill-session", "-t", "lab"]);
    window.is_gone();
    assert!(!runs(&sleep));
}
