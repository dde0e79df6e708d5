//! Answers of models, good and bad, with what must become of them: the right edit, or a refusal for the right reason.
//!
//! The cases are data, in `corpus`; `README.md` there says how they are written. Refuses: cases made by a program.

mod corpus;
mod properties;
