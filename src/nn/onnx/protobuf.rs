//! Protocol buffers as far as ONNX files need them: fields written one after the other (protobuf.dev, "Encoding").
//!
//! A library would bring a compiler of schemas and thousands of generated lines for the dozen messages of `super::file`.

/// A message that is being written. Fields appear in the order in which they are added, so equal content has equal bytes.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Message(Vec<u8>);

/// How a field's value is written.
#[derive(Clone, Copy)]
enum Wire {
    Varint = 0,
    Bytes = 2,
    Four = 5,
}

impl Message {
    /// Adds a whole number: `int32`, `int64` or an enum; one below zero takes ten bytes.
    pub(super) fn int(mut self, field: u32, value: i64) -> Message {
        self.key(field, Wire::Varint);
        self.varint(value as u64);
        self
    }

    /// Adds a `float`.
    pub(super) fn float(mut self, field: u32, value: f32) -> Message {
        self.key(field, Wire::Four);
        self.0.extend(value.to_le_bytes());
        self
    }

    /// Adds `bytes`.
    pub(super) fn bytes(mut self, field: u32, bytes: &[u8]) -> Message {
        self.key(field, Wire::Bytes);
        self.varint(bytes.len() as u64);
        self.0.extend(bytes);
        self
    }

    /// Adds a `string`.
    pub(super) fn text(self, field: u32, text: &str) -> Message {
        self.bytes(field, text.as_bytes())
    }

    /// Adds a message, or one more of a repeated field.
    pub(super) fn message(self, field: u32, message: Message) -> Message {
        self.bytes(field, &message.0)
    }

    /// Adds each of `items` as `add` does.
    pub(super) fn each<T>(self, items: impl IntoIterator<Item = T>, add: impl Fn(Message, T) -> Message) -> Message {
        items.into_iter().fold(self, add)
    }

    /// What was written.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    fn key(&mut self, field: u32, wire: Wire) {
        self.varint(u64::from(field) << 3 | wire as u64);
    }

    /// Seven bits a byte, the lowest first; the highest bit says that more follow.
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of protobuf.dev, "Encoding", and what Google's own writer makes of a float and of -1.
    #[test]
    fn bytes_are_those_of_the_specification() {
        let bytes = |message: Message| message.into_bytes();
        assert_eq!(bytes(Message::default().int(1, 150)), [0x08, 0x96, 0x01]);
        assert_eq!(
            bytes(Message::default().text(2, "testing")),
            [0x12, 0x07, 0x74, 0x65, 0x73, 0x74, 0x69, 0x6e, 0x67]
        );
        assert_eq!(
            bytes(Message::default().message(3, Message::default().int(1, 150))),
            [0x1a, 0x03, 0x08, 0x96, 0x01]
        );
        assert_eq!(bytes(Message::default().int(20, 1)), [0xa0, 0x01, 0x01]);
        assert_eq!(bytes(Message::default().float(2, 1.0)), [0x15, 0x00, 0x00, 0x80, 0x3f]);
        assert_eq!(bytes(Message::default().int(1, -1)), [&[0x08][..], &[0xff; 9], &[0x01]].concat());
        let repeated = Message::default().each([3, 270], |m, n| m.int(4, n));
        assert_eq!(bytes(repeated), [0x20, 0x03, 0x20, 0x8e, 0x02]);
    }
}
