//! Bytes as hexadecimal digits, as hashes and keys of files are written.

/// `bytes` in lower case, two digits each.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
