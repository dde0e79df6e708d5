//! What is on disk: walking, watching, rules, secrets, live reading. Refuses: syntax, stores and scores.

pub(crate) mod admit;
pub(crate) mod barrier;
pub(crate) mod content;
pub(crate) mod lines;
pub(crate) mod live;
pub(crate) mod outside;
pub(crate) mod role;
pub(crate) mod roots;
pub(crate) mod rules;
pub(crate) mod secrets;
pub(crate) mod skip;
pub(crate) mod walk;
pub(crate) mod watch;
