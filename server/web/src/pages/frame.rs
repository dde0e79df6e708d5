//! What stands around every page: theme, navigation and the token of its forms.

use app::{App, AppError, ChatSummary};
use axum::http::HeaderMap;

use crate::access::caller::Visitor;
use crate::access::cookies;
use crate::pages::words;

/// Chats in the sidebar.
const RECENT_MAX: usize = 20;
/// Shown for a chat without a question.
const UNTITLED: &str = "New chat";

/// The frame of a page.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    /// `light` or `dark` where one was chosen.
    pub(super) theme: Option<&'static str>,
    /// What every form carries.
    pub(super) form_token: String,
    /// The chats in the sidebar; none on the page that lists them all.
    pub(super) recent: Vec<Recent>,
    /// Which part of the navigation is the current one.
    pub(super) section: Section,
}

/// A chat in the sidebar.
#[derive(Clone, Debug)]
pub(super) struct Recent {
    pub(super) url: String,
    pub(super) title: String,
    pub(super) is_current: bool,
}

/// A part of the navigation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Section {
    /// The list of chats.
    Chats,
    /// One chat.
    Chat,
    /// The gallery.
    Images,
    /// One image, or the queue.
    Image,
    /// A passage.
    Passage,
    /// Settings.
    Settings,
}

impl Frame {
    /// The frame of a page of `section`; `current` is the chat it shows.
    pub(super) async fn load(
        app: &App,
        visitor: &Visitor,
        headers: &HeaderMap,
        section: Section,
        current: Option<&str>,
    ) -> Result<Self, AppError> {
        let chats = if section == Section::Chats { Vec::new() } else { app.chats(None, RECENT_MAX).await?.chats };
        let recent = chats.iter().map(|chat| Recent {
            url: chat_url(&chat.id),
            title: title(chat),
            is_current: current == Some(chat.id.as_str()),
        });
        Ok(Self {
            theme: theme(headers),
            form_token: visitor.session.form_token.clone(),
            recent: recent.collect(),
            section,
        })
    }
}

/// Where a chat is.
pub(super) fn chat_url(id: &str) -> String {
    format!("/chats/{}", words::segment(id))
}

/// What a chat is called.
pub(super) fn title(chat: &ChatSummary) -> String {
    if chat.title.is_empty() { UNTITLED.into() } else { chat.title.clone() }
}

/// The theme of the cookie; the system's where it says anything else.
pub(super) fn theme(headers: &HeaderMap) -> Option<&'static str> {
    match cookies::read(headers, cookies::THEME_COOKIE) {
        Some("light") => Some("light"),
        Some("dark") => Some("dark"),
        _ => None,
    }
}
