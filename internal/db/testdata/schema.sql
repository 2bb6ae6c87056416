CREATE TABLE backup_servers (
  project_id INTEGER NOT NULL DEFAULT 0,
  host_id TEXT NOT NULL DEFAULT '' CHECK (length(host_id) BETWEEN 1 AND 256),
  name TEXT NOT NULL DEFAULT '',
  ip TEXT NOT NULL DEFAULT '',
  port INTEGER NOT NULL DEFAULT 0,
  dir TEXT NOT NULL DEFAULT '',
  status INTEGER NOT NULL DEFAULT 0,
  read_at INTEGER NOT NULL DEFAULT 0,
  since INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (project_id, host_id)
) STRICT;

CREATE TABLE backup_use (
  project_id INTEGER NOT NULL DEFAULT 0,
  backup_host_id TEXT NOT NULL DEFAULT '',
  group_name TEXT NOT NULL DEFAULT '',
  n INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (project_id, backup_host_id, group_name)
) STRICT, WITHOUT ROWID;

CREATE TABLE batch_counts (
  change_id INTEGER NOT NULL DEFAULT 0 REFERENCES changes (id),
  box INTEGER NOT NULL DEFAULT 0 CHECK (box BETWEEN 1 AND 60),
  waiting INTEGER NOT NULL DEFAULT 0 CHECK (waiting >= 0),
  sending INTEGER NOT NULL DEFAULT 0 CHECK (sending >= 0),
  unclear INTEGER NOT NULL DEFAULT 0 CHECK (unclear >= 0),
  accepted INTEGER NOT NULL DEFAULT 0 CHECK (accepted >= 0),
  refused INTEGER NOT NULL DEFAULT 0 CHECK (refused >= 0),
  split INTEGER NOT NULL DEFAULT 0 CHECK (split >= 0),
  unknown INTEGER NOT NULL DEFAULT 0 CHECK (unknown >= 0),
  mixed INTEGER NOT NULL DEFAULT 0 CHECK (mixed >= 0),
  stopped INTEGER NOT NULL DEFAULT 0 CHECK (stopped >= 0),
  PRIMARY KEY (change_id, box)
) STRICT, WITHOUT ROWID;

CREATE TABLE batches (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  change_id INTEGER NOT NULL DEFAULT 0 REFERENCES changes (id),
  no INTEGER NOT NULL DEFAULT 0 CHECK (no > 0),
  parent INTEGER NOT NULL DEFAULT 0,
  state TEXT NOT NULL DEFAULT '' CHECK (state IN ('waiting', 'sending', 'unclear', 'accepted', 'refused', 'split', 'unknown', 'mixed', 'stopped')),
  size INTEGER NOT NULL DEFAULT 0 CHECK (size BETWEEN 1 AND 200),
  attempts INTEGER NOT NULL DEFAULT 0 CHECK (attempts >= 0),
  run_at INTEGER NOT NULL DEFAULT 0
, step INTEGER NOT NULL DEFAULT 0 CHECK (step >= 0), box INTEGER NOT NULL DEFAULT 0 CHECK (box >= 0)) STRICT;

CREATE UNIQUE INDEX batches_no ON batches (change_id, no);

CREATE INDEX batches_open ON batches (change_id, state, run_at) WHERE state IN ('waiting', 'sending', 'unclear');

CREATE INDEX batches_step ON batches (change_id, step) WHERE step > 0;

CREATE TABLE budget_blocks (
  credential_id INTEGER NOT NULL DEFAULT 0,
  operation TEXT NOT NULL DEFAULT '',
  until INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (credential_id, operation)
) STRICT, WITHOUT ROWID;

CREATE TABLE budget_calls (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  credential_id INTEGER NOT NULL DEFAULT 0,
  operation TEXT NOT NULL DEFAULT '',
  at INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE INDEX budget_calls_window ON budget_calls (credential_id, operation, at);

CREATE TABLE budget_waits (
  credential_id INTEGER NOT NULL DEFAULT 0,
  operation TEXT NOT NULL DEFAULT '',
  who TEXT NOT NULL DEFAULT '',
  priority INTEGER NOT NULL DEFAULT 0 CHECK (priority >= 0),
  since INTEGER NOT NULL DEFAULT 0,
  until INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (credential_id, operation, who)
) STRICT, WITHOUT ROWID;

CREATE TABLE calls (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  change_id INTEGER NOT NULL DEFAULT 0 REFERENCES changes (id),
  batch_id INTEGER NOT NULL DEFAULT 0,
  operation TEXT NOT NULL DEFAULT '' CHECK (operation <> ''),
  method TEXT NOT NULL DEFAULT '',
  path TEXT NOT NULL DEFAULT '',
  hosts INTEGER NOT NULL DEFAULT 0 CHECK (hosts >= 0),
  sent_at INTEGER NOT NULL DEFAULT 0,
  ended_at INTEGER NOT NULL DEFAULT 0,
  status INTEGER NOT NULL DEFAULT 0,
  class TEXT NOT NULL DEFAULT '',
  code TEXT NOT NULL DEFAULT '',
  message TEXT NOT NULL DEFAULT '',
  request_id TEXT NOT NULL DEFAULT ''
) STRICT;

CREATE INDEX calls_batch ON calls (batch_id) WHERE batch_id > 0;

CREATE INDEX calls_change ON calls (change_id, id);

CREATE TABLE "change_counts" (
  change_id INTEGER NOT NULL DEFAULT 0 REFERENCES changes (id),
  bucket TEXT NOT NULL DEFAULT '',
  why TEXT NOT NULL DEFAULT '',
  outcome TEXT NOT NULL DEFAULT '',
  confirmed INTEGER NOT NULL DEFAULT 0 CHECK (confirmed IN (0, 1, 2)),
  n INTEGER NOT NULL DEFAULT 0 CHECK (n >= 0),
  PRIMARY KEY (change_id, bucket, why, outcome, confirmed)
) STRICT, WITHOUT ROWID;

CREATE TABLE "changes" (
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

CREATE UNIQUE INDEX changes_number ON changes (project_id, number) WHERE number > 0;

CREATE INDEX changes_open ON changes (event_seq) WHERE state IN ('queued', 'running');

CREATE UNIQUE INDEX changes_order ON changes (event_seq) WHERE event_seq > 0;

CREATE INDEX changes_plans ON changes (expires_at) WHERE state IN ('planned', 'dropped');

CREATE INDEX changes_project_order ON changes (project_id, event_seq) WHERE event_seq > 0;

CREATE INDEX changes_read_back ON changes (project_id, read_back_at) WHERE read_back_at > 0;

CREATE INDEX changes_retry_of ON changes (project_id, retry_of) WHERE retry_of > 0;

CREATE UNIQUE INDEX changes_uid ON changes (uid);

CREATE INDEX changes_undo_of ON changes (project_id, undo_of) WHERE undo_of > 0;

CREATE TABLE credentials (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  uid TEXT NOT NULL DEFAULT '' CHECK (uid <> ''),
  name TEXT NOT NULL DEFAULT '' CHECK (length(name) BETWEEN 1 AND 128),
  kind TEXT NOT NULL DEFAULT '' CHECK (kind IN ('access_key', 'iam_password')),
  access_key TEXT NOT NULL DEFAULT '',
  account TEXT NOT NULL DEFAULT '',
  iam_user TEXT NOT NULL DEFAULT '',
  region TEXT NOT NULL DEFAULT '',
  iam_endpoint TEXT NOT NULL DEFAULT '',
  sealed_secret TEXT NOT NULL DEFAULT '' CHECK (sealed_secret = '' OR sealed_secret GLOB 'v1.*'),
  created_at INTEGER NOT NULL DEFAULT 0,
  created_by TEXT NOT NULL DEFAULT '',
  secret_set_at INTEGER NOT NULL DEFAULT 0,
  secret_set_by TEXT NOT NULL DEFAULT '',
  last_used_at INTEGER NOT NULL DEFAULT 0,
  locked_until INTEGER NOT NULL DEFAULT 0,
  tested_at INTEGER NOT NULL DEFAULT 0,
  test TEXT NOT NULL DEFAULT '',
  removed_at INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE UNIQUE INDEX credentials_name ON credentials (name) WHERE removed_at = 0;

CREATE UNIQUE INDEX credentials_uid ON credentials (uid);

CREATE TABLE event_head (
  id INTEGER NOT NULL DEFAULT 0 PRIMARY KEY CHECK (id = 1),
  seq INTEGER NOT NULL DEFAULT 0 CHECK (seq >= 0),
  hash TEXT NOT NULL DEFAULT ''
) STRICT;

CREATE TRIGGER events_no_delete BEFORE DELETE ON events
BEGIN
  SELECT RAISE(ABORT, 'events are append-only');
END;

CREATE TRIGGER events_no_replace BEFORE INSERT ON events
WHEN EXISTS (SELECT 1 FROM events WHERE seq = NEW.seq)
BEGIN
  SELECT RAISE(ABORT, 'events are append-only');
END;

CREATE TRIGGER events_no_update BEFORE UPDATE ON events
BEGIN
  SELECT RAISE(ABORT, 'events are append-only');
END;

CREATE TABLE events (
  seq INTEGER PRIMARY KEY CHECK (seq > 0),
  at INTEGER NOT NULL DEFAULT 0,
  actor_id INTEGER NOT NULL DEFAULT 0,
  actor TEXT NOT NULL DEFAULT '',
  ip TEXT NOT NULL DEFAULT '',
  user_agent TEXT NOT NULL DEFAULT '',
  request_id TEXT NOT NULL DEFAULT '',
  verb TEXT NOT NULL DEFAULT '' CHECK (verb <> ''),
  project_id INTEGER NOT NULL DEFAULT 0,
  change_id INTEGER NOT NULL DEFAULT 0,
  subject TEXT NOT NULL DEFAULT '',
  detail TEXT NOT NULL DEFAULT '',
  prev_hash TEXT NOT NULL DEFAULT '',
  hash TEXT NOT NULL DEFAULT '' CHECK (length(hash) = 64)
) STRICT;

CREATE INDEX events_change ON events (change_id, seq);

CREATE INDEX events_project ON events (project_id, seq);

CREATE INDEX events_sets ON events (project_id, subject, seq) WHERE verb IN ('set.created', 'set.renamed', 'set.replaced', 'set.deleted');

CREATE TABLE group_counts (
  project_id INTEGER NOT NULL DEFAULT 0,
  name TEXT NOT NULL DEFAULT '',
  total INTEGER NOT NULL DEFAULT 0,
  dynamic_on INTEGER NOT NULL DEFAULT 0,
  dynamic_off INTEGER NOT NULL DEFAULT 0,
  cannot INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (project_id, name)
) STRICT, WITHOUT ROWID;

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

CREATE UNIQUE INDEX import_lines_host ON import_lines (import_id, host_id) WHERE result IN ('found', 'cannot');

CREATE INDEX import_lines_result ON import_lines (import_id, result, seq);

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

CREATE INDEX imports_created ON imports (created_at);

CREATE UNIQUE INDEX imports_uid ON imports (uid);

CREATE INDEX imports_user ON imports (user_id, id);

CREATE TABLE projects (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  slug TEXT NOT NULL DEFAULT '' CHECK (length(slug) BETWEEN 1 AND 64),
  name TEXT NOT NULL DEFAULT '' CHECK (length(name) BETWEEN 1 AND 128),
  region TEXT NOT NULL DEFAULT '' CHECK (length(region) BETWEEN 1 AND 128),
  hss_project_id TEXT NOT NULL DEFAULT '' CHECK (length(hss_project_id) BETWEEN 1 AND 256),
  enterprise_project_id TEXT NOT NULL DEFAULT '' CHECK (length(enterprise_project_id) <= 256),
  hss_endpoint TEXT NOT NULL DEFAULT '',
  iam_endpoint TEXT NOT NULL DEFAULT '',
  credential_id INTEGER NOT NULL DEFAULT 0 REFERENCES credentials (id),
  created_at INTEGER NOT NULL DEFAULT 0,
  removed_at INTEGER NOT NULL DEFAULT 0,
  last_number INTEGER NOT NULL DEFAULT 0 CHECK (last_number >= 0),
  server_count INTEGER NOT NULL DEFAULT 0 CHECK (server_count >= 0),
  backup_count INTEGER NOT NULL DEFAULT 0 CHECK (backup_count >= 0),
  backup_trouble INTEGER NOT NULL DEFAULT 0 CHECK (backup_trouble >= 0),
  read_at INTEGER NOT NULL DEFAULT 0,
  read_started_at INTEGER NOT NULL DEFAULT 0,
  read_wanted_at INTEGER NOT NULL DEFAULT 0,
  read_failed_at INTEGER NOT NULL DEFAULT 0,
  read_error TEXT NOT NULL DEFAULT '',
  read_lease TEXT NOT NULL DEFAULT '',
  read_lease_until INTEGER NOT NULL DEFAULT 0
, unlisted INTEGER NOT NULL DEFAULT 0 CHECK (unlisted >= 0), listed_at INTEGER NOT NULL DEFAULT 0) STRICT;

CREATE INDEX projects_credential ON projects (credential_id);

CREATE UNIQUE INDEX projects_hss ON projects (region, hss_project_id, enterprise_project_id) WHERE removed_at = 0;

CREATE UNIQUE INDEX projects_slug ON projects (slug) WHERE removed_at = 0;

CREATE TABLE remote_addr_counts (
  project_id INTEGER NOT NULL DEFAULT 0,
  backup_host_id TEXT NOT NULL DEFAULT '',
  addr TEXT NOT NULL DEFAULT '',
  n INTEGER NOT NULL DEFAULT 0 CHECK (n >= 0),
  PRIMARY KEY (project_id, backup_host_id, addr)
) STRICT, WITHOUT ROWID;

CREATE TABLE remote_addrs (
  project_id INTEGER NOT NULL DEFAULT 0,
  host_id TEXT NOT NULL DEFAULT '' CHECK (length(host_id) BETWEEN 1 AND 256),
  backup_host_id TEXT NOT NULL DEFAULT '' CHECK (backup_host_id <> ''),
  addr TEXT NOT NULL DEFAULT '' CHECK (addr <> ''),
  seen_at INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (project_id, host_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX remote_addrs_use ON remote_addrs (project_id, backup_host_id, addr, seen_at);

CREATE TABLE restart_counts (
  project_id INTEGER NOT NULL DEFAULT 0 PRIMARY KEY,
  n INTEGER NOT NULL DEFAULT 0 CHECK (n >= 0)
) STRICT;

CREATE TABLE restarts (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  project_id INTEGER NOT NULL DEFAULT 0 REFERENCES projects (id),
  change_id INTEGER NOT NULL DEFAULT 0 REFERENCES changes (id),
  number INTEGER NOT NULL DEFAULT 0,
  host_id TEXT NOT NULL DEFAULT '' CHECK (length(host_id) BETWEEN 1 AND 256),
  name TEXT NOT NULL DEFAULT '',
  private_ip TEXT NOT NULL DEFAULT '',
  group_name TEXT NOT NULL DEFAULT '',
  since INTEGER NOT NULL DEFAULT 0 CHECK (since > 0),
  state TEXT NOT NULL DEFAULT '' CHECK (state IN ('open', 'done', 'off')),
  ended_at INTEGER NOT NULL DEFAULT 0,
  ended_by_name TEXT NOT NULL DEFAULT '',
  note TEXT NOT NULL DEFAULT '' CHECK (length(note) <= 500),
  off_change_id INTEGER NOT NULL DEFAULT 0,
  off_number INTEGER NOT NULL DEFAULT 0,
  CHECK ((state = 'open') = (ended_at = 0))
) STRICT;

CREATE INDEX restarts_change ON restarts (change_id) WHERE state = 'open';

CREATE INDEX restarts_group ON restarts (project_id, group_name, id) WHERE state = 'open';

CREATE INDEX restarts_list ON restarts (project_id, state, ended_at, id);

CREATE UNIQUE INDEX restarts_open ON restarts (project_id, host_id) WHERE state = 'open';

CREATE TABLE selection_hosts (
  user_id INTEGER NOT NULL DEFAULT 0,
  project_id INTEGER NOT NULL DEFAULT 0,
  host_id TEXT NOT NULL DEFAULT '' CHECK (length(host_id) BETWEEN 1 AND 256),
  PRIMARY KEY (user_id, project_id, host_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE selections (
  user_id INTEGER NOT NULL DEFAULT 0 REFERENCES users (id),
  project_id INTEGER NOT NULL DEFAULT 0 REFERENCES projects (id),
  n INTEGER NOT NULL DEFAULT 0 CHECK (n >= 0),
  PRIMARY KEY (user_id, project_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE server_set_hosts (
  set_id INTEGER NOT NULL DEFAULT 0 REFERENCES server_sets (id),
  seq INTEGER NOT NULL DEFAULT 0 CHECK (seq > 0),
  host_id TEXT NOT NULL DEFAULT '' CHECK (length(host_id) BETWEEN 1 AND 256),
  name TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (set_id, seq)
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX server_set_hosts_host ON server_set_hosts (set_id, host_id);

CREATE TABLE server_sets (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  uid TEXT NOT NULL DEFAULT '' CHECK (uid <> ''),
  project_id INTEGER NOT NULL DEFAULT 0 REFERENCES projects (id),
  name TEXT NOT NULL DEFAULT '' CHECK (length(name) BETWEEN 1 AND 100),
  name_key TEXT NOT NULL DEFAULT '' CHECK (name_key <> ''),
  n INTEGER NOT NULL DEFAULT 0 CHECK (n > 0),
  created_by INTEGER NOT NULL DEFAULT 0,
  created_by_name TEXT NOT NULL DEFAULT '',
  created_at INTEGER NOT NULL DEFAULT 0,
  changed_by_name TEXT NOT NULL DEFAULT '',
  changed_at INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE UNIQUE INDEX server_sets_name ON server_sets (project_id, name_key);

CREATE UNIQUE INDEX server_sets_uid ON server_sets (uid);

CREATE TABLE servers (
  project_id INTEGER NOT NULL DEFAULT 0,
  host_id TEXT NOT NULL DEFAULT '' CHECK (length(host_id) BETWEEN 1 AND 256),
  name TEXT NOT NULL DEFAULT '',
  name_key TEXT NOT NULL DEFAULT '',
  private_ip TEXT NOT NULL DEFAULT '',
  public_ip TEXT NOT NULL DEFAULT '',
  group_name TEXT NOT NULL DEFAULT '',
  os TEXT NOT NULL DEFAULT '',
  os_name TEXT NOT NULL DEFAULT '',
  asset_value TEXT NOT NULL DEFAULT '',
  host_status TEXT NOT NULL DEFAULT '',
  agent_status TEXT NOT NULL DEFAULT '',
  protect_status TEXT NOT NULL DEFAULT '',
  dynamic TEXT NOT NULL DEFAULT '',
  protect_dir_num INTEGER NOT NULL DEFAULT 0,
  interrupt_reason TEXT NOT NULL DEFAULT '',
  backup_host_id TEXT NOT NULL DEFAULT '',
  static_attacks INTEGER NOT NULL DEFAULT 0,
  dynamic_attacks INTEGER NOT NULL DEFAULT 0,
  dynamic_since INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (project_id, host_id)
) STRICT;

CREATE INDEX servers_attacks ON servers (project_id, (-(static_attacks + dynamic_attacks)), name_key);

CREATE INDEX servers_backup ON servers (project_id, backup_host_id, name_key);

CREATE INDEX servers_dynamic ON servers (project_id, dynamic, name_key);

CREATE INDEX servers_group ON servers (project_id, group_name, name_key);

CREATE INDEX servers_name ON servers (project_id, name_key, host_id);

CREATE TABLE sessions (
  token_hash TEXT NOT NULL DEFAULT '' PRIMARY KEY CHECK (token_hash <> ''),
  user_id INTEGER NOT NULL DEFAULT 0 REFERENCES users (id),
  created_at INTEGER NOT NULL DEFAULT 0,
  last_seen_at INTEGER NOT NULL DEFAULT 0,
  expires_at INTEGER NOT NULL DEFAULT 0,
  revoked_at INTEGER NOT NULL DEFAULT 0,
  ip TEXT NOT NULL DEFAULT '',
  user_agent TEXT NOT NULL DEFAULT '' CHECK (length(user_agent) <= 512)
) STRICT;

CREATE INDEX sessions_expiry ON sessions (expires_at);

CREATE INDEX sessions_user ON sessions (user_id, created_at);

CREATE TABLE settings (
  key TEXT NOT NULL DEFAULT '' PRIMARY KEY,
  value TEXT NOT NULL DEFAULT ''
) STRICT;

CREATE TABLE sign_in_failures (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  key TEXT NOT NULL DEFAULT '' CHECK (key <> ''),
  at INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE INDEX sign_in_failures_at ON sign_in_failures (at);

CREATE INDEX sign_in_failures_key ON sign_in_failures (key, at);

CREATE TABLE suspects (
  change_id INTEGER NOT NULL DEFAULT 0 REFERENCES changes (id),
  batch_id INTEGER NOT NULL DEFAULT 0,
  seq INTEGER NOT NULL DEFAULT 0 CHECK (seq > 0),
  PRIMARY KEY (change_id, batch_id, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE "targets" (
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

CREATE INDEX targets_batch ON targets (batch_id) WHERE batch_id > 0;

CREATE INDEX targets_bucket ON targets (change_id, bucket, seq);

CREATE INDEX targets_host ON targets (project_id, host_id, change_id);

CREATE UNIQUE INDEX targets_open ON targets (project_id, kind, host_id) WHERE outcome IN ('waiting', 'sending', 'unclear');

CREATE INDEX targets_outcome ON targets (change_id, outcome, seq);

CREATE INDEX targets_unseen ON targets (project_id, kind, host_id) WHERE outcome IN ('accepted', 'unknown') AND seen <> wanted;

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

CREATE UNIQUE INDEX timers_fired ON timers (fired_change_id) WHERE fired_change_id > 0;

CREATE INDEX timers_project ON timers (project_id, due_at) WHERE state = 'pending';

CREATE TABLE tomcat_dirs (
  project_id INTEGER NOT NULL DEFAULT 0,
  host_id TEXT NOT NULL DEFAULT '' CHECK (length(host_id) BETWEEN 1 AND 256),
  dir TEXT NOT NULL DEFAULT '',
  read_at INTEGER NOT NULL DEFAULT 0 CHECK (read_at > 0),
  PRIMARY KEY (project_id, host_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE users (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL DEFAULT '' CHECK (length(name) BETWEEN 1 AND 64),
  name_key TEXT NOT NULL DEFAULT '' CHECK (name_key <> ''),
  password_hash TEXT NOT NULL DEFAULT '',
  role TEXT NOT NULL DEFAULT '' CHECK (role IN ('viewer', 'operator', 'admin')),
  language TEXT NOT NULL DEFAULT '' CHECK (language IN ('', 'en', 'zh-CN')),
  created_at INTEGER NOT NULL DEFAULT 0,
  disabled_at INTEGER NOT NULL DEFAULT 0,
  last_sign_in_at INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE UNIQUE INDEX users_name_key ON users (name_key);
