-- The search for the culprit of a refused call goes on after a restart.

-- +goose Up
-- A target that was in a call of several that HSS refused, batch_id; there as long as no
-- refusal of one server explains it.
CREATE TABLE suspects (
  change_id INTEGER NOT NULL DEFAULT 0 REFERENCES changes (id),
  batch_id INTEGER NOT NULL DEFAULT 0,
  seq INTEGER NOT NULL DEFAULT 0 CHECK (seq > 0),
  PRIMARY KEY (change_id, batch_id, seq)
) STRICT, WITHOUT ROWID;
