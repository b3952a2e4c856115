//! Asks the terminal once what pictures it draws, and waits no longer than a limit for the answer.

use std::io::{self, Write, stdout};
use std::time::{Duration, Instant};

use crossterm::event::KeyEvent;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::answers::{Answers, Late, Reader};
use super::{Graphics, Protocol};

/// How long answers are waited for; keys are keys meanwhile.
const LIMIT: Duration = Duration::from_millis(1000);

/// A picture of one pixel that kitty's protocol only judges; what the terminal is called; the size of a cell; and last
/// what every terminal answers, so that the others are known not to come (kitty's documentation, xterm's ctlseqs).
const QUESTION: &[u8] = b"\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\\x1b[>q\x1b[16t\x1b[c";

/// Asks.
///
/// # Errors
/// When the terminal cannot be written to.
pub(in crate::tui) fn ask() -> io::Result<()> {
    let mut out = stdout().lock();
    out.write_all(QUESTION)?;
    out.flush()
}

/// Waits for the answers, passing on what a person types. What the terminal draws with, and what may still come.
pub(in crate::tui) fn answers(mut typed: impl FnMut(KeyEvent)) -> (Option<Graphics>, Late) {
    let mut reader = Reader::default();
    let end = Instant::now() + LIMIT;
    let input = io::stdin();
    let mut block = [0; 256];
    while !reader.answers.complete {
        let Some(left) = end.checked_duration_since(Instant::now()) else { break };
        let limit = Timespec { tv_sec: 0, tv_nsec: i64::from(left.subsec_nanos().min(999_999_999)) };
        let mut fds = [PollFd::new(&input, PollFlags::IN)];
        match poll(&mut fds, Some(&limit)) {
            Ok(0) => break,
            Ok(_) => match rustix::io::read(&input, &mut block) {
                Ok(n @ 1..) => reader.take(&block[..n]).into_iter().for_each(&mut typed),
                // the reader of keys finds out what this is
                _ => break,
            },
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => break,
        }
    }
    let late = Late::after(&reader, Instant::now());
    (graphics(&reader.answers, pixels_of_a_cell()), late)
}

/// A cell's size as the system knows it: width and height in pixels.
fn pixels_of_a_cell() -> Option<(u16, u16)> {
    let size = crossterm::terminal::window_size().ok()?;
    let cell = (size.width.checked_div(size.columns)?, size.height.checked_div(size.rows)?);
    (cell.0 > 0 && cell.1 > 0).then_some(cell)
}

/// What the answers come to. Sixels and iTerm2's pictures go through viuer, which asks again in its own way.
fn graphics(answers: &Answers, cell: Option<(u16, u16)>) -> Option<Graphics> {
    let cell = answers.cell.or(cell)?;
    let calls_itself = |name: &str| answers.name.starts_with(name);
    let protocol = if answers.kitty {
        Protocol::Kitty
    } else if (calls_itself("iTerm2") || calls_itself("WezTerm")) && viuer::is_iterm_supported() {
        Protocol::Iterm
    // this reads the keyboard without a limit, and is only let by where the same question has just been answered
    } else if answers.complete && answers.sixel && viuer::is_sixel_supported() {
        Protocol::Sixel
    } else {
        return None;
    };
    Some(Graphics { protocol, cell })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_protocol_needs_its_answer_and_a_cells_size() {
        let kitty = Answers { kitty: true, complete: true, ..Answers::default() };
        let found = |answers: &Answers, cell| graphics(answers, cell).map(|g| (g.protocol, g.cell));
        assert_eq!(found(&kitty, Some((8, 16))), Some((Protocol::Kitty, (8, 16))));
        assert_eq!(found(&kitty, None), None);
        let told = Answers { cell: Some((10, 20)), ..kitty };
        assert_eq!(found(&told, Some((8, 16))), Some((Protocol::Kitty, (10, 20))));
        assert_eq!(found(&Answers { complete: true, ..Answers::default() }, Some((8, 16))), None);
    }
}
