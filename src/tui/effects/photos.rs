//! Photos decoded and brought to the size of their place, away from the screen's thread.
//!
//! Only what is wanted now is worked on: a new wish takes the place of the one before. The photos decoded last are kept,
//! so that a zoom or a resize reads no file.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, TryRecvError};

use image::imageops::{self, FilterType};
use image::{Rgb, RgbImage};

use crate::data::decode::{self, PhotoFile};
use crate::data::preview::Versions;
use crate::run::config::{Config, Method};
use crate::tui::graphics::Picture;
use crate::tui::message::{Look, Message, PictureKey};
use crate::tui::widgets::photo::fitted;

/// Longest side that is kept of a photo, in pixels: enough for a large screen, zoomed.
const LONGEST: u32 = 2400;
/// Side of a photo that is augmented for looking at, in pixels.
const SIDE: u32 = 224;
/// Photos kept decoded.
const KEPT: usize = 12;

/// Works for as long as somebody wishes.
pub(super) fn run(inbox: &Sender<Message>, wishes: &Receiver<Vec<PictureKey>>) {
    let mut decoded = Decoded::default();
    let mut left: VecDeque<PictureKey> = VecDeque::new();
    loop {
        if left.is_empty() {
            match wishes.recv() {
                Ok(keys) => left = keys.into(),
                Err(_) => return,
            }
        }
        loop {
            match wishes.try_recv() {
                Ok(keys) => left = keys.into(),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => return,
            }
        }
        let Some(key) = left.pop_front() else { continue };
        let picture = picture(&mut decoded, &key);
        if inbox.send(Message::Picture(key, picture)).is_err() {
            return;
        }
    }
}

fn picture(decoded: &mut Decoded, key: &PictureKey) -> Result<Arc<Picture>, String> {
    pixels(decoded, key).map(|pixels| Arc::new(Picture::new(pixels, key.protocol)))
}

fn pixels(decoded: &mut Decoded, key: &PictureKey) -> Result<RgbImage, String> {
    let photo = match key.look {
        Look::File => return decoded.get(&key.path).map(|photo| scaled(&photo, key)),
        Look::Framed(crop) => {
            let photo = decoded.get(&key.path)?;
            let mut picture = scaled(&photo, key);
            outline(&mut picture, key.window.of(photo.dimensions()), crop.pixels(photo.width(), photo.height()));
            return Ok(picture);
        }
        Look::Crop(crop) => crop.of(&*decoded.get(&key.path)?),
        Look::Augmented(crop, version) => {
            let file = PhotoFile { path: key.path.clone(), crop };
            decoded.versions(file)?.version(version)
        }
    };
    Ok(scaled(&photo, key))
}

#[derive(Default)]
struct Decoded {
    photos: VecDeque<(PathBuf, Arc<RgbImage>)>,
    /// The photo whose versions were asked for last.
    versions: Option<(PhotoFile, Versions)>,
}

impl Decoded {
    /// Versions of `file` by the usual augmentation: a page of them decodes it once.
    fn versions(&mut self, file: PhotoFile) -> Result<&Versions, String> {
        if self.versions.as_ref().is_none_or(|(of, _)| *of != file) {
            let how = Config::preset(Method::Arcface).augment;
            let versions = Versions::of(&file, &how, SIDE).map_err(|e| e.to_string())?;
            self.versions = Some((file, versions));
        }
        self.versions.as_ref().map(|(_, versions)| versions).ok_or_else(String::new)
    }

    fn get(&mut self, path: &PathBuf) -> Result<Arc<RgbImage>, String> {
        if let Some(at) = self.photos.iter().position(|(p, _)| p == path)
            && let Some(found) = self.photos.remove(at)
        {
            let photo = found.1.clone();
            self.photos.push_back(found);
            return Ok(photo);
        }
        let mut photo = decode::read(path).map_err(|e| e.to_string())?;
        let longest = photo.width().max(photo.height());
        if longest > LONGEST {
            let size = |side: u32| (u64::from(side) * u64::from(LONGEST) / u64::from(longest)).max(1) as u32;
            photo = imageops::thumbnail(&photo, size(photo.width()), size(photo.height()));
        }
        let photo = Arc::new(photo);
        self.photos.push_back((path.clone(), photo.clone()));
        if self.photos.len() > KEPT {
            self.photos.pop_front();
        }
        Ok(photo)
    }
}

/// The part of `photo` that `key` asks for, as large as its place allows.
fn scaled(photo: &RgbImage, key: &PictureKey) -> RgbImage {
    let (x, y, width, height) = key.window.of(photo.dimensions());
    let part = imageops::crop_imm(photo, x, y, width, height);
    let (to_width, to_height) = fitted((width, height), key.cells, key.pixels);
    imageops::resize(&*part, to_width, to_height, FilterType::Triangle)
}

/// Draws a line around `part` of a photo into `picture`, which shows `window` of it; both are left, top, width, height.
fn outline(picture: &mut RgbImage, window: (u32, u32, u32, u32), part: (u32, u32, u32, u32)) {
    const LINE: Rgb<u8> = Rgb([0, 220, 220]);
    let thick = (picture.width() / 200).clamp(1, 4);
    let place = |at: u32, from: u32, seen: u32, side: u32| {
        (i64::from(at) - i64::from(from)) * i64::from(side) / i64::from(seen.max(1))
    };
    let (wide, high) = picture.dimensions();
    let x = [part.0, part.0 + part.2].map(|x| place(x, window.0, window.2, wide));
    let y = [part.1, part.1 + part.3].map(|y| place(y, window.1, window.3, high));
    for (at_x, at_y, pixel) in picture.enumerate_pixels_mut() {
        let (at_x, at_y) = (i64::from(at_x), i64::from(at_y));
        let near = |at: i64, [from, to]: [i64; 2]| {
            (from..from + i64::from(thick)).contains(&at) || (to - i64::from(thick)..to).contains(&at)
        };
        let within = (x[0]..x[1]).contains(&at_x) && (y[0]..y[1]).contains(&at_y);
        if within && (near(at_x, x) || near(at_y, y)) {
            *pixel = LINE;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::message::{Look, Window};

    #[test]
    fn the_part_that_counts_has_a_line_around() {
        let mut picture = RgbImage::new(40, 30);
        // the right half of an 80 x 60 photo is seen
        outline(&mut picture, (40, 0, 40, 60), (50, 20, 20, 20));
        let lit: Vec<_> = picture.enumerate_pixels().filter(|(.., p)| p.0[1] > 0).map(|(x, y, _)| (x, y)).collect();
        assert!(lit.contains(&(10, 10)) && lit.contains(&(29, 19)) && !lit.contains(&(15, 15)), "{lit:?}");
        assert!(lit.iter().all(|(x, y)| (10..30).contains(x) && (10..20).contains(y)));
        outline(&mut picture, (40, 0, 40, 60), (0, 0, 10, 10));
    }

    #[test]
    fn a_zoom_shows_the_middle_at_the_same_size() {
        let photo = RgbImage::from_fn(80, 60, |x, _| Rgb([if (20..60).contains(&x) { 255 } else { 0 }, 0, 0]));
        let key = |zoom| PictureKey {
            path: "a.jpg".into(),
            cells: (40, 15),
            pixels: (1, 2),
            protocol: None,
            window: Window { zoom, off: (0, 0) },
            look: Look::File,
        };
        let (whole, near) = (scaled(&photo, &key(0)), scaled(&photo, &key(1)));
        assert_eq!((whole.dimensions(), near.dimensions()), ((40, 30), (40, 30)));
        assert_eq!((whole.get_pixel(2, 9).0[0], near.get_pixel(2, 9).0[0]), (0, 255));
    }
}
