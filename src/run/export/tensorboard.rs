//! An event file as TensorBoard reads it: TFRecords of `Event` messages with scalar summaries.
//!
//! Formats: TFRecord is length (u64), its masked CRC-32C, the bytes, theirs (tensorflow/core/lib/io/record_writer);
//! `Event` is wall_time = 1 (double), step = 2 (int64), file_version = 3 (string), summary = 5; `Summary` repeats
//! value = 1 with tag = 1 (string) and simple_value = 2 (float) (tensorflow/core/{util/event,framework/summary}.proto).

use std::io::Write;
use std::path::{Path, PathBuf};

use super::{OF_EPOCH, OF_STEP};
use crate::run::dir::RunDir;
use crate::run::error::Result;
use crate::run::files;
use crate::run::metrics::History;

pub(super) fn write(run: &RunDir, history: &History, folder: &Path) -> Result<Vec<PathBuf>> {
    // TensorBoard takes any file whose name holds `tfevents`; a fixed one, so that a second export replaces the first
    let path = folder.join(format!("events.out.tfevents.{}", run.id()));
    files::replace_with(&path, |out| {
        let begin = history.steps.first().map_or(0.0, |s| s.time);
        record(out, &event(begin, 0, &[field_bytes(3, b"brain.Event:2")]))?;
        for step in &history.steps {
            let values = OF_STEP.iter().filter_map(|(name, of)| Some((format!("train/{name}"), of(step)?)));
            record(out, &scalars(step.time, step.step, values))?;
        }
        for epoch in &history.epochs {
            let part = epoch.part.as_deref().unwrap_or("valid");
            let values = OF_EPOCH.iter().filter_map(|(name, of)| {
                // what a validation measured stands under its part, the rest under the epoch
                let group = if matches!(*name, "loss" | "seconds") { "epoch" } else { part };
                Some((format!("{group}/{name}"), of(epoch)?))
            });
            record(out, &scalars(epoch.time, epoch.step, values))?;
        }
        Ok(())
    })?;
    Ok(vec![path])
}

fn scalars(time: f64, step: u64, values: impl Iterator<Item = (String, f64)>) -> Vec<u8> {
    let mut summary = Vec::new();
    for (tag, value) in values {
        let mut one = field_bytes(1, tag.as_bytes());
        one.push(2 << 3 | 5); // simple_value, 32 bits
        one.extend((value as f32).to_le_bytes());
        summary.extend(field_bytes(1, &one));
    }
    event(time, step, &[field_bytes(5, &summary)])
}

fn event(time: f64, step: u64, fields: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = vec![1 << 3 | 1]; // wall_time, 64 bits
    bytes.extend(if time.is_finite() { time } else { 0.0 }.to_le_bytes());
    bytes.push(2 << 3); // step, varint
    varint(&mut bytes, step);
    fields.iter().for_each(|field| bytes.extend(field));
    bytes
}

/// A field of bytes, a string or a message.
fn field_bytes(number: u8, value: &[u8]) -> Vec<u8> {
    let mut bytes = vec![number << 3 | 2];
    varint(&mut bytes, value.len() as u64);
    bytes.extend(value);
    bytes
}

fn varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

fn record(out: &mut dyn Write, bytes: &[u8]) -> std::io::Result<()> {
    let length = (bytes.len() as u64).to_le_bytes();
    out.write_all(&length)?;
    out.write_all(&masked_crc(&length).to_le_bytes())?;
    out.write_all(bytes)?;
    out.write_all(&masked_crc(bytes).to_le_bytes())
}

fn masked_crc(bytes: &[u8]) -> u32 {
    crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// CRC-32C (Castagnoli), bit by bit: an export is some megabytes at most.
fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 })
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// The payloads of a file, each checksum checked.
    pub(in crate::run::export) fn records(mut bytes: &[u8]) -> Vec<Vec<u8>> {
        let mut found = Vec::new();
        while !bytes.is_empty() {
            let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
            let crc = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
            assert_eq!(crc(8), masked_crc(&bytes[..8]));
            let payload = &bytes[12..12 + length];
            assert_eq!(crc(12 + length), masked_crc(payload));
            found.push(payload.to_vec());
            bytes = &bytes[16 + length..];
        }
        found
    }

    /// Step and scalars of an event, read field by field.
    pub(in crate::run::export) fn event(bytes: &[u8]) -> (u64, Vec<(String, f32)>) {
        let (mut step, mut values) = (0, Vec::new());
        for (number, value) in fields(bytes) {
            match number {
                2 => step = u64::from_le_bytes(value.try_into().unwrap()),
                5 => values.extend(fields(&value).into_iter().map(|(_, one)| {
                    let parts = fields(&one);
                    let value = f32::from_le_bytes(parts[1].1[..4].try_into().unwrap());
                    (String::from_utf8(parts[0].1.clone()).unwrap(), value)
                })),
                _ => {}
            }
        }
        (step, values)
    }

    fn fields(mut bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
        fn number(bytes: &mut &[u8]) -> u64 {
            let mut value = 0;
            for shift in (0..).step_by(7) {
                let byte = bytes[0];
                *bytes = &bytes[1..];
                value |= u64::from(byte & 0x7f) << shift;
                if byte < 0x80 {
                    break;
                }
            }
            value
        }
        let mut found = Vec::new();
        while let Some((&key, rest)) = bytes.split_first() {
            bytes = rest;
            let value = match key & 7 {
                0 => number(&mut bytes).to_le_bytes().to_vec(),
                kind => {
                    let length = match kind {
                        1 => 8,
                        5 => 4,
                        _ => number(&mut bytes) as usize,
                    };
                    let (value, rest) = bytes.split_at(length);
                    bytes = rest;
                    value.to_vec()
                }
            };
            found.push((key >> 3, value));
        }
        found
    }

    #[test]
    fn the_checksum_is_castagnolis() {
        // RFC 3720, B.4, and the check value of the catalogue of parametrised CRC algorithms
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    }
}
