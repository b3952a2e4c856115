//! Tables of text whose columns stand one below the other on a terminal.

use unicode_width::UnicodeWidthStr;

use super::foreign;

/// Characters of a cell that are shown at most: a name can be as long as somebody likes.
const CELL: usize = 80;

/// A table with aligned columns; a column whose cells are numbers aligns to the right.
pub fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let rows: Vec<Vec<String>> =
        rows.iter().map(|row| row.iter().map(|cell| foreign::short(cell, CELL)).collect()).collect();
    // columns of a terminal: a letter of two marks is one, a Chinese one two
    let cell_width = |text: &str| text.width();
    let widths: Vec<usize> = (0..head.len())
        .map(|c| rows.iter().map(|r| cell_width(&r[c])).chain([cell_width(head[c])]).max().unwrap_or(0))
        .collect();
    let numeric = |c: usize| {
        let number = |t: &String| t == "·" || t.starts_with(|x: char| x.is_ascii_digit() || x == '-');
        !rows.is_empty() && rows.iter().all(|r| number(&r[c]))
    };
    let line = |cells: Vec<String>| {
        let padded = cells.iter().enumerate().map(|(c, cell)| {
            let fill = " ".repeat(widths[c].saturating_sub(cell_width(cell)));
            if numeric(c) { format!("{fill}{cell}") } else { format!("{cell}{fill}") }
        });
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let mut lines = vec![line(head.iter().map(|&h| h.to_owned()).collect())];
    lines.extend(rows.iter().map(|r| line(r.clone())));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_align_numbers_to_the_right() {
        let rows = vec![vec!["a".into(), "1.000".into()], vec!["long".into(), "·".into()]];
        assert_eq!(table(&["name", "x"], &rows), "name      x\na     1.000\nlong      ·");
        let rows = vec![vec!["Zoe\u{308}".into(), "1".into()], vec!["海龟".into(), "2".into()]];
        assert_eq!(table(&["name", "x"], &rows), "name  x\nZoe\u{308}   1\n海龟  2");
        let rows = vec![vec!["L".repeat(10_000)]];
        assert!(table(&["name"], &rows).lines().all(|line| line.chars().count() <= CELL));
    }
}
