-- Steps are looked up by their number, and callers that wait for the budget are known,
-- so that a more urgent one comes first.

-- +goose Up
CREATE INDEX batches_step ON batches (change_id, step) WHERE step > 0;

-- priority: the lowest goes first. until: the row counts no longer than this, should its
-- caller be gone. since: when it began to wait.
CREATE TABLE budget_waits (
  credential_id INTEGER NOT NULL DEFAULT 0,
  operation TEXT NOT NULL DEFAULT '',
  who TEXT NOT NULL DEFAULT '',
  priority INTEGER NOT NULL DEFAULT 0 CHECK (priority >= 0),
  since INTEGER NOT NULL DEFAULT 0,
  until INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (credential_id, operation, who)
) STRICT, WITHOUT ROWID;
