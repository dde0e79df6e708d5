//! An image model that does what the test says, event by event. Refuses: doing anything by itself.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, stream};
use model::{
    ChatModel, ImageEvent, ImageModel, ImageModelInfo, ImageRequest, ImageSampler, ImageStream, ModelError,
    Preview, Timings,
};
use tokio::sync::mpsc;

use crate::testing::TestModels;
use crate::{
    App, Backend, Config, DeviceMemory, GenerateRequest, ImageEventStream, ImageJobEventKind, RunningImageModel,
    RunningModel,
};

/// Longer than anything of these tests takes.
const LONG: Duration = Duration::from_secs(60);
const EVENTS_LEN_MAX: usize = 16;

/// Bytes of the model's weights.
pub(super) const WEIGHTS_BYTES: u64 = 1 << 30;

/// The model.
struct Painter {
    draws: mpsc::UnboundedSender<Draw>,
    loaded: AtomicBool,
    /// How often it was unloaded.
    unloads: AtomicU32,
}

/// A device that holds the painter and a language model.
struct Device {
    painter: Arc<Painter>,
    chat: TestModels,
    /// Bytes without any model; `None` when nothing can be told.
    bytes: Option<u64>,
}

/// The painter as the backend hands it out.
struct Opened(Arc<Painter>);

/// One request, from the model's side.
pub(super) struct Draw {
    pub(super) request: ImageRequest,
    events: mpsc::Sender<Result<ImageEvent, ModelError>>,
}

/// An App whose images the test draws.
pub(super) struct World {
    pub(super) app: App,
    draws: mpsc::UnboundedReceiver<Draw>,
    device: Arc<Device>,
    home: tempfile::TempDir,
}

impl ImageModel for Painter {
    fn info(&self) -> ImageModelInfo {
        ImageModelInfo {
            name: "scripted".into(),
            side_multiple_pixels: 8,
            side_pixels: 64,
            steps: 4,
            guidance: 5.0,
            samplers: vec![ImageSampler::Euler],
            takes_source: true,
            takes_mask: true,
            weight_bytes: WEIGHTS_BYTES,
            loaded: self.loaded.load(Ordering::SeqCst),
            ..ImageModelInfo::default()
        }
    }

    fn load(&self) -> BoxFuture<'_, Result<ImageModelInfo, ModelError>> {
        self.loaded.store(true, Ordering::SeqCst);
        async { Ok(self.info()) }.boxed()
    }

    fn draw(&self, request: ImageRequest) -> ImageStream {
        let (events, received) = mpsc::channel(EVENTS_LEN_MAX);
        self.draws.send(Draw { request, events }).expect("the test lives");
        let next =
            |mut received: mpsc::Receiver<_>| async { received.recv().await.map(|event| (event, received)) };
        stream::unfold(received, next).boxed()
    }
}

impl ImageModel for Opened {
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

impl RunningImageModel for Opened {
    fn process_id(&self) -> Option<u32> {
        None
    }

    fn unload(&self) -> BoxFuture<'static, ()> {
        self.0.loaded.store(false, Ordering::SeqCst);
        self.0.unloads.fetch_add(1, Ordering::SeqCst);
        async {}.boxed()
    }
}

impl Backend for Device {
    fn open(&self, file: &Path, config: &Config) -> Arc<dyn RunningModel> {
        self.chat.open(file, config)
    }

    fn check(&self, file: &Path) -> Result<(), ModelError> {
        self.chat.check(file)
    }

    fn open_image_model(&self, _path: &Path, _config: &Config) -> Option<Arc<dyn RunningImageModel>> {
        Some(Arc::new(Opened(Arc::clone(&self.painter))))
    }

    fn memory(&self) -> Option<DeviceMemory> {
        let total_bytes = self.bytes?;
        let weights = if self.painter.loaded.load(Ordering::SeqCst) { WEIGHTS_BYTES } else { 0 };
        Some(DeviceMemory { free_bytes: total_bytes.saturating_sub(weights), total_bytes })
    }
}

impl Draw {
    pub(super) async fn tell(&self, event: Result<ImageEvent, ModelError>) {
        self.events.send(event).await.expect("somebody follows");
    }

    pub(super) async fn step(&self, done: u32) {
        let preview = Some(Preview { width_pixels: 2, height_pixels: 1, rgb: vec![0, 0, 0, 255, 255, 255] });
        let all = self.request.steps;
        self.tell(Ok(ImageEvent::Step { done, all, preview })).await;
    }

    /// Sends a whole image, grey as its place.
    pub(super) async fn image(&self, index: u32) {
        let ImageRequest { width_pixels, height_pixels, seed, .. } = self.request;
        let row = vec![index as u8; width_pixels as usize * 3];
        for _ in 0..height_pixels {
            self.tell(Ok(ImageEvent::Rows { rgb: row.clone() })).await;
        }
        let seed = seed + u64::from(index);
        self.tell(Ok(ImageEvent::Image { index, seed, width_pixels, height_pixels })).await;
    }

    /// Draws everything that was asked for.
    pub(super) async fn all(self) {
        for index in 0..self.request.count {
            self.image(index).await;
        }
        // Whoever has all images need not hear that they were all.
        let _ = self.events.send(Ok(ImageEvent::Finished { timings: Timings::default() })).await;
    }

    pub(super) async fn fail(self, error: ModelError) {
        self.tell(Err(error)).await;
    }

    /// Waits until nobody follows any more.
    pub(super) async fn cancelled(self) {
        tokio::time::timeout(LONG, self.events.closed()).await.expect("the request is cancelled");
    }
}

impl World {
    pub(super) fn new() -> Self {
        Self::with(None, None)
    }

    /// A device of `bytes` with a language model.
    pub(super) fn with(chat: Option<Arc<dyn ChatModel>>, bytes: Option<u64>) -> Self {
        let (sender, draws) = mpsc::unbounded_channel();
        let painter =
            Arc::new(Painter { draws: sender, loaded: AtomicBool::default(), unloads: AtomicU32::default() });
        let chat = TestModels { chat, ..TestModels::default() };
        let device = Arc::new(Device { painter, chat, bytes });
        let home = tempfile::tempdir().expect("a folder");
        let app = start(&home, &device);
        Self { app, draws, device, home }
    }

    /// How often the painter gave its memory back.
    pub(super) fn unloads(&self) -> u32 {
        self.device.painter.unloads.load(Ordering::SeqCst)
    }

    /// The painter's process dies.
    pub(super) fn die(&self) {
        self.device.painter.loaded.store(false, Ordering::SeqCst);
    }

    /// The next request the model gets.
    pub(super) async fn draw(&mut self) -> Draw {
        tokio::time::timeout(LONG, self.draws.recv()).await.expect("a job begins").expect("the model lives")
    }

    /// Whether the model was asked for something nobody looked at.
    pub(super) fn is_asked(&mut self) -> bool {
        self.draws.try_recv().is_ok()
    }

    pub(super) async fn generate(&self, prompt: &str, count: u32) -> String {
        self.generate_in((None, None), prompt, count).await
    }

    /// The same in pixels of one's own.
    pub(super) async fn generate_in(
        &self,
        (width_pixels, height_pixels): (Option<u32>, Option<u32>),
        prompt: &str,
        count: u32,
    ) -> String {
        let prompt = prompt.to_owned();
        let seed = Some(10);
        let request =
            GenerateRequest { prompt, count, seed, width_pixels, height_pixels, ..GenerateRequest::default() };
        self.app.generate(request).await.expect("it is taken").id
    }

    /// The same home as after the process ended and began again.
    pub(super) async fn restarted(self) -> Self {
        let Self { app, draws, device, home } = self;
        app.shutdown().await;
        let alone = async {
            while Arc::strong_count(&app.inner) > 1 || Arc::strong_count(&app.inner.store) > 1 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(LONG, alone).await.expect("nothing keeps the App");
        drop(app);
        let app = start(&home, &device);
        Self { app, draws, device, home }
    }

    pub(super) fn blobs(&self) -> std::path::PathBuf {
        self.app.inner.home.data.join("blobs")
    }
}

fn start(home: &tempfile::TempDir, device: &Arc<Device>) -> App {
    let backend = Arc::clone(device);
    App::for_tests_on(home.path(), backend, device.chat.chat.is_some(), true)
}

/// The events up to the first that `is` says yes to.
pub(super) async fn until(
    events: &mut ImageEventStream,
    is: impl Fn(&ImageJobEventKind) -> bool,
) -> Vec<ImageJobEventKind> {
    let mut seen = Vec::new();
    loop {
        let next = tokio::time::timeout(LONG, events.next()).await;
        let event = next.unwrap_or_else(|_| panic!("nothing followed {seen:?}"));
        let event = event.unwrap_or_else(|| panic!("it ended after {seen:?}")).expect("no error");
        let is_last = is(&event.kind);
        seen.push(event.kind);
        if is_last {
            return seen;
        }
    }
}

pub(super) fn is_end(kind: &ImageJobEventKind) -> bool {
    matches!(kind, ImageJobEventKind::Ended { .. })
}
