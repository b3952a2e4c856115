//! Bytes as text (RFC 4648), for terminals and for pictures within SVG.

/// `bytes` in base64, padded.
pub fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let letters = |chunk: &[u8]| {
        let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or(0));
        let word = byte(0) << 16 | byte(1) << 8 | byte(2);
        let letter = |n: u32| char::from(LETTERS[(word >> (18 - 6 * n) & 63) as usize]);
        [0, 1, 2, 3].map(|n| if n as usize <= chunk.len() { letter(n) } else { '=' })
    };
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    bytes.chunks(3).for_each(|chunk| text.extend(letters(chunk)));
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn base64_is_as_everybodys() {
        let pairs = [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")];
        for (plain, encoded) in pairs {
            assert_eq!(super::base64(plain.as_bytes()), encoded);
        }
    }
}
