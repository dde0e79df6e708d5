//! Words for people that more than one room says. Refuses: whole sentences; each surface has its own.

/// A number of things, of which one has no `s`.
pub fn counted(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
