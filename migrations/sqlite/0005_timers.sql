-- Timed changes: dynamic WTP is turned on again some time after it was turned off.

-- +goose Up
-- timer_of: the change whose timer this one fires or ends early; set_in: the number of
-- that change, if the console made this one by itself.
ALTER TABLE changes ADD COLUMN timer_of INTEGER NOT NULL DEFAULT 0;
ALTER TABLE changes ADD COLUMN set_in INTEGER NOT NULL DEFAULT 0;

-- One timer for each change that turned dynamic WTP off for a while.
CREATE TABLE timers (
  change_id INTEGER NOT NULL DEFAULT 0 PRIMARY KEY REFERENCES changes (id),
  project_id INTEGER NOT NULL DEFAULT 0 REFERENCES projects (id),
  due_at INTEGER NOT NULL DEFAULT 0 CHECK (due_at > 0),
  state TEXT NOT NULL DEFAULT '' CHECK (state IN ('pending', 'fired', 'ended', 'cancelled')),
  set_by INTEGER NOT NULL DEFAULT 0,
  set_by_name TEXT NOT NULL DEFAULT '',
  set_at INTEGER NOT NULL DEFAULT 0,
  ended_at INTEGER NOT NULL DEFAULT 0,
  ended_by_name TEXT NOT NULL DEFAULT '',
  why TEXT NOT NULL DEFAULT '',
  fired_change_id INTEGER NOT NULL DEFAULT 0,
  CHECK ((state = 'pending') = (ended_at = 0)),
  CHECK (state <> 'fired' OR fired_change_id > 0)
) STRICT;
CREATE INDEX timers_due ON timers (due_at) WHERE state = 'pending';
CREATE INDEX timers_project ON timers (project_id, due_at) WHERE state = 'pending';
CREATE UNIQUE INDEX timers_fired ON timers (fired_change_id) WHERE fired_change_id > 0;
