//! Every bound of the edit engine, with its unit. Refuses: bounds that are not named here.

/// A selection larger than this is not rewritten in one go.
pub const SELECTION_BYTES_MAX: usize = 64 * 1024;
/// A file larger than this is not written anew as a whole.
pub const WHOLE_BYTES_MAX: usize = 16 * 1024;
/// A file larger than this is not edited from a model's answer.
pub const BASE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// An answer larger than this is not an edit.
pub const ANSWER_BYTES_MAX: usize = 256 * 1024;
/// Blocks, hunks and file operations of one answer.
pub const PIECES_MAX: usize = 200;
/// Files that one answer may touch.
pub const FILES_MAX: usize = 64;
/// Places that are counted before a search is called ambiguous.
pub(crate) const PLACES_MAX: usize = 8;
/// Bytes of a path.
pub(crate) const PATH_BYTES_MAX: usize = 1024;
/// Lines shown before and after the selection, and looked at for repeated surroundings.
pub(crate) const AROUND_LINES: usize = 12;
/// Lines of a file quoted to the model when its search found nothing.
pub(crate) const NEAREST_LINES_MAX: usize = 12;
/// Lines of a file looked through for the nearest ones.
pub(crate) const NEAREST_SCAN_LINES_MAX: usize = 50_000;
/// Equal lines of a file that may vote for one nearest place.
pub(crate) const VOTES_PER_LINE_MAX: usize = 32;
/// Bytes of a line that are shown in a refusal.
pub(crate) const SHOWN_BYTES_MAX: usize = 200;
/// Lines of a region that are compared one by one to keep what stays; longer ones are taken as the model wrote them.
pub(crate) const COMPARED_LINES_MAX: usize = 4_000;
/// Lines of new code that are compared with those beside its place, on each side.
pub(crate) const ECHO_LINES_MAX: usize = 2_000;
/// Lines of the files that search lines can be held to.
pub const QUOTED_LINES_MAX: usize = 20_000;
/// Bytes of them; a prompt with more fits no model.
pub const QUOTED_BYTES_MAX: usize = 1 << 20;
/// Outcomes remembered of one model and format.
pub const OUTCOMES_MAX: usize = 100;
/// Models whose outcomes are remembered; the one longest unused goes first.
pub const OUTCOME_MODELS_MAX: usize = 32;
/// Requests in comments that one document is looked through for.
pub const TRIGGERS_MAX: usize = 64;
/// Comment lines of one such request.
pub const TRIGGER_LINES_MAX: usize = 16;
/// Bytes of its words; longer ones are no request.
pub const TRIGGER_WORDS_BYTES_MAX: usize = 2_000;
/// A file larger than this is not looked through for requests.
pub const TRIGGER_SOURCE_BYTES_MAX: usize = 1 << 20;
/// Time that a file may take to parse for them, in milliseconds; one that takes longer has none.
pub const TRIGGER_PARSE_MS_MAX: u64 = 500;
/// A recording of answers larger than this is not read.
pub const RECORDED_BYTES_MAX: usize = 1 << 20;
/// Answers in one recording.
pub const RECORDED_CASES_MAX: usize = 5_000;
