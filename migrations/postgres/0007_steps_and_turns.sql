-- Steps are looked up by their number, and callers that wait for the budget are known,
-- so that a more urgent one comes first.

-- +goose Up
CREATE INDEX batches_step ON batches (change_id, step) WHERE step > 0;

-- priority: the lowest goes first. until: the row counts no longer than this, should its
-- caller be gone. since: when it began to wait.
CREATE TABLE budget_waits (
  credential_id bigint NOT NULL DEFAULT 0,
  operation text COLLATE "C" NOT NULL DEFAULT '',
  who text COLLATE "C" NOT NULL DEFAULT '',
  priority bigint NOT NULL DEFAULT 0 CHECK (priority >= 0),
  since bigint NOT NULL DEFAULT 0,
  until bigint NOT NULL DEFAULT 0,
  PRIMARY KEY (credential_id, operation, who)
);
