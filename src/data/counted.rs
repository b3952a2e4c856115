//! Numbers for sentences, with their noun or to three decimals: `1 photo`, `3 photos`, `0.250`.

/// `n` of `what`, a regular noun in the singular.
pub fn counted(n: impl TryInto<u64>, what: &str) -> String {
    match n.try_into() {
        Ok(1) => format!("1 {what}"),
        Ok(n) => format!("{n} {what}s"),
        Err(_) => format!("many {what}s"),
    }
}

/// `number` to three decimals; what rounds to nothing has no sign.
pub fn thousandths(number: f64) -> String {
    let text = format!("{number:.3}");
    if text == "-0.000" { "0.000".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::{counted, thousandths};

    #[test]
    fn nothing_has_no_sign() {
        let told = [-0.0004, -0.0, 0.0004, -0.0006, -1.25].map(thousandths);
        assert_eq!(told, ["0.000", "0.000", "0.000", "-0.001", "-1.250"]);
    }

    #[test]
    fn one_is_no_plural() {
        assert_eq!(
            [counted(0_usize, "photo"), counted(1_usize, "photo"), counted(2_u64, "step")],
            ["0 photos", "1 photo", "2 steps"]
        );
    }
}
