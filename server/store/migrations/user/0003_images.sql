-- Jobs that make images, which are the queue, and the images they made. The pixels are blobs.

-- `position` orders the jobs that wait within one priority; `images_done` counts what was saved, also when it was
-- deleted since.
CREATE TABLE image_jobs (
    id TEXT PRIMARY KEY NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('queued', 'running', 'done', 'failed', 'cancelled')),
    priority INTEGER NOT NULL,
    position INTEGER NOT NULL,
    model TEXT NOT NULL,
    request TEXT NOT NULL,
    images_all INTEGER NOT NULL,
    images_done INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    error TEXT,
    created_ms INTEGER NOT NULL,
    started_ms INTEGER,
    finished_ms INTEGER
) STRICT;

CREATE INDEX image_jobs_waiting ON image_jobs (priority DESC, position, id) WHERE state = 'queued';
CREATE INDEX image_jobs_running ON image_jobs (id) WHERE state = 'running';

-- Blobs that a job begins with, such as an image that is drawn over.
CREATE TABLE image_job_blobs (
    job_id TEXT NOT NULL REFERENCES image_jobs (id) ON DELETE CASCADE,
    place INTEGER NOT NULL,
    blob TEXT NOT NULL,
    PRIMARY KEY (job_id, place)
) STRICT, WITHOUT ROWID;

CREATE INDEX image_job_blobs_by_blob ON image_job_blobs (blob);

-- `seq` orders images by arrival and is what the words of a prompt are found by. `seed` holds 64 bits without a sign.
CREATE TABLE images (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    job_id TEXT REFERENCES image_jobs (id) ON DELETE SET NULL,
    place INTEGER NOT NULL,
    blob TEXT NOT NULL,
    thumbnail TEXT NOT NULL,
    width_pixels INTEGER NOT NULL,
    height_pixels INTEGER NOT NULL,
    seed INTEGER NOT NULL,
    model TEXT NOT NULL,
    prompt TEXT NOT NULL,
    negative_prompt TEXT NOT NULL,
    settings TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    favourite INTEGER NOT NULL CHECK (favourite IN (0, 1)),
    bytes INTEGER NOT NULL,
    missing_ms INTEGER
) STRICT;

-- Everything the gallery filters by, so that a page reads this narrow index and then only the rows it shows.
CREATE INDEX images_shown
    ON images (created_ms, seq, favourite, model, width_pixels, height_pixels, seed, bytes, missing_ms)
    WHERE missing_ms IS NULL;
CREATE UNIQUE INDEX images_of_job ON images (job_id, place) WHERE job_id IS NOT NULL;
CREATE INDEX images_by_blob ON images (blob);
CREATE INDEX images_by_thumbnail ON images (thumbnail);
CREATE INDEX images_missing ON images (seq) WHERE missing_ms IS NOT NULL;

-- The words of prompts; the text itself stands in `images`.
CREATE VIRTUAL TABLE images_words USING fts5 (
    prompt,
    content = 'images',
    content_rowid = 'seq',
    tokenize = 'unicode61 remove_diacritics 2',
    prefix = '1 2 3'
);

-- Blobs whose rows are gone and whose files follow; see `sweep.rs`.
CREATE TABLE blobs_to_remove (
    blob TEXT PRIMARY KEY NOT NULL
) STRICT, WITHOUT ROWID;
