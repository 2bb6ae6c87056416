-- +goose Up
-- Named sets of servers.
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
CREATE UNIQUE INDEX server_sets_uid ON server_sets (uid);
CREATE UNIQUE INDEX server_sets_name ON server_sets (project_id, name_key);

-- name is the server's when the set was saved: it may be gone later.
CREATE TABLE server_set_hosts (
  set_id INTEGER NOT NULL DEFAULT 0 REFERENCES server_sets (id),
  seq INTEGER NOT NULL DEFAULT 0 CHECK (seq > 0),
  host_id TEXT NOT NULL DEFAULT '' CHECK (length(host_id) BETWEEN 1 AND 256),
  name TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (set_id, seq)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX server_set_hosts_host ON server_set_hosts (set_id, host_id);
