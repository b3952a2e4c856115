//! What the terminal shows of our pictures, brought in step with what the screen wants shown.

use std::io::{self, Write, stdout};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crossterm::cursor::MoveTo;
use crossterm::queue;
use crossterm::terminal::{BeginSynchronizedUpdate, EndSynchronizedUpdate};
use image::DynamicImage;
use ratatui::buffer::{Buffer, CellDiffOption};
use ratatui::layout::Rect;

use super::{Graphics, Picture, Protocol, kitty};
use crate::tui::message::PictureKey;
use crate::tui::terminal::PICTURED;

/// A picture and the cells that it covers.
#[derive(Debug, Clone)]
pub(in crate::tui) struct Placed {
    /// The cells.
    pub(in crate::tui) area: Rect,
    /// What it is of.
    pub(in crate::tui) key: PictureKey,
    /// Its pixels.
    pub(in crate::tui) picture: Arc<Picture>,
}

impl PartialEq for Placed {
    fn eq(&self, other: &Placed) -> bool {
        self.area == other.area && self.key == other.key && Arc::ptr_eq(&self.picture, &other.picture)
    }
}

/// What there is to do between two frames.
#[derive(Debug, Default)]
pub(in crate::tui) struct Change {
    /// Taken away.
    pub(in crate::tui) gone: Vec<Placed>,
    /// Put there.
    pub(in crate::tui) new: Vec<Placed>,
}

impl Change {
    /// From what is shown to what is wanted.
    pub(in crate::tui) fn between(shown: &[Placed], wanted: &[Placed]) -> Change {
        let only = |these: &[Placed], those: &[Placed]| {
            these.iter().filter(|placed| !those.contains(placed)).cloned().collect()
        };
        Change { gone: only(shown, wanted), new: only(wanted, shown) }
    }

    /// Whether nothing is to be done.
    pub(in crate::tui) fn is_empty(&self) -> bool {
        self.gone.is_empty() && self.new.is_empty()
    }

    /// Has the cells below what is gone and what is new written, whatever was there: pixels go with the cells that they
    /// lay on, and nothing may shine through at a picture's edges.
    pub(in crate::tui) fn uncover(&self, buffer: &mut Buffer) {
        let bare = |buffer: &mut Buffer, area: Rect, skipped: bool| {
            for place in area.intersection(buffer.area).positions() {
                let cell = &mut buffer[place];
                if skipped || cell.diff_option != CellDiffOption::Skip {
                    cell.set_diff_option(CellDiffOption::AlwaysUpdate);
                }
            }
        };
        self.gone.iter().for_each(|placed| bare(buffer, placed.area, false));
        self.new.iter().for_each(|placed| bare(buffer, placed.area, true));
    }
}

/// Puts pictures on the terminal and takes them away.
pub(in crate::tui) trait Canvas {
    /// What may go wrong.
    type Error;

    /// From now on pictures are drawn so.
    fn use_graphics(&mut self, graphics: Graphics);

    /// A frame begins in which pictures change.
    ///
    /// # Errors
    /// Those of the terminal.
    fn begin(&mut self) -> Result<(), Self::Error>;

    /// Its cells are written; now the pictures.
    ///
    /// # Errors
    /// Those of the terminal.
    fn change(&mut self, change: &Change) -> Result<(), Self::Error>;

    /// The terminal was cleared, or may have been.
    ///
    /// # Errors
    /// Those of the terminal.
    fn clear(&mut self) -> Result<(), Self::Error>;
}

/// The terminal at standard output.
#[derive(Debug, Default)]
pub(in crate::tui) struct Overlay {
    graphics: Option<Graphics>,
    /// Images of kitty's protocol that are there.
    numbered: Vec<(u32, Placed)>,
    last_id: u32,
}

impl Canvas for Overlay {
    type Error = io::Error;

    fn use_graphics(&mut self, graphics: Graphics) {
        PICTURED.store(graphics.protocol == Protocol::Kitty, Ordering::SeqCst);
        self.graphics = Some(graphics);
    }

    fn begin(&mut self) -> io::Result<()> {
        queue!(stdout(), BeginSynchronizedUpdate)
    }

    fn change(&mut self, change: &Change) -> io::Result<()> {
        let mut out = stdout();
        match self.graphics {
            None => {}
            Some(Graphics { protocol: Protocol::Kitty, .. }) => {
                for gone in &change.gone {
                    if let Some(at) = self.numbered.iter().position(|(_, placed)| placed == gone) {
                        kitty::delete(&mut out, self.numbered.swap_remove(at).0)?;
                    }
                }
                for new in &change.new {
                    let Some(text) = &new.picture.text else { continue };
                    // 31 is the probe's
                    self.last_id = self.last_id % 0xff_ffff + 100;
                    queue!(out, MoveTo(new.area.x, new.area.y))?;
                    kitty::put(&mut out, self.last_id, text)?;
                    self.numbered.push((self.last_id, new.clone()));
                }
            }
            Some(Graphics { protocol, .. }) => {
                for new in &change.new {
                    print(protocol, new)?;
                }
            }
        }
        queue!(out, EndSynchronizedUpdate)?;
        out.flush()
    }

    fn clear(&mut self) -> io::Result<()> {
        if !self.numbered.is_empty() {
            self.numbered.clear();
            stdout().write_all(kitty::DELETE_ALL.as_bytes())?;
        }
        Ok(())
    }
}

/// Pixels of a sixel picture's cell, as viuer takes it to be.
const VIUERS_CELL: (u32, u32) = (6, 12);

/// Prints a picture through viuer. One that cannot be drawn leaves its place empty.
fn print(protocol: Protocol, placed: &Placed) -> io::Result<()> {
    let (width, height) = match protocol {
        Protocol::Sixel => {
            (placed.picture.pixels.width() / VIUERS_CELL.0, placed.picture.pixels.height() / VIUERS_CELL.1)
        }
        Protocol::Kitty | Protocol::Iterm => (u32::from(placed.area.width), u32::from(placed.area.height)),
    };
    let config = viuer::Config {
        absolute_offset: true,
        x: placed.area.x,
        y: i16::try_from(placed.area.y).unwrap_or(i16::MAX),
        width: Some(width.max(1)),
        height: Some(height.max(1)),
        restore_cursor: true,
        use_kitty: false,
        use_iterm: protocol == Protocol::Iterm,
        use_sixel: protocol == Protocol::Sixel,
        ..viuer::Config::default()
    };
    match viuer::print(&DynamicImage::ImageRgb8(placed.picture.pixels.clone()), &config) {
        Err(viuer::ViuError::Io(error)) => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::message::{Look, Window};

    fn placed(x: u16, name: &str) -> Placed {
        let key = PictureKey {
            path: name.into(),
            cells: (4, 2),
            pixels: (10, 20),
            protocol: Some(Protocol::Kitty),
            window: Window::default(),
            look: Look::File,
        };
        Placed { area: Rect::new(x, 1, 4, 2), key, picture: Arc::new(Picture::new(image::RgbImage::new(40, 40), None)) }
    }

    #[test]
    fn only_what_differs_is_done_and_cells_below_are_written_again() {
        let (a, b, c) = (placed(0, "a"), placed(10, "b"), placed(20, "c"));
        let change = Change::between(&[a.clone(), b.clone()], &[b.clone(), c.clone()]);
        assert_eq!((&change.gone, &change.new), (&vec![a.clone()], &vec![c]));
        assert!(Change::between(std::slice::from_ref(&a), std::slice::from_ref(&a)).is_empty());
        let moved = Placed { area: Rect::new(1, 1, 4, 2), ..a.clone() };
        assert!(!Change::between(&[a], &[moved]).is_empty());
        let mut buffer = Buffer::empty(Rect::new(0, 0, 30, 5));
        for at in b.area.positions() {
            buffer[at].set_diff_option(CellDiffOption::Skip);
        }
        change.uncover(&mut buffer);
        let option = |x| buffer[(x, 1)].diff_option;
        assert_eq!(
            [option(0), option(10), option(20), option(25)],
            [CellDiffOption::AlwaysUpdate, CellDiffOption::Skip, CellDiffOption::AlwaysUpdate, CellDiffOption::None]
        );
    }
}
