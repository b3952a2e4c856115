//! The loop: takes messages in, has effects performed, and draws when what is shown has changed.
//!
//! The backend, the messages and what performs effects are given, so that the tests drive this very loop.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use ratatui::Terminal;
use ratatui::backend::Backend;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::message::{Effect, Message};
use super::model::{Ending, Model};
use super::update::update;
use super::view::view;

/// Runs until the model has an ending. `pace` is the least time between two frames; `perform` does what the model asks
/// for and says whether everything is to be drawn again.
///
/// # Errors
/// Those of the backend and of `perform`.
pub(super) fn run<B: Backend, E: From<B::Error>>(
    terminal: &mut Terminal<B>,
    model: &mut Model,
    inbox: &Receiver<Message>,
    pace: Duration,
    mut perform: impl FnMut(Effect) -> Result<bool, E>,
) -> Result<Ending, E> {
    let mut frames = Frames { last: None, drawn_at: None };
    let mut stale = true;
    loop {
        let wait = stale.then(|| frames.rest(pace));
        let first = match wait {
            Some(wait) => inbox.recv_timeout(wait),
            None => inbox.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        match first {
            Ok(message) => {
                // what has come meanwhile is one frame; a flood of it must not starve the screen
                let more = inbox.try_iter().take(256).collect::<Vec<_>>();
                for message in std::iter::once(message).chain(more) {
                    for effect in update(model, message) {
                        if perform(effect)? {
                            // `clear` would ask the terminal where its cursor is, and the keys' thread would get the answer
                            let size = terminal.size()?;
                            terminal.resize(Rect::new(0, 0, size.width, size.height))?;
                            frames.last = None;
                        }
                    }
                    if let Some(ending) = &model.ending {
                        return Ok(ending.clone());
                    }
                }
                stale = true;
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Ok(Ending::Gone),
        }
        if stale && frames.rest(pace).is_zero() {
            frames.draw(terminal, model)?;
            stale = false;
        }
    }
}

/// What was drawn last, and when.
struct Frames {
    last: Option<Buffer>,
    drawn_at: Option<Instant>,
}

impl Frames {
    /// How long to wait until the next frame may be drawn.
    fn rest(&self, pace: Duration) -> Duration {
        self.drawn_at.map_or(Duration::ZERO, |at| pace.saturating_sub(at.elapsed()))
    }

    /// Draws, unless every cell is what it was: a frame writes a few bytes even where no cell differs.
    fn draw<B: Backend>(&mut self, terminal: &mut Terminal<B>, model: &mut Model) -> Result<(), B::Error> {
        let size = terminal.size()?;
        if (size.width, size.height) != model.size {
            model.size = (size.width, size.height);
        }
        let mut buffer = Buffer::empty(Rect::new(0, 0, size.width, size.height));
        view(model, &mut buffer);
        if self.last.as_ref() != Some(&buffer) {
            terminal.draw(|frame| {
                let area = frame.area().intersection(buffer.area);
                if area == buffer.area && frame.area() == area {
                    frame.buffer_mut().clone_from(&buffer);
                }
            })?;
            self.last = Some(buffer);
            self.drawn_at = Some(Instant::now());
        }
        Ok(())
    }
}
