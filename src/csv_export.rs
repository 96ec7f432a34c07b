//! Lines of CSV (RFC 4180), in which no cell is run by the spreadsheet that opens them.

use csv::{QuoteStyle, Terminator, Writer, WriterBuilder};
use std::borrow::Cow;

/// Cells line by line.
pub(crate) struct CsvSheet(Writer<Vec<u8>>);

impl CsvSheet {
    /// For a file: a line ends with CR LF.
    pub(crate) fn new() -> Self {
        Self::of(Terminator::CRLF)
    }

    /// For a terminal, and the tools of a shell: a line ends with LF.
    pub(crate) fn printed() -> Self {
        Self::of(Terminator::Any(b'\n'))
    }

    fn of(end: Terminator) -> Self {
        let mut builder = WriterBuilder::new();
        builder.terminator(end).quote_style(QuoteStyle::Necessary).flexible(true);
        Self(builder.from_writer(Vec::new()))
    }

    /// One line more.
    pub(crate) fn line<'a>(&mut self, cells: impl IntoIterator<Item = impl Into<Cow<'a, str>>>) {
        // Memory takes every byte, and lines may differ in length: nothing is left that could fail.
        for cell in cells {
            let _ = self.0.write_field(harmless(cell.into()).as_ref());
        }
        let _ = self.0.write_record(None::<&[u8]>);
    }

    /// All lines.
    pub(crate) fn text(self) -> String {
        let bytes = self.0.into_inner().unwrap_or_default();
        String::from_utf8(bytes).unwrap_or_default()
    }
}

/// What a spreadsheet would run as a formula gets an apostrophe before it.
fn harmless(text: Cow<'_, str>) -> Cow<'_, str> {
    let formula = text.trim_start().starts_with(['=', '+', '-', '@']) || text.starts_with(['\t', '\r', '\n']);
    if formula { format!("'{text}").into() } else { text }
}

#[cfg(test)]
mod tests {
    use super::CsvSheet;
    use proptest::prelude::*;

    fn one(cells: &[&str]) -> String {
        let mut sheet = CsvSheet::new();
        sheet.line(cells.iter().copied());
        sheet.text()
    }

    #[test]
    fn cells_are_quoted_where_they_must_and_run_nothing() {
        assert_eq!(one(&["plain", "", "1"]), "plain,,1\r\n");
        assert_eq!(one(&["a,b \"c\""]), "\"a,b \"\"c\"\"\"\r\n");
        assert_eq!(one(&["two\nlines", "x"]), "\"two\nlines\",x\r\n");
        assert_eq!(one(&["=1+1", "x"]), "'=1+1,x\r\n");
        assert_eq!(one(&[" @SUM(A1)", "\t=x"]), "' @SUM(A1),'\t=x\r\n");
    }

    proptest! {
        #[test]
        fn what_is_read_back_is_what_was_written(lines in prop::collection::vec(prop::collection::vec("[a-z,\"\r\n ]{0,6}", 2..5), 1..5)) {
            let mut sheet = CsvSheet::new();
            for line in &lines {
                sheet.line(line.iter().map(|cell| format!("x{cell}")));
            }
            let text = sheet.text();
            let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
            let read: Vec<Vec<String>> = reader.records().map(|line| line.unwrap().iter().map(|cell| cell[1..].to_owned()).collect()).collect();
            prop_assert_eq!(read, lines);
        }
    }
}
