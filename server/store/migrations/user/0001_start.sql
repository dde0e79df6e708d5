-- The user's data. Times are UTC milliseconds; ids are sortable random text; trees only grow.

CREATE TABLE chats (
    id TEXT PRIMARY KEY NOT NULL,
    title TEXT NOT NULL,
    workspace TEXT,
    created_ms INTEGER NOT NULL,
    updated_ms INTEGER NOT NULL,
    archived_ms INTEGER,
    deleted_ms INTEGER
) STRICT;

-- One index per shelf: a page of either is one range scan, whatever the number of chats.
CREATE INDEX chats_living ON chats (updated_ms, id) WHERE deleted_ms IS NULL;
CREATE INDEX chats_trashed ON chats (updated_ms, id) WHERE deleted_ms IS NOT NULL;

-- `seq` orders messages by arrival, so that a clock set back cannot shuffle a chat.
CREATE TABLE messages (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    chat_id TEXT NOT NULL REFERENCES chats (id),
    parent_id TEXT REFERENCES messages (id),
    role TEXT NOT NULL CHECK (role IN ('system', 'user', 'assistant')),
    content TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    run_id TEXT REFERENCES runs (id) DEFERRABLE INITIALLY DEFERRED,
    state TEXT NOT NULL CHECK (state IN ('complete', 'streaming', 'interrupted', 'failed', 'stopped')),
    error TEXT,
    citations TEXT,
    manifest TEXT,
    model TEXT
) STRICT;

CREATE INDEX messages_of_chat ON messages (chat_id, seq);
CREATE UNIQUE INDEX messages_of_run ON messages (run_id) WHERE run_id IS NOT NULL;
CREATE INDEX messages_of_parent ON messages (parent_id) WHERE parent_id IS NOT NULL;

CREATE TABLE runs (
    id TEXT PRIMARY KEY NOT NULL,
    chat_id TEXT NOT NULL REFERENCES chats (id),
    message_id TEXT NOT NULL UNIQUE REFERENCES messages (id),
    state TEXT NOT NULL CHECK (state IN ('queued', 'running', 'done', 'failed', 'stopped', 'interrupted')),
    error TEXT,
    created_ms INTEGER NOT NULL,
    started_ms INTEGER,
    finished_ms INTEGER
) STRICT;

CREATE INDEX runs_of_chat ON runs (chat_id, created_ms);
CREATE INDEX runs_open ON runs (created_ms) WHERE state IN ('queued', 'running');

CREATE TABLE usage (
    run_id TEXT PRIMARY KEY NOT NULL REFERENCES runs (id),
    model TEXT NOT NULL,
    prompt_tokens INTEGER NOT NULL,
    cached_tokens INTEGER NOT NULL,
    answer_tokens INTEGER NOT NULL,
    prompt_ms INTEGER NOT NULL,
    answer_ms INTEGER NOT NULL,
    at_ms INTEGER NOT NULL
) STRICT;

CREATE INDEX usage_by_time ON usage (at_ms);

CREATE TABLE settings (
    key TEXT PRIMARY KEY NOT NULL,
    value TEXT NOT NULL
) STRICT;

CREATE TABLE documents (
    id TEXT PRIMARY KEY NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('answer', 'chat', 'proposal')),
    path TEXT NOT NULL UNIQUE,
    created_ms INTEGER NOT NULL,
    chat_id TEXT REFERENCES chats (id)
) STRICT;

-- Of every secret only the SHA-256 is kept.
CREATE TABLE login_links (
    hash BLOB PRIMARY KEY NOT NULL,
    created_ms INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL,
    used_ms INTEGER
) STRICT;

CREATE TABLE sessions (
    id TEXT PRIMARY KEY NOT NULL,
    hash BLOB NOT NULL UNIQUE,
    created_ms INTEGER NOT NULL,
    last_seen_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE api_tokens (
    id TEXT PRIMARY KEY NOT NULL,
    name TEXT NOT NULL,
    hash BLOB NOT NULL UNIQUE,
    prefix TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    last_used_ms INTEGER,
    revoked_ms INTEGER
) STRICT;
