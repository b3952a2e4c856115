//! The terminal taken over and given back: one restore for the end, a panic and signals, which does no harm twice.

use std::io::{self, Write, stdout};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use crossterm::event::{DisableBracketedPaste, EnableBracketedPaste, Event, KeyEventKind};
use crossterm::terminal::{Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen};
use crossterm::{cursor, event, execute, terminal};
use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP};

use crate::data::base64::base64;

use super::effects::vital;
use super::graphics::{answers::Late, kitty, probe};
use super::message::Message;

/// Set before anything is changed, cleared by the one who gives back.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// Pictures may lie on the terminal that it does not take away with its cells.
pub(super) static PICTURED: AtomicBool = AtomicBool::new(false);

/// How long the screen has to end by itself after the terminal has gone.
const GRACE: Duration = Duration::from_millis(400);

/// The terminal while the screen has it; dropping it gives it back.
pub(super) struct Taken(());

/// Takes the terminal over. A panic of this thread gives it back first and then says its message.
pub(super) fn take() -> io::Result<Taken> {
    let before = std::panic::take_hook();
    let screen = std::thread::current().id();
    std::panic::set_hook(Box::new(move |info| {
        // other threads tell the screen, which then ends in order; a decoder's panic on a bad photo is nobody's end
        if std::thread::current().id() == screen {
            give_back();
            before(info);
        }
    }));
    // NO_COLOR is the theme's: crossterm's own way of it takes every attribute along
    crossterm::style::force_color_output(true);
    let taken = Taken(());
    enter()?;
    Ok(taken)
}

fn enter() -> io::Result<()> {
    TAKEN.store(true, Ordering::SeqCst);
    terminal::enable_raw_mode()?;
    // who was killed has left this screen as it was
    execute!(stdout(), EnterAlternateScreen, Clear(ClearType::All), EnableBracketedPaste, cursor::Hide)
}

/// Gives the terminal back as it was; does nothing where that is done.
pub(super) fn give_back() {
    if TAKEN.swap(false, Ordering::SeqCst) {
        // a terminal that has gone takes nothing back
        if PICTURED.load(Ordering::SeqCst) {
            let _ = stdout().write_all(kitty::DELETE_ALL.as_bytes());
        }
        let _ = execute!(stdout(), DisableBracketedPaste, LeaveAlternateScreen, cursor::Show);
        let _ = terminal::disable_raw_mode();
        let _ = stdout().flush();
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        give_back();
    }
}

/// Steps away to the shell until it lets the process go on; whether there is a shell that could.
pub(super) fn suspend() -> io::Result<bool> {
    if !has_shell() {
        return Ok(false);
    }
    give_back();
    signal_hook::low_level::emulate_default_handler(SIGTSTP)?;
    enter()?;
    Ok(true)
}

/// Whether somebody can continue this process once it is stopped: a shell that gave it a process group of its own, in
/// this session. `ssh -t host caretta` and `tmux new caretta` have none, and it would stay stopped for ever.
fn has_shell() -> bool {
    use rustix::process::{getpgrp, getppid, getsid};
    let session = getsid(None).ok();
    session != Some(getpgrp()) && getppid().is_some_and(|parent| getsid(Some(parent)).ok() == session)
}

/// Has `text` put into the clipboard by the terminal, over SSH too (OSC 52).
pub(super) fn copy(text: &str) -> io::Result<()> {
    let mut out = stdout().lock();
    write!(out, "\x1b]52;c;{}\x07", base64(text.as_bytes()))?;
    out.flush()
}

/// Reads keys for as long as the terminal gives any; where the terminal was asked for pictures, its answers first.
pub(super) fn read_keys(inbox: &Sender<Message>, was_asked: bool) {
    vital(inbox, "keys", move |inbox| {
        let mut late = Late::default();
        if was_asked {
            let typed = |key| drop(inbox.send(Message::Key(key)));
            let (graphics, still) = probe::answers(typed);
            late = still;
            if let Some(graphics) = graphics {
                let _ = inbox.send(Message::Graphics(graphics));
            }
        }
        loop {
            let message = match event::read() {
                Ok(Event::Key(key)) if late.swallows(key, Instant::now()) => continue,
                Ok(Event::Key(key)) if key.kind != KeyEventKind::Release => Message::Key(key),
                Ok(Event::Paste(text)) => Message::Paste(text),
                Ok(Event::Resize(columns, rows)) => Message::Resize(columns, rows),
                Ok(_) => continue,
                Err(_) => Message::Hangup,
            };
            let over = matches!(message, Message::Hangup);
            if inbox.send(message).is_err() || over {
                return;
            }
        }
    });
}

/// Obeys signals, whatever the screen's own thread is doing.
///
/// # Errors
/// When the system refuses to deliver them.
pub(super) fn obey_signals(inbox: &Sender<Message>) -> io::Result<()> {
    let wanted = [SIGHUP, SIGTERM, SIGINT, SIGQUIT, SIGTSTP, SIGCONT];
    let mut signals = signal_hook::iterator::Signals::new(wanted)?;
    vital(inbox, "signals", move |inbox| {
        for signal in signals.forever() {
            match signal {
                SIGTSTP => drop(inbox.send(Message::Suspend)),
                // after SIGSTOP the shell has left the terminal in its own state
                SIGCONT if TAKEN.load(Ordering::SeqCst) => {
                    let _ = enter();
                    let _ = inbox.send(Message::Redraw);
                }
                SIGCONT => {}
                ending => {
                    let _ = inbox.send(Message::Hangup);
                    std::thread::sleep(GRACE);
                    // the screen may be stuck in a write to a terminal that takes nothing any more
                    let _ = std::thread::Builder::new().name("restore".into()).spawn(give_back);
                    std::thread::sleep(GRACE / 2);
                    std::process::exit(128 + ending);
                }
            }
        }
    });
    Ok(())
}
