//! The index as its callers see it: fixtures in temporary folders, checked through one helper.
//!
//! Refuses: to look inside; everything here would survive another store or another ranking.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod bounds;
mod eval;
mod files;
mod freshness;
mod full_disk;
mod fuzz;
mod history;
mod keeping;
mod live;
mod naming;
mod nearness;
mod queries;
mod recovery;
mod related;
mod searching;
mod settling;
mod space;
mod spelling;
