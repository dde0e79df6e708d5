//! The doors over a whole App with a scripted model: requests in, answers and snapshots out.

mod access;
mod api;
mod assets;
mod chats;
mod hostile;
mod pages;
mod sockets;
mod stage;
