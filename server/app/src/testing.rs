//! A whole App over real files with a given model, for tests of the doors. Refuses: being part of a release.

use std::path::Path;
use std::sync::Arc;

use futures::future::BoxFuture;
use model::{ChatModel, ChatRequest, ChatStream, ModelError, ModelInfo};

use crate::{App, Backend, Config, Home, Parts, RunningModel};

struct Given(Arc<dyn ChatModel>);

struct GivenModel(Arc<dyn ChatModel>);

impl Backend for Given {
    fn open(&self, _file: &Path, _config: &Config) -> Arc<dyn RunningModel> {
        Arc::new(GivenModel(Arc::clone(&self.0)))
    }

    fn check(&self, _file: &Path) -> Result<(), ModelError> {
        Ok(())
    }
}

impl ChatModel for GivenModel {
    fn info(&self) -> ModelInfo {
        self.0.info()
    }

    fn load(&self) -> BoxFuture<'_, Result<ModelInfo, ModelError>> {
        self.0.load()
    }

    fn chat(&self, request: ChatRequest) -> ChatStream {
        self.0.chat(request)
    }

    fn count_tokens(&self, texts: Vec<String>) -> BoxFuture<'_, Result<Vec<u32>, ModelError>> {
        self.0.count_tokens(texts)
    }
}

impl RunningModel for GivenModel {
    fn process_id(&self) -> Option<u32> {
        None
    }

    fn queue_len(&self) -> u32 {
        0
    }

    fn unload(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }
}

impl App {
    /// An App whose home is `folder`. With a model, an empty file stands for it, so that it is found by name.
    ///
    /// # Panics
    /// When the folder cannot be written, which fails the test.
    pub fn for_tests(folder: &Path, model: Option<Arc<dyn ChatModel>>) -> Self {
        let home = Home::under(folder);
        std::fs::create_dir_all(&home.models).expect("the test's folder can be written");
        let mut config = Config::default();
        if model.is_some() {
            config = config.with_argument("model", "scripted");
            std::fs::write(home.models.join("scripted.gguf"), b"").expect("the test's folder can be written");
        }
        let backend = model.map(|model| Arc::new(Given(model)) as Arc<dyn Backend>);
        let parts = Parts { home, config, backend, build_id: "test".into(), auto_started: false };
        Self::start(parts).expect("a fresh home opens")
    }
}
