//! The doors over a whole App with a scripted model: requests in, answers and snapshots out.

mod access;
mod api;
mod assets;
mod chats;
mod hostile;
mod image_api;
mod image_files;
mod image_queue;
mod images;
mod pages;
mod painter;
mod sockets;
mod stage;
