//! The workbench as a person uses it: the whole program in a terminal of the test's own, driven by keys, its screen
//! read by a terminal emulator.

#![allow(clippy::unwrap_used)] // a test may end in one

use std::io::{Read, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

/// The program in a terminal.
struct Screen {
    parser: Arc<Mutex<vt100::Parser>>,
    bytes: Arc<Mutex<usize>>,
    raw: Arc<Mutex<Vec<u8>>>,
    keys: Box<dyn Write + Send>,
    child: Box<dyn Child + Send + Sync>,
    master: Box<dyn MasterPty + Send>,
    reader: JoinHandle<()>,
    /// The reader is to end with what it reads next.
    reads_last: Arc<AtomicBool>,
}

const ROWS: u16 = 45;
const COLUMNS: u16 = 150;

fn some(count: u16) -> std::num::NonZeroU16 {
    count.try_into().unwrap()
}

impl Screen {
    /// Opens the workbench on `workspace`.
    fn open(workspace: &Path) -> Screen {
        Screen::run(workspace, &[env!("CARGO_BIN_EXE_caretta")])
    }

    /// Starts a program that finds `workspace`, with a variable more where one is given.
    fn run(workspace: &Path, command: &[&str]) -> Screen {
        Screen::run_with(workspace, command, &[])
    }

    fn run_with(workspace: &Path, command: &[&str], variables: &[(&str, &str)]) -> Screen {
        let size = PtySize { rows: ROWS, cols: COLUMNS, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).unwrap();
        let mut builder = CommandBuilder::new(command[0]);
        builder.args(&command[1..]);
        builder.env("CARETTA_WORKSPACE", workspace);
        builder.env("TERM", "xterm-256color");
        builder.env("COLORTERM", "truecolor");
        for name in ["NO_COLOR", "SSH_CONNECTION", "SSH_TTY", "TMUX"] {
            builder.env_remove(name);
        }
        variables.iter().for_each(|(name, value)| builder.env(name, value));
        let child = pair.slave.spawn_command(builder).unwrap();
        drop(pair.slave);
        let parser = Arc::new(Mutex::new(vt100::Parser::new(some(ROWS), some(COLUMNS), 0)));
        let bytes = Arc::new(Mutex::new(0));
        let mut reader = pair.master.try_clone_reader().unwrap();
        let raw = Arc::new(Mutex::new(Vec::new()));
        let (to, count, all) = (Arc::clone(&parser), Arc::clone(&bytes), Arc::clone(&raw));
        let reads_last = Arc::new(AtomicBool::new(false));
        let is_last = Arc::clone(&reads_last);
        let reader = std::thread::spawn(move || {
            let mut block = [0; 4096];
            while let Ok(n @ 1..) = reader.read(&mut block) {
                to.lock().unwrap().process(&block[..n]);
                *count.lock().unwrap() += n;
                all.lock().unwrap().extend_from_slice(&block[..n]);
                if is_last.load(Ordering::SeqCst) {
                    break;
                }
            }
        });
        let keys = pair.master.take_writer().unwrap();
        Screen { parser, bytes, raw, keys, child, master: pair.master, reader, reads_last }
    }

    fn text(&self) -> String {
        self.parser.lock().unwrap().screen().contents()
    }

    fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
        self.keys.flush().unwrap();
    }

    /// Waits until the screen shows `words`.
    fn sees(&self, words: &str) {
        self.sees_within(words, Duration::from_secs(120));
    }

    fn sees_within(&self, words: &str, patience: Duration) {
        let begin = Instant::now();
        while !self.text().contains(words) {
            assert!(begin.elapsed() < patience, "waited in vain for {words:?}:\n{}", self.text());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until the program has written `bytes`.
    fn sends(&self, bytes: &[u8]) {
        let begin = Instant::now();
        while !self.raw.lock().unwrap().windows(bytes.len()).any(|window| window == bytes) {
            assert!(begin.elapsed() < Duration::from_secs(20), "never written: {bytes:?}\n{}", self.text());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Moves down in the form until the field of `path` has the focus, and types.
    fn fill(&mut self, path: &str, text: &str) {
        let focus = format!("▸ {path} ");
        for _ in 0..80 {
            if self.text().contains(&focus) {
                self.press(text);
                self.sees(&format!("{text}▏"));
                return;
            }
            let before = self.text();
            self.press("\x1b[B");
            let begin = Instant::now();
            while self.text() == before && begin.elapsed() < Duration::from_secs(5) {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        panic!("{path} is not in the form:\n{}", self.text());
    }

    /// Waits for the program's end.
    fn ends_within(&mut self, patience: Duration) -> u32 {
        let begin = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.exit_code();
            }
            assert!(begin.elapsed() < patience, "still there:\n{}", self.text());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn signal(&self, signal: &str) {
        kill(signal, self.child.process_id().unwrap().into());
    }

    /// Kills the program; what its screen showed at the end.
    fn killed(mut self) -> String {
        self.signal("-KILL");
        self.child.wait().unwrap();
        let Screen { parser, keys, master, reader, .. } = self;
        reader.join().unwrap(); // has read all that was written
        drop((keys, master));
        parser.lock().unwrap().screen().contents()
    }

    /// Closes the terminal, as a window that is closed or a link that is dropped does: the system then hangs up. The
    /// program that was in it.
    fn close(mut self) -> Box<dyn Child + Send + Sync> {
        // the reader has a copy of the terminal, and waits in it until the program writes
        self.reads_last.store(true, Ordering::SeqCst);
        self.press("\x0c"); // Ctrl-L draws all again
        let Screen { child, keys, master, reader, .. } = self;
        reader.join().unwrap();
        drop(keys);
        drop(master);
        child
    }
}

fn workspace() -> (tempfile::TempDir, std::path::PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("workspace");
    (dir, path)
}

fn kill(signal: &str, pid: u64) {
    let mut command = std::process::Command::new("kill");
    assert!(command.args([signal, &pid.to_string()]).status().unwrap().success());
}

/// What a verb prints.
fn verb(workspace: &Path, arguments: &[&str]) -> String {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_caretta"));
    let output = command.args(arguments).env("CARETTA_WORKSPACE", workspace).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_run_outlives_its_terminal_and_a_crash_is_seen_at_once() {
    let (_dir, workspace) = workspace();
    verb(&workspace, &["dataset", "synth", "--individuals", "4", "--encounters", "4", "--photos", "2"]);
    let (one, mut two) = (Screen::open(&workspace), Screen::open(&workspace));
    two.sees("4 System");
    let settings = "--backbone resnet18 --image-size 32 --embedding-dim 16 --batch-size 8 --epochs 3000";
    let name = verb(&workspace, &["dataset", "ls", "--json"]);
    let name: serde_json::Value = serde_json::from_str(&name).unwrap();
    let name = name["datasets"][0]["name"].as_str().unwrap().to_owned();
    let mut arguments = vec!["run", "start", "arcface", "--data-dir", &name];
    arguments.extend(settings.split(' '));
    verb(&workspace, &arguments);
    // both show what the command line started, by themselves
    one.sees("● arcface-resnet18");
    two.sees("● arcface-resnet18");
    let state = || {
        let run = std::fs::read_dir(workspace.join("runs")).unwrap().next().unwrap().unwrap().path();
        let text = std::fs::read_to_string(run.join("state.json")).unwrap();
        serde_json::from_str::<serde_json::Value>(&text).unwrap()
    };
    one.close().wait().unwrap();
    let step = state()["step"].as_u64().unwrap();
    let begin = Instant::now();
    while state()["step"].as_u64().unwrap() <= step {
        assert!(begin.elapsed() < Duration::from_secs(60), "it went with its terminal: {}", state());
        std::thread::sleep(Duration::from_millis(50));
    }
    // on any tab
    two.press("4");
    two.sees("log of this workbench");
    kill("-KILL", state()["process"]["pid"].as_u64().unwrap());
    two.sees_within("crashed; it said last:", Duration::from_secs(5));
    two.press("2");
    two.sees("† arcface-resnet18");
    two.sees("died in epoch");
}

#[test]
fn from_nothing_to_browsing_mistakes_by_keys_alone() {
    let (_dir, workspace) = workspace();
    let mut screen = Screen::open(&workspace);
    screen.sees("No photos yet.");
    screen.press("s");
    screen.sees("24 x 12 x 3");
    screen.press("\x154 x 5 x 2\r"); // Ctrl-U clears the line
    screen.sees("4 individuals · 40 photos · 20 encounters");

    screen.press("2n");
    screen.sees("new run");
    for (path, text) in [
        ("data.image_size", "32"),
        ("model.backbone", "resnet18"),
        ("model.embedding_dim", "16"),
        ("batch.size", "8"),
        ("train.epochs", "2"),
    ] {
        screen.fill(path, text);
    }
    screen.press("\x13"); // Ctrl-S starts
    screen.sees("has started");
    screen.sees("✓ arcface-resnet18");
    screen.sees("rank-1 (valid)");

    // the screen may go at any moment
    screen.press("q");
    assert_eq!(screen.ends_within(Duration::from_secs(5)), 0);
    let mut screen = Screen::open(&workspace);
    screen.sees("✓ arcface-resnet18");
    screen.press("e");
    screen.sees("with same encounter");
    screen.sees("✓ arcface-resnet18");
    screen.press("\r");
    screen.sees("mistakes");
    screen.sees("▀▀▀▀");
    screen.press("]");
    screen.press("\r");
    screen.sees("match 1 of");
    screen.press("l");
    screen.sees("match 2 of");

    // a resize is followed, and too small is a sentence
    screen.master.resize(PtySize { rows: 12, cols: 40, pixel_width: 0, pixel_height: 0 }).unwrap();
    screen.parser.lock().unwrap().screen_mut().set_size(some(12), some(40));
    screen.sees("this terminal has 40 x 12");
    screen.master.resize(PtySize { rows: ROWS, cols: COLUMNS, pixel_width: 0, pixel_height: 0 }).unwrap();
    screen.parser.lock().unwrap().screen_mut().set_size(some(ROWS), some(COLUMNS));
    screen.sees("match 2 of");

    // at rest not a byte is written
    std::thread::sleep(Duration::from_millis(1500));
    let before = *screen.bytes.lock().unwrap();
    std::thread::sleep(Duration::from_secs(4));
    assert_eq!(*screen.bytes.lock().unwrap(), before, "idle, and yet it writes");
    screen.press("q");
    assert_eq!(screen.ends_within(Duration::from_secs(5)), 0);
}

#[test]
fn the_terminal_is_given_back_however_it_ends() {
    let (_dir, workspace) = workspace();
    for (how, code) in [("q", Some(0)), ("-TERM", None), ("-HUP", None)] {
        let mut screen = Screen::open(&workspace);
        screen.sees("No photos yet.");
        assert!(screen.parser.lock().unwrap().screen().alternate_screen());
        if code.is_some() {
            screen.press(how);
        } else {
            screen.signal(how);
        }
        let ended = screen.ends_within(Duration::from_secs(2));
        assert!(code.is_none_or(|code| code == ended), "{how}: {ended}");
        std::thread::sleep(Duration::from_millis(200));
        let parser = screen.parser.lock().unwrap();
        let shown = parser.screen();
        assert!(!shown.alternate_screen() && !shown.hide_cursor() && !shown.bracketed_paste(), "{how}");
    }
}

#[test]
fn a_panic_leaves_a_usable_shell_and_its_message() {
    let (_dir, workspace) = workspace();
    let program = [env!("CARGO_BIN_EXE_caretta")];
    let mut screen = Screen::run_with(&workspace, &program, &[("CARETTA_TEST_PANIC", "1")]);
    screen.sees("No photos yet.");
    screen.press("\x0c"); // Ctrl-L draws all again, or panics here
    assert_ne!(screen.ends_within(Duration::from_secs(5)), 0);
    screen.sees_within("a panic that a test asked for", Duration::from_secs(2));
    let parser = screen.parser.lock().unwrap();
    assert!(!parser.screen().alternate_screen() && !parser.screen().hide_cursor());
}

#[test]
fn the_shell_gets_the_terminal_while_it_is_stopped() {
    let (_dir, workspace) = workspace();
    let mut screen = Screen::run(&workspace, &["bash", "--norc", "-i"]);
    screen.press(&format!("{}\n", env!("CARGO_BIN_EXE_caretta")));
    screen.sees("No photos yet.");
    screen.press("\x1a"); // Ctrl-Z
    screen.sees("Stopped");
    assert!(!screen.parser.lock().unwrap().screen().alternate_screen());
    screen.press("fg\n");
    screen.sees("No photos yet.");
    screen.press("q");
    let begin = Instant::now();
    // what is typed before the shell has the terminal again is the workbench's
    while screen.parser.lock().unwrap().screen().alternate_screen() {
        assert!(begin.elapsed() < Duration::from_secs(5), "{}", screen.text());
        std::thread::sleep(Duration::from_millis(10));
    }
    std::thread::sleep(Duration::from_millis(300));
    screen.press("exit\n");
    screen.ends_within(Duration::from_secs(5));
}

#[test]
fn where_no_shell_could_continue_it_ctrl_z_says_so() {
    let (_dir, workspace) = workspace();
    let mut screen = Screen::open(&workspace);
    screen.sees("No photos yet.");
    screen.press("\x1a"); // Ctrl-Z
    screen.sees_within("there is no shell to go to", Duration::from_secs(10));
    screen.press("q");
    assert_eq!(screen.ends_within(Duration::from_secs(5)), 0);
}

#[test]
fn a_closed_terminal_ends_the_screen() {
    let (_dir, workspace) = workspace();
    let screen = Screen::open(&workspace);
    screen.sees("No photos yet.");
    let mut child = screen.close();
    let begin = Instant::now();
    while child.try_wait().unwrap().is_none() {
        assert!(begin.elapsed() < Duration::from_secs(2), "it outlives its terminal");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn without_a_terminal_it_names_what_works_there() {
    let (_dir, workspace) = workspace();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_caretta"))
        .env("CARETTA_WORKSPACE", workspace)
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("needs a terminal") && said.contains("caretta run ls"), "{said}");
}

/// Opens the workbench in a terminal that is asked for pictures.
fn asked(workspace: &Path) -> Screen {
    Screen::run(workspace, &[env!("CARGO_BIN_EXE_caretta"), "--images", "viuer"])
}

#[test]
fn a_terminal_may_answer_the_question_for_pictures_late_in_pieces_or_never() {
    let (_dir, workspace) = workspace();
    verb(&workspace, &["dataset", "synth", "--individuals", "3", "--encounters", "3", "--photos", "2"]);
    let look = |screen: &mut Screen| {
        screen.press("1");
        screen.sees("3 individuals");
        screen.press("\r\r\r");
    };
    let slow = |out: &mut Box<dyn Write + Send>, pieces: &[&str], pause: u64| {
        for piece in pieces {
            out.write_all(piece.as_bytes()).unwrap();
            out.flush().unwrap();
            std::thread::sleep(Duration::from_millis(pause));
        }
    };

    // never: cells, and every key is a key from the first moment on
    let mut screen = asked(&workspace);
    look(&mut screen);
    screen.sees("▀▀▀▀");
    screen.press("q");
    assert_eq!(screen.ends_within(Duration::from_secs(5)), 0);

    // in pieces: kitty's pictures, and no cell of a photo
    let mut screen = asked(&workspace);
    slow(
        &mut screen.keys,
        &["\x1b_Gi=3", "1;O", "K\x1b", "\\\x1bP>|kitty(0.42)\x1b\\\x1b[6;2", "0;10t\x1b[?62", ";52;c"],
        30,
    );
    look(&mut screen);
    screen.sends(b"\x1b_Ga=T,f=100,");
    assert!(!screen.text().contains("▀▀▀▀"), "{}", screen.text());
    screen.press("?");
    screen.sends(b"\x1b_Ga=d,d=I,");
    screen.press("\x1b");
    std::thread::sleep(Duration::from_millis(100));
    screen.press("q");
    assert_eq!(screen.ends_within(Duration::from_secs(5)), 0);
    screen.sends(b"\x1b_Ga=d,d=A,");

    // late: it stays with cells, and nothing of the answer is taken for a key
    let mut screen = asked(&workspace);
    look(&mut screen);
    screen.sees("▀▀▀▀");
    std::thread::sleep(Duration::from_millis(1300));
    let before = screen.text();
    slow(&mut screen.keys, &["\x1b_Gi=31;OK\x1b\\\x1bP>|kitty(q)\x1b\\\x1b[6;20;10t\x1b[?62;52;c"], 500);
    assert_eq!(screen.text(), before);
    screen.press("q");
    assert_eq!(screen.ends_within(Duration::from_secs(5)), 0);
}

#[test]
fn after_a_stop_from_outside_the_screen_is_drawn_again() {
    let (_dir, workspace) = workspace();
    let mut screen = Screen::open(&workspace);
    screen.sees("No photos yet.");
    screen.signal("-STOP");
    // what the shell or another program writes meanwhile
    screen.parser.lock().unwrap().process(b"\x1b[2J\x1b[?1049l$ something else");
    screen.signal("-CONT");
    screen.sees("No photos yet.");
    assert!(screen.parser.lock().unwrap().screen().alternate_screen());
    screen.press("q");
    assert_eq!(screen.ends_within(Duration::from_secs(5)), 0);
}

/// Encounters of the week: one digit says how many are done.
const WEEK: u32 = 9;

/// A model that nothing trained, photos of three individuals, a gallery of them, and a week of [`WEEK`] encounters of two photos.
fn turtles(root: &Path, workspace: &Path) -> std::path::PathBuf {
    use caretta::eval::model::{About, Preprocessing};
    use caretta::nn::head::HeadKind;
    use caretta::nn::network::{Architecture, Network};
    use caretta::nn::weights::WeightFile;

    let architecture = Architecture { backbone: "resnet18", head: HeadKind::Mlp, dimensions: 8 };
    let network = Network::new(&dfdx::prelude::Cpu::default(), architecture, 3).unwrap();
    let about = serde_json::to_string(&About::new(architecture, Preprocessing::of_side(32))).unwrap();
    let mut file = WeightFile { about, ..WeightFile::default() };
    file.insert_network(&network).unwrap();
    std::fs::write(root.join("m.safetensors"), file.to_bytes(Path::new("m")).unwrap()).unwrap();
    let draw = |path: String, who: u32, n: u32| {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let pixel =
            |x: u32, y: u32| image::Rgb([(who * 70 + x * n) as u8, (x * y + who * n) as u8, (y * 5 + n * 9) as u8]);
        image::RgbImage::from_fn(32, 32, pixel).save(path).unwrap();
    };
    (1..=3).for_each(|who| (0..4).for_each(|n| draw(format!("photos/t{who}/{n}.png"), who, n)));
    (0..WEEK).for_each(|at| (0..2).for_each(|n| draw(format!("week/enc{at}/{n}.png"), at % 3 + 1, 10 + 2 * at + n)));
    let path = |name: &str| root.join(name).to_str().unwrap().to_owned();
    let (model, photos, gallery) = (path("m.safetensors"), path("photos"), path("g"));
    verb(workspace, &["gallery", "build", "--model-path", &model, "--data-dir", &photos, "--gallery", &gallery]);
    root.join("g")
}

/// How many encounters the screen says are done; none where it says nothing of it.
fn said_done(text: &str) -> Option<usize> {
    let (_, said) = text.split_once(&format!("{WEEK} encounters · "))?;
    said.split_once(" done")?.0.parse().ok()
}

/// Killed at random moments, a handful of times here; `CARETTA_KILLS=100 cargo test --test workbench a_folder` does so as often as you
/// like. Every session has something to decide or to take back, and is gone on with until all is decided.
#[test]
fn a_folder_is_named_by_keys_alone_and_a_kill_loses_and_doubles_nothing() {
    use caretta::gallery::store::Gallery;

    let (dir, workspace) = workspace();
    let root = dir.path().canonicalize().unwrap();
    let gallery = turtles(&root, &workspace);
    let all = WEEK as usize;
    let kills: usize = std::env::var("CARETTA_KILLS").map_or(4, |n| n.parse().unwrap());
    // what stands, in the order in which it was decided
    let decided = || -> Vec<String> {
        let gallery = Gallery::open(&gallery).unwrap();
        let decided = gallery.decided(None).unwrap().into_iter().filter(|d| !d.undone).map(|d| d.encounter);
        let decided: Vec<String> = decided.collect();
        let once: std::collections::BTreeSet<&String> = decided.iter().collect();
        assert_eq!(once.len(), decided.len(), "an encounter is decided once: {decided:?}");
        assert_eq!(gallery.counts().unwrap().photos, 12 + 2 * decided.len() as u64, "with its photos, each once");
        assert_eq!(gallery.known().unwrap().len(), 12 + 2 * decided.len());
        decided
    };
    let shown = |done: usize| format!("{WEEK} encounters · {done} done");
    let mut screen = Screen::open(&workspace);
    screen.sees("5 Identify");
    screen.press("5");
    screen.sees("3 individuals · 12 photos");
    screen.press("n");
    screen.sees("Folder of new photos");
    screen.press(&format!("{}\r", root.join("week").display()));
    screen.sees(&shown(0));
    screen.sees("▀▀▀▀");
    // a new individual: the nearest first, then a name; then back
    screen.press("n");
    screen.sees("None of these?");
    screen.press("\r");
    screen.sees("new-001");
    screen.press("\r");
    screen.sees("1 done · 1 new");
    let begin = Instant::now();
    screen.press("u");
    screen.sees(&shown(0));
    let one_step = begin.elapsed();
    assert!(decided().is_empty());

    let share = |n: usize| (n * 7919 % 1009) as f64 / 1009.0; // scattered
    let (mut before, mut hits) = (decided(), [0; 3]);
    let mut opening = Duration::from_secs(1);
    for nth in 0..kills {
        // back where all is decided, and now and then
        let step = |before: &[String], n: usize| match before.len() {
            0 => ("\r", 1),
            done if done == all || n.is_multiple_of(3) => ("u", done - 1),
            done => ("\r", done + 1),
        };
        if nth.is_multiple_of(2) {
            // a step that is seen before the one that is killed
            let (key, done) = step(&before, nth / 2);
            screen.press(key);
            screen.sees(&shown(done));
            before = decided();
            assert_eq!(before.len(), done, "what the screen says is done is done");
        }
        let (key, done) = step(&before, nth);
        screen.press(key);
        std::thread::sleep(one_step.mul_f64(2.0 * share(nth)));
        let said = said_done(&screen.killed());
        let now = decided();
        let (longer, shorter) = if done < before.len() { (&before, &now) } else { (&now, &before) };
        let is_a_step = longer.starts_with(shorter) && longer.len() - shorter.len() <= 1;
        assert!(is_a_step, "kill {nth}: one key is one step: {before:?}, then {now:?}");
        let is_told = said == Some(done);
        assert!(is_told || said.is_none_or(|said| said == before.len()), "kill {nth}: {said:?}");
        assert!(!is_told || now.len() == done, "kill {nth}: the screen said {done}, and there is {now:?}");
        hits[if is_told { 2 } else { usize::from(now.len() == done) }] += 1;
        before = now;
        if nth % 4 == 3 {
            // killed while it opens, too
            let screen = Screen::open(&workspace);
            std::thread::sleep(opening.mul_f64(share(nth)));
            screen.killed();
            assert_eq!(decided(), before, "kill {nth}");
        }
        let begin = Instant::now();
        screen = Screen::open(&workspace);
        screen.sees("5 Identify");
        // it opens where it was left, and from the list where nothing is left to decide
        screen.press("5");
        if before.len() == all {
            screen.sees(&format!("{all} of {all} decided"));
            screen.press("\x1b[B\r");
        }
        screen.sees(&shown(before.len()));
        opening = begin.elapsed();
    }
    let [not_done, done, told] = hits;
    println!(
        "killed with the last key's step not done {not_done} times, done {done} times, done and shown {told} times"
    );
    for done in before.len()..all {
        screen.press("\r");
        screen.sees(&shown(done + 1));
    }
    assert_eq!(decided().len(), all);
    screen.press("q");
    assert_eq!(screen.ends_within(Duration::from_secs(5)), 0);
}
