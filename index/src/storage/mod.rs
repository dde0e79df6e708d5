//! The index on disk: the text index and its manifest. Refuses: to decide what is indexed.

pub(crate) mod base;
pub(crate) mod document;
pub(crate) mod manifest;
pub(crate) mod room;
