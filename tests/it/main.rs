//! The one integration binary: house rules, and the real program driven from outside. Refuses: tests of private
//! functions, sleeps, and skipping what is missing; only editors that cannot be had are left out, loudly.

mod answers;
mod commands;
mod daemon;
mod editors;
mod evaluating;
mod examples;
mod helix;
mod hostile;
mod images;
mod indexing;
mod neovim;
mod project;
mod session;
mod setup;
mod tidy;
