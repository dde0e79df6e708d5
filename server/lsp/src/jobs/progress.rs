//! What the client shows about one job: begin, reports, end.
//!
//! Refuses: reporting before the client agreed to the token, and after the end.

use serde_json::{Value, json};
use tower_lsp::gen_lsp_types::ProgressToken;

use crate::client::Client;
use crate::transport::Outbox;

const METHOD: &str = "$/progress";

/// The progress of one job.
#[derive(Debug)]
pub(crate) struct Progress {
    token: ProgressToken,
    title: String,
    state: State,
    /// The last thing said, to be shown when the client agrees late.
    last: Option<String>,
    /// How the job ended while the client had not agreed yet.
    ended: Option<String>,
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    /// Nothing is shown.
    Off,
    /// The client was asked to create the token.
    Creating,
    /// Begin was sent.
    Shown,
}

impl Progress {
    /// Starts showing job `number`: with the token the client gave, else with one it is asked to create, else not at
    /// all. Returns the id of that request.
    pub(crate) fn start(
        outbox: &Outbox,
        client: &Client,
        given: Option<ProgressToken>,
        number: u64,
        title: &str,
    ) -> (Self, Option<i64>) {
        let own = given.is_none();
        let token = given.unwrap_or_else(|| ProgressToken::String(format!("familiar/{number}")));
        let mut progress = Self { token, title: title.to_owned(), state: State::Off, last: None, ended: None };
        if !own {
            progress.begin(outbox);
            return (progress, None);
        }
        if !client.shows_progress {
            return (progress, None);
        }
        progress.state = State::Creating;
        let id = outbox.request("window/workDoneProgress/create", json!({ "token": progress.token }));
        (progress, Some(id))
    }

    /// The progress of a job that is over too soon to be shown.
    pub(crate) fn silent(number: u64) -> Self {
        let token = ProgressToken::String(format!("familiar/{number}"));
        Self { token, title: String::new(), state: State::Off, last: None, ended: None }
    }

    /// The client answered whether it takes the token.
    pub(crate) fn created(&mut self, outbox: &Outbox, agreed: bool) {
        if self.state != State::Creating {
            return;
        }
        self.state = State::Off;
        if agreed {
            self.begin(outbox);
            if let Some(message) = self.ended.take() {
                self.end(outbox, &message);
            }
        }
    }

    /// Says how far the job is.
    pub(crate) fn report(&mut self, outbox: &Outbox, message: String) {
        if self.state == State::Shown {
            let value = json!({ "kind": "report", "message": message, "cancellable": true });
            outbox.report(&self.name(), METHOD, self.params(value));
        }
        self.last = Some(message);
    }

    /// Says how the job ended. Nothing more is shown; but when this returns true the client has yet to agree to the
    /// token, and [`Progress::created`] must still be told, so that what was begun is ended.
    pub(crate) fn end(&mut self, outbox: &Outbox, message: &str) -> bool {
        match self.state {
            State::Off => {}
            State::Creating => self.ended = Some(message.to_owned()),
            State::Shown => {
                outbox.notify(METHOD, self.params(json!({ "kind": "end", "message": message })));
                self.state = State::Off;
            }
        }
        self.state == State::Creating
    }

    /// Whether this is the progress behind `token`.
    pub(crate) fn is(&self, token: &ProgressToken) -> bool {
        self.token == *token
    }

    /// The token as text, as `familiar.cancel` takes it.
    pub(crate) fn name(&self) -> String {
        match &self.token {
            ProgressToken::Int(number) => number.to_string(),
            ProgressToken::String(text) => text.clone(),
        }
    }

    fn begin(&mut self, outbox: &Outbox) {
        let mut value = json!({ "kind": "begin", "title": self.title, "cancellable": true });
        if let Some(message) = &self.last {
            value["message"] = message.as_str().into();
        }
        outbox.notify(METHOD, self.params(value));
        self.state = State::Shown;
    }

    fn params(&self, value: Value) -> Value {
        json!({ "token": self.token, "value": value })
    }
}
