//! A question against one snapshot. Refuses: to change what is stored.

pub(crate) mod corpus;
pub(crate) mod filter;
pub(crate) mod frames;
pub(crate) mod imports;
pub(crate) mod light;
pub(crate) mod live;
pub(crate) mod live_files;
pub(crate) mod misspelt;
pub(crate) mod nearby;
pub(crate) mod overlay;
pub(crate) mod pending;
pub(crate) mod place;
pub(crate) mod query;
pub(crate) mod rank;
pub(crate) mod related;
pub(crate) mod report;
pub(crate) mod saved;
pub(crate) mod score;
pub(crate) mod searcher;
pub(crate) mod short_forms;
pub(crate) mod snapshot;
pub(crate) mod symbols;
pub(crate) mod traceback;
pub(crate) mod uses;
pub(crate) mod verbatim;
pub(crate) mod why;
