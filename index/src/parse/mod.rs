//! One text -> definitions, chunks and words. Refuses: files, stores and scores.

pub(crate) mod changes;
pub(crate) mod cut;
pub(crate) mod deadline;
pub(crate) mod incremental;
pub(crate) mod inject;
pub(crate) mod language;
pub(crate) mod large;
pub(crate) mod light;
pub(crate) mod notebook;
pub(crate) mod outline;
pub(crate) mod prose;
pub(crate) mod qualified;
pub(crate) mod split;
pub(crate) mod symbols;
pub(crate) mod syntax;
pub(crate) mod terms;
pub(crate) mod tokenize;
