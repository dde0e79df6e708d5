//! Rows of words as a table that reads well on a terminal and is Markdown. Refuses: cells that would end one.

use std::fmt::Write;

/// A table with these heads; columns are as wide as their widest cell.
pub(super) fn markdown(heads: &[&str], rows: &[Vec<String>]) -> String {
    let heads: Vec<String> = heads.iter().map(|head| (*head).to_owned()).collect();
    let all = || std::iter::once(&heads).chain(rows);
    let width = |at: usize| all().filter_map(|row| Some(row.get(at)?.chars().count())).max().unwrap_or(0);
    let widths: Vec<usize> = (0..heads.len()).map(width).collect();
    let mut text = String::new();
    for (at, row) in all().enumerate() {
        for (cell, &width) in row.iter().zip(&widths) {
            let _ = write!(text, "| {:<width$} ", cell.replace(['|', '\n'], " "));
        }
        text.push_str("|\n");
        if at == 0 {
            widths.iter().for_each(|width| text.push_str(&format!("|{}", "-".repeat(width + 2))));
            text.push_str("|\n");
        }
    }
    text
}

/// A share in percent.
pub(super) fn percent(hits: usize, count: usize) -> f64 {
    if count == 0 { 0.0 } else { 100.0 * hits as f64 / count as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_cells() {
        let rows = [vec!["a".to_owned(), "1 | 2".to_owned()], vec!["é".to_owned(), String::new()]];
        assert_eq!(markdown(&["x", "of"], &rows), "| x | of    |\n|---|-------|\n| a | 1   2 |\n| é |       |\n");
    }
}
