-- More kinds of change, and changes in steps. SQLite can't alter an unnamed CHECK, so the
-- tables are copied; the ones that other kinds will touch have names now. Foreign keys are
-- off while migrations run and are checked after them.

-- +goose Up
-- ramp: 1 if the change begins with 1 server, then 10, then whole batches.
CREATE TABLE changes_new (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  uid TEXT NOT NULL DEFAULT '' CHECK (uid <> ''),
  project_id INTEGER NOT NULL DEFAULT 0 REFERENCES projects (id),
  number INTEGER NOT NULL DEFAULT 0 CHECK (number >= 0),
  event_seq INTEGER NOT NULL DEFAULT 0 CHECK (event_seq >= 0),
  kind TEXT NOT NULL DEFAULT '',
  direction TEXT NOT NULL DEFAULT '',
  state TEXT NOT NULL DEFAULT '' CHECK (state IN ('planned', 'dropped', 'queued', 'running', 'done', 'stopped')),
  reason TEXT NOT NULL DEFAULT '' CHECK (length(reason) <= 500),
  ticket TEXT NOT NULL DEFAULT '' CHECK (length(ticket) <= 100),
  selection TEXT NOT NULL DEFAULT '',
  planned_by INTEGER NOT NULL DEFAULT 0,
  planned_by_name TEXT NOT NULL DEFAULT '',
  planned_at INTEGER NOT NULL DEFAULT 0,
  expires_at INTEGER NOT NULL DEFAULT 0,
  confirmed_by INTEGER NOT NULL DEFAULT 0,
  confirmed_by_name TEXT NOT NULL DEFAULT '',
  confirmed_at INTEGER NOT NULL DEFAULT 0,
  confirmed_ip TEXT NOT NULL DEFAULT '',
  request_id TEXT NOT NULL DEFAULT '',
  started_at INTEGER NOT NULL DEFAULT 0,
  finished_at INTEGER NOT NULL DEFAULT 0,
  stopped_by_name TEXT NOT NULL DEFAULT '',
  stop_why TEXT NOT NULL DEFAULT '',
  lease_owner TEXT NOT NULL DEFAULT '',
  lease_until INTEGER NOT NULL DEFAULT 0,
  read_back_at INTEGER NOT NULL DEFAULT 0,
  read_backs INTEGER NOT NULL DEFAULT 0,
  target_count INTEGER NOT NULL DEFAULT 0 CHECK (target_count >= 0),
  to_send INTEGER NOT NULL DEFAULT 0 CHECK (to_send BETWEEN 0 AND target_count),
  backup_before TEXT NOT NULL DEFAULT '',
  backup_after TEXT NOT NULL DEFAULT '',
  undo_of INTEGER NOT NULL DEFAULT 0 CHECK (undo_of >= 0),
  retry_of INTEGER NOT NULL DEFAULT 0 CHECK (retry_of >= 0),
  timer_of INTEGER NOT NULL DEFAULT 0,
  set_in INTEGER NOT NULL DEFAULT 0,
  ramp INTEGER NOT NULL DEFAULT 0 CHECK (ramp IN (0, 1)),
  CHECK ((state IN ('planned', 'dropped')) = (number = 0)),
  CHECK ((number = 0) = (event_seq = 0)),
  CONSTRAINT changes_kind CHECK (kind IN ('dynamic_wtp', 'backup_server', 'remote_backup', 'backup_removal', 'tomcat_dir')),
  CONSTRAINT changes_direction CHECK ((direction IN ('enable', 'disable')) = (kind IN ('dynamic_wtp', 'remote_backup')) AND direction IN ('', 'enable', 'disable'))
) STRICT;
INSERT INTO changes_new (id, uid, project_id, number, event_seq, kind, direction, state, reason, ticket, selection, planned_by, planned_by_name, planned_at, expires_at, confirmed_by, confirmed_by_name, confirmed_at, confirmed_ip, request_id, started_at, finished_at, stopped_by_name, stop_why, lease_owner, lease_until, read_back_at, read_backs, target_count, to_send, backup_before, backup_after, undo_of, retry_of, timer_of, set_in) SELECT id, uid, project_id, number, event_seq, kind, direction, state, reason, ticket, selection, planned_by, planned_by_name, planned_at, expires_at, confirmed_by, confirmed_by_name, confirmed_at, confirmed_ip, request_id, started_at, finished_at, stopped_by_name, stop_why, lease_owner, lease_until, read_back_at, read_backs, target_count, to_send, backup_before, backup_after, undo_of, retry_of, timer_of, set_in FROM changes;
DELETE FROM sqlite_sequence WHERE name = 'changes_new';
INSERT INTO sqlite_sequence (name, seq) SELECT 'changes_new', seq FROM sqlite_sequence WHERE name = 'changes';
DROP TABLE changes;
ALTER TABLE changes_new RENAME TO changes;
CREATE UNIQUE INDEX changes_uid ON changes (uid);
CREATE UNIQUE INDEX changes_number ON changes (project_id, number) WHERE number > 0;
CREATE UNIQUE INDEX changes_order ON changes (event_seq) WHERE event_seq > 0;
CREATE INDEX changes_project_order ON changes (project_id, event_seq) WHERE event_seq > 0;
CREATE INDEX changes_open ON changes (event_seq) WHERE state IN ('queued', 'running');
CREATE INDEX changes_read_back ON changes (project_id, read_back_at) WHERE read_back_at > 0;
CREATE INDEX changes_plans ON changes (expires_at) WHERE state IN ('planned', 'dropped');
CREATE INDEX changes_undo_of ON changes (project_id, undo_of) WHERE undo_of > 0;
CREATE INDEX changes_retry_of ON changes (project_id, retry_of) WHERE retry_of > 0;

-- kind: what is sent for the target; a removal has targets of two kinds.
CREATE TABLE targets_new (
  change_id INTEGER NOT NULL DEFAULT 0,
  seq INTEGER NOT NULL DEFAULT 0 CHECK (seq > 0),
  project_id INTEGER NOT NULL DEFAULT 0,
  kind TEXT NOT NULL DEFAULT '',
  host_id TEXT NOT NULL DEFAULT '' CHECK (length(host_id) BETWEEN 1 AND 256),
  name TEXT NOT NULL DEFAULT '',
  private_ip TEXT NOT NULL DEFAULT '',
  group_name TEXT NOT NULL DEFAULT '',
  before TEXT NOT NULL DEFAULT '',
  wanted TEXT NOT NULL DEFAULT '' CHECK (wanted <> ''),
  bucket TEXT NOT NULL DEFAULT '' CHECK (bucket IN ('will_change', 'needs_restart', 'risky', 'already_so', 'cannot')),
  why TEXT NOT NULL DEFAULT '',
  batch_id INTEGER NOT NULL DEFAULT 0,
  outcome TEXT NOT NULL DEFAULT '' CHECK (outcome IN ('planned', 'waiting', 'sending', 'unclear', 'accepted', 'refused', 'unknown', 'skipped', 'stopped')),
  code TEXT NOT NULL DEFAULT '',
  message TEXT NOT NULL DEFAULT '',
  call_id INTEGER NOT NULL DEFAULT 0,
  decided_at INTEGER NOT NULL DEFAULT 0,
  seen TEXT NOT NULL DEFAULT '',
  seen_at INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (change_id, seq),
  CHECK (outcome IN ('planned', 'skipped') OR bucket IN ('will_change', 'needs_restart', 'risky')),
  CONSTRAINT targets_kind CHECK (kind IN ('dynamic_wtp', 'backup_server', 'remote_backup', 'tomcat_dir'))
) STRICT, WITHOUT ROWID;
INSERT INTO targets_new (change_id, seq, project_id, kind, host_id, name, private_ip, group_name, before, wanted, bucket, why, batch_id, outcome, code, message, call_id, decided_at, seen, seen_at) SELECT change_id, seq, project_id, kind, host_id, name, private_ip, group_name, before, wanted, bucket, why, batch_id, outcome, code, message, call_id, decided_at, seen, seen_at FROM targets;
DROP TABLE targets;
ALTER TABLE targets_new RENAME TO targets;
CREATE UNIQUE INDEX targets_open ON targets (project_id, kind, host_id) WHERE outcome IN ('waiting', 'sending', 'unclear');
CREATE INDEX targets_outcome ON targets (change_id, outcome, seq);
CREATE INDEX targets_bucket ON targets (change_id, bucket, seq);
CREATE INDEX targets_host ON targets (project_id, host_id, change_id);
CREATE INDEX targets_batch ON targets (batch_id) WHERE batch_id > 0;
CREATE INDEX targets_unseen ON targets (project_id, kind, host_id) WHERE outcome IN ('accepted', 'unknown') AND seen <> wanted;

-- confirmed: 0 not read back yet, 1 seen as wanted, 2 seen otherwise.
CREATE TABLE change_counts_new (
  change_id INTEGER NOT NULL DEFAULT 0 REFERENCES changes (id),
  bucket TEXT NOT NULL DEFAULT '',
  why TEXT NOT NULL DEFAULT '',
  outcome TEXT NOT NULL DEFAULT '',
  confirmed INTEGER NOT NULL DEFAULT 0 CHECK (confirmed IN (0, 1, 2)),
  n INTEGER NOT NULL DEFAULT 0 CHECK (n >= 0),
  PRIMARY KEY (change_id, bucket, why, outcome, confirmed)
) STRICT, WITHOUT ROWID;
INSERT INTO change_counts_new SELECT * FROM change_counts;
DROP TABLE change_counts;
ALTER TABLE change_counts_new RENAME TO change_counts;
INSERT INTO change_counts (change_id, bucket, why, outcome, confirmed, n)
  SELECT change_id, bucket, why, outcome, 2, COUNT(*) FROM targets WHERE seen <> '' AND seen <> wanted GROUP BY 1, 2, 3, 4;
UPDATE change_counts AS c SET n = c.n - o.n FROM change_counts o
  WHERE c.confirmed = 0 AND o.confirmed = 2 AND o.change_id = c.change_id AND o.bucket = c.bucket AND o.why = c.why AND o.outcome = c.outcome;

-- step: a batch begins only when every server of the steps before it was read back as
-- wanted; 0: it waits for none.
ALTER TABLE batches ADD COLUMN step INTEGER NOT NULL DEFAULT 0 CHECK (step >= 0);
