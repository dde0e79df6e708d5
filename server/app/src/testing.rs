//! A whole App over real files with a given model, for tests of the doors. Refuses: being part of a release.

use std::path::Path;
use std::sync::Arc;

use futures::future::BoxFuture;
use model::{
    ChatModel, ChatRequest, ChatStream, ImageModel, ImageModelInfo, ImageRequest, ImageStream, ModelError,
    ModelInfo,
};

use crate::{App, Backend, Config, DeviceMemory, Home, Parts, RunningImageModel, RunningModel};

/// Models of a test, and the memory they are said to share.
#[derive(Clone, Default)]
pub struct TestModels {
    /// Answers.
    pub chat: Option<Arc<dyn ChatModel>>,
    /// Makes images, under the name `scripted`.
    pub images: Option<Arc<dyn ImageModel>>,
    /// What the device says; `None` when it cannot tell.
    pub memory: Option<DeviceMemory>,
}

struct GivenModel(Arc<dyn ChatModel>);

struct GivenImageModel(Arc<dyn ImageModel>);

impl Backend for TestModels {
    fn open(&self, _file: &Path, _config: &Config) -> Arc<dyn RunningModel> {
        let model = self.chat.as_ref().expect("no file stands for a model that is not given");
        Arc::new(GivenModel(Arc::clone(model)))
    }

    fn open_image_model(&self, _path: &Path, _config: &Config) -> Option<Arc<dyn RunningImageModel>> {
        let model = self.images.as_ref()?;
        Some(Arc::new(GivenImageModel(Arc::clone(model))))
    }

    fn memory(&self) -> Option<DeviceMemory> {
        self.memory
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

impl ImageModel for GivenImageModel {
    fn info(&self) -> ImageModelInfo {
        self.0.info()
    }

    fn load(&self) -> BoxFuture<'_, Result<ImageModelInfo, ModelError>> {
        self.0.load()
    }

    fn draw(&self, request: ImageRequest) -> ImageStream {
        self.0.draw(request)
    }
}

impl RunningImageModel for GivenImageModel {
    fn process_id(&self) -> Option<u32> {
        None
    }

    fn unload(&self) -> BoxFuture<'static, ()> {
        Box::pin(async {})
    }
}

impl App {
    /// An App whose home is `folder`. With a model, an empty file stands for it, so that it is found by name.
    ///
    /// # Panics
    /// When the folder cannot be written, which fails the test.
    pub fn for_tests(folder: &Path, model: Option<Arc<dyn ChatModel>>) -> Self {
        Self::for_tests_with(folder, TestModels { chat: model, ..TestModels::default() })
    }

    /// The same with models of every kind.
    ///
    /// # Panics
    /// As [`App::for_tests`].
    pub fn for_tests_with(folder: &Path, models: TestModels) -> Self {
        let (chat, images) = (models.chat.is_some(), models.images.is_some());
        Self::for_tests_on(folder, Arc::new(models), chat, images)
    }

    /// The same with any backend, and files that stand for a model of each kind.
    pub(crate) fn for_tests_on(folder: &Path, backend: Arc<dyn Backend>, chat: bool, images: bool) -> Self {
        let home = Home::under(folder);
        std::fs::create_dir_all(&home.models).expect("the test's folder can be written");
        let mut config = Config::default();
        if images {
            let image_model = home.models.join("scripted");
            std::fs::create_dir_all(&image_model).expect("the test's folder can be written");
            std::fs::write(image_model.join("model_index.json"), b"{}").expect("the test's folder can be written");
        }
        if chat {
            config = config.with_argument("model", "scripted");
            std::fs::write(home.models.join("scripted.gguf"), b"").expect("the test's folder can be written");
        }
        let backend = (chat || images).then_some(backend);
        let parts = Parts { home, config, backend, build_id: "test".into(), auto_started: false };
        Self::start(parts).expect("a fresh home opens")
    }
}
