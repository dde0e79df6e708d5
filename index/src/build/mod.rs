//! How the index is brought into step with the workspace, on one writer thread. Refuses: to answer searches.

pub(crate) mod large;
pub(crate) mod measure;
pub(crate) mod pace;
pub(crate) mod prepare;
pub(crate) mod recent;
pub(crate) mod refresh;
pub(crate) mod shared;
pub(crate) mod status;
pub(crate) mod writer;
