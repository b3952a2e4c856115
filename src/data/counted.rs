//! A number with its noun, for sentences: `1 photo`, `3 photos`.

/// `n` of `what`, a regular noun in the singular.
pub fn counted(n: impl TryInto<u64>, what: &str) -> String {
    match n.try_into() {
        Ok(1) => format!("1 {what}"),
        Ok(n) => format!("{n} {what}s"),
        Err(_) => format!("many {what}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::counted;

    #[test]
    fn one_is_no_plural() {
        assert_eq!(
            [counted(0_usize, "photo"), counted(1_usize, "photo"), counted(2_u64, "step")],
            ["0 photos", "1 photo", "2 steps"]
        );
    }
}
