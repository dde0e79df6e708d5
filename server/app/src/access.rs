//! Who may come in: one-time links, browser sessions, API tokens. Refuses: secrets that are told twice.

use serde::{Deserialize, Serialize};

use crate::{App, AppError, ErrorKind, Result};

const TOKEN_NAME_CHARS_MAX: usize = 100;

/// A browser that is signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Names it in lists; not the secret.
    pub id: String,
    /// What every form of this session must carry.
    pub form_token: String,
}

/// A sign-in that worked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedIn {
    /// The secret for the cookie, told this once.
    pub cookie: String,
    /// The session it opens.
    pub session: Session,
}

/// A program's token, without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiToken {
    /// Its id.
    pub id: String,
    /// What its owner calls it.
    pub name: String,
    /// Its first characters.
    pub prefix: String,
    /// When it was created, UTC milliseconds.
    pub created_ms: i64,
    /// When it was last used, UTC milliseconds, to the minute.
    pub last_used_ms: Option<i64>,
}

/// A new token with its secret, told this once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewToken {
    /// Its id.
    pub id: String,
    /// What its owner calls it.
    pub name: String,
    /// The secret itself.
    pub token: String,
}

impl App {
    /// The secret of a new sign-in link, good once within a minute.
    ///
    /// # Errors
    /// `Unavailable` when it cannot be stored.
    pub async fn mint_sign_in(&self) -> Result<String> {
        let link = self.stored(|store| store.mint_login_link()).await?;
        Ok(link.secret.reveal().to_owned())
    }

    /// Uses a sign-in link up; `None` when it is unknown, used or late.
    ///
    /// # Errors
    /// `Unavailable` when it cannot be stored.
    pub async fn redeem_sign_in(&self, secret: &str) -> Result<Option<SignedIn>> {
        let secret = secret.to_owned();
        let redeemed = self.stored(move |store| store.redeem_login_link(&secret)).await?;
        redeemed
            .map(|new| Ok(SignedIn { cookie: new.secret.reveal().to_owned(), session: session(new.session)? }))
            .transpose()
    }

    /// The session of a cookie; `None` when it is unknown, ended or over.
    ///
    /// # Errors
    /// `Unavailable` when it cannot be read.
    pub async fn check_session(&self, cookie: &str) -> Result<Option<Session>> {
        let cookie = cookie.to_owned();
        self.stored(move |store| store.check_session(&cookie)).await?.map(session).transpose()
    }

    /// Ends the session of a cookie at once.
    ///
    /// # Errors
    /// `Unavailable` when it cannot be stored.
    pub async fn sign_out(&self, cookie: &str) -> Result<()> {
        let Some(session) = self.check_session(cookie).await? else { return Ok(()) };
        self.stored(move |store| store.revoke_session(&session.id)).await
    }

    /// A token for a program.
    ///
    /// # Errors
    /// `User` for an empty or overlong name.
    pub async fn create_token(&self, name: &str) -> Result<NewToken> {
        let name = name.trim().to_owned();
        let length = name.chars().count();
        if length == 0 || length > TOKEN_NAME_CHARS_MAX || name.chars().any(char::is_control) {
            let message = format!("a token's name has 1 to {TOKEN_NAME_CHARS_MAX} characters");
            return Err(AppError::new(ErrorKind::User, message).hint("name the program that will use it"));
        }
        let new = self.stored(move |store| store.create_token(&name)).await?;
        Ok(NewToken { id: new.token.id, name: new.token.name, token: new.secret.reveal().to_owned() })
    }

    /// The token behind a secret; `None` when it is unknown or revoked.
    ///
    /// # Errors
    /// `Unavailable` when it cannot be read.
    pub async fn check_token(&self, token: &str) -> Result<Option<ApiToken>> {
        let token = token.to_owned();
        Ok(self.stored(move |store| store.verify_token(&token)).await?.map(api_token))
    }

    /// The tokens that are good, newest first.
    ///
    /// # Errors
    /// `Unavailable` when they cannot be read.
    pub async fn tokens(&self) -> Result<Vec<ApiToken>> {
        let tokens = self.stored(|store| store.tokens()).await?;
        Ok(tokens.into_iter().filter(|token| token.revoked_ms.is_none()).map(api_token).collect())
    }

    /// Ends a token at once.
    ///
    /// # Errors
    /// `NotFound` when there is none, or it has ended already.
    pub async fn revoke_token(&self, id: &str) -> Result<()> {
        let id = id.to_owned();
        self.stored(move |store| store.revoke_token(&id)).await
    }
}

fn session(session: store::Session) -> Result<Session> {
    let form_token = session.form_token.as_ref().map(|token| token.reveal().to_owned());
    let form_token = form_token.ok_or_else(|| AppError::new(ErrorKind::Bug, "a session without a form token"))?;
    Ok(Session { id: session.id, form_token })
}

fn api_token(token: store::ApiToken) -> ApiToken {
    ApiToken {
        id: token.id,
        name: token.name,
        prefix: token.prefix,
        created_ms: token.created_ms,
        last_used_ms: token.last_used_ms,
    }
}
