//! The loop: takes messages in, has effects performed, and draws when what is shown has changed.
//!
//! The backend, the messages and what performs effects are given, so that the tests drive this very loop.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use ratatui::Terminal;
use ratatui::backend::Backend;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::graphics::overlay::{Canvas, Change, Placed};
use super::message::{Effect, Message};
use super::model::{Ending, Model};
use super::update::update;
use super::view::{placed, view};

/// Runs until the model has an ending. `pace` is the least time between two frames; `canvas` draws what is finer than
/// cells; `perform` does what the model asks for and says whether everything is to be drawn again.
///
/// # Errors
/// Those of the backend, the canvas and `perform`.
pub(super) fn run<B: Backend, C: Canvas, E: From<B::Error> + From<C::Error>>(
    terminal: &mut Terminal<B>,
    model: &mut Model,
    inbox: &Receiver<Message>,
    pace: Duration,
    canvas: &mut C,
    mut perform: impl FnMut(Effect) -> Result<bool, E>,
) -> Result<Ending, E> {
    let mut frames = Frames { last: None, placed: Vec::new(), drawn_at: None };
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
                        if let Effect::Graphics(graphics) = effect {
                            canvas.use_graphics(graphics);
                        } else if perform(effect)? {
                            // `clear` would ask the terminal where its cursor is, and the keys' thread would get the answer
                            let size = terminal.size()?;
                            terminal.resize(Rect::new(0, 0, size.width, size.height))?;
                            frames.forget(canvas)?;
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
            frames.draw::<_, _, E>(terminal, model, canvas)?;
            stale = false;
        }
    }
}

/// What was drawn last, and when.
struct Frames {
    last: Option<Buffer>,
    placed: Vec<Placed>,
    drawn_at: Option<Instant>,
}

impl Frames {
    /// How long to wait until the next frame may be drawn.
    fn rest(&self, pace: Duration) -> Duration {
        self.drawn_at.map_or(Duration::ZERO, |at| pace.saturating_sub(at.elapsed()))
    }

    /// Nothing of what was drawn is known to be there.
    fn forget<C: Canvas>(&mut self, canvas: &mut C) -> Result<(), C::Error> {
        self.last = None;
        self.placed.clear();
        canvas.clear()
    }

    /// Draws, unless every cell and picture is what it was: a frame writes a few bytes even where no cell differs.
    fn draw<B: Backend, C: Canvas, E: From<B::Error> + From<C::Error>>(
        &mut self,
        terminal: &mut Terminal<B>,
        model: &mut Model,
        canvas: &mut C,
    ) -> Result<(), E> {
        let size = terminal.size()?;
        if (size.width, size.height) != model.size {
            model.size = (size.width, size.height);
        }
        let mut buffer = Buffer::empty(Rect::new(0, 0, size.width, size.height));
        if self.last.as_ref().is_some_and(|last| last.area != buffer.area) {
            // a terminal keeps, moves or cuts pictures when its size changes, each in its own way
            self.forget(canvas)?;
        }
        view(model, &mut buffer);
        let placed = placed(model);
        let change = Change::between(&self.placed, &placed);
        if change.is_empty() && self.last.as_ref() == Some(&buffer) {
            return Ok(());
        }
        if !change.is_empty() {
            canvas.begin()?;
        }
        terminal.draw(|frame| {
            let area = frame.area().intersection(buffer.area);
            if area == buffer.area && frame.area() == area {
                let cells = frame.buffer_mut();
                cells.clone_from(&buffer);
                change.uncover(cells);
            }
        })?;
        if !change.is_empty() {
            canvas.change(&change)?;
        }
        (self.last, self.placed) = (Some(buffer), placed);
        self.drawn_at = Some(Instant::now());
        Ok(())
    }
}
