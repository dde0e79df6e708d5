//! Use cases over real files, a real index and a real database; only the model is scripted.

mod asking;
mod chatting;
mod editing;
mod ending;
mod indexing;

use std::sync::Arc;
use std::time::Duration;

use kit::TempWorkspace;
use model::scripted::{Reply, ScriptedModel};

use crate::App;

/// An App with its home, a workspace, and the model that answers.
pub(crate) struct World {
    pub(crate) app: App,
    pub(crate) workspace: TempWorkspace,
    pub(crate) model: ScriptedModel,
    home: tempfile::TempDir,
}

const LET_GO_WAIT_MAX: Duration = Duration::from_secs(30);

const PROJECT: &str = "\
//- /shop/sessions.py
import hmac

def get_session_auth_hash(user):
    \"\"\"Return a keyed hash of the password field.\"\"\"
    return hmac.new(b'salt', user.password).hexdigest()

//- /shop/basket.py
class Basket:
    \"\"\"Things a visitor wants to buy.\"\"\"

    def add(self, item, count=1):
        self.items.append((item, count))

//- /README.md
# Shop

Sells things.
";

impl World {
    pub(crate) fn new(replies: impl IntoIterator<Item = Reply>) -> Self {
        let model = ScriptedModel::with_replies(replies);
        let home = tempfile::tempdir().expect("a folder");
        let app = App::for_tests(home.path(), Some(Arc::new(model.clone())));
        Self { app, workspace: TempWorkspace::new(PROJECT), model, home }
    }

    /// The same home as after the process ended and began again.
    pub(crate) async fn restarted(self) -> Self {
        let Self { app, workspace, model, home } = self;
        // Tasks that were ended let go of the App when the runtime gets to them. It is dropped here and not by the last
        // of them, whose thread might still be closing the files when they are opened again.
        let alone = async {
            while Arc::strong_count(&app.inner) > 1 || Arc::strong_count(&app.inner.store) > 1 {
                tokio::task::yield_now().await
            }
        };
        tokio::time::timeout(LET_GO_WAIT_MAX, alone).await.expect("nothing keeps the App");
        drop(app);
        let app = App::for_tests(home.path(), Some(Arc::new(model.clone())));
        Self { app, workspace, model, home }
    }
}
