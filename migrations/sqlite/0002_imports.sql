-- +goose Up
-- Pasted lists of servers, looked up in the inventory. They are kept for a day.
CREATE TABLE imports (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  uid TEXT NOT NULL DEFAULT '' CHECK (uid <> ''),
  user_id INTEGER NOT NULL DEFAULT 0 REFERENCES users (id),
  project_id INTEGER NOT NULL DEFAULT 0 REFERENCES projects (id),
  created_at INTEGER NOT NULL DEFAULT 0,
  took_ms INTEGER NOT NULL DEFAULT 0,
  entries INTEGER NOT NULL DEFAULT 0 CHECK (entries = found + ambiguous + unknown + duplicate + cannot + unreadable),
  found INTEGER NOT NULL DEFAULT 0 CHECK (found >= 0),
  ambiguous INTEGER NOT NULL DEFAULT 0 CHECK (ambiguous >= 0),
  unknown INTEGER NOT NULL DEFAULT 0 CHECK (unknown >= 0),
  duplicate INTEGER NOT NULL DEFAULT 0 CHECK (duplicate >= 0),
  cannot INTEGER NOT NULL DEFAULT 0 CHECK (cannot >= 0),
  unreadable INTEGER NOT NULL DEFAULT 0 CHECK (unreadable >= 0)
) STRICT;
CREATE UNIQUE INDEX imports_uid ON imports (uid);
CREATE INDEX imports_user ON imports (user_id, id);
CREATE INDEX imports_created ON imports (created_at);

CREATE TABLE import_lines (
  import_id INTEGER NOT NULL DEFAULT 0,
  seq INTEGER NOT NULL DEFAULT 0 CHECK (seq > 0),
  line INTEGER NOT NULL DEFAULT 0 CHECK (line > 0),
  text TEXT NOT NULL DEFAULT '' CHECK (length(text) BETWEEN 1 AND 256),
  result TEXT NOT NULL DEFAULT '' CHECK (result IN ('found', 'ambiguous', 'unknown', 'duplicate', 'cannot', 'unreadable')),
  host_id TEXT NOT NULL DEFAULT '',
  name TEXT NOT NULL DEFAULT '',
  why TEXT NOT NULL DEFAULT '',
  candidates INTEGER NOT NULL DEFAULT 0,
  duplicate_of INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (import_id, seq),
  CHECK (result NOT IN ('found', 'cannot') OR host_id <> '')
) STRICT, WITHOUT ROWID;
CREATE INDEX import_lines_result ON import_lines (import_id, result, seq);
-- A server is found by one line only.
CREATE UNIQUE INDEX import_lines_host ON import_lines (import_id, host_id) WHERE result IN ('found', 'cannot');
