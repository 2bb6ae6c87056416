-- What dynamic WTP needs of Tomcat: its bin directory, and a restart.

-- +goose Up
-- The Tomcat bin directory of a server as HSS showed it at read_at; dir '': none is set.
CREATE TABLE tomcat_dirs (
  project_id INTEGER NOT NULL DEFAULT 0,
  host_id TEXT NOT NULL DEFAULT '' CHECK (length(host_id) BETWEEN 1 AND 256),
  dir TEXT NOT NULL DEFAULT '',
  read_at INTEGER NOT NULL DEFAULT 0 CHECK (read_at > 0),
  PRIMARY KEY (project_id, host_id)
) STRICT, WITHOUT ROWID;

-- The restart list: servers on which a change of ours turned dynamic WTP on, as read back.
-- done: somebody restarted Tomcat; off: dynamic WTP was seen off again, by the change
-- off_change_id or (0) outside the console.
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
CREATE UNIQUE INDEX restarts_open ON restarts (project_id, host_id) WHERE state = 'open';
CREATE INDEX restarts_list ON restarts (project_id, state, ended_at, id);
CREATE INDEX restarts_change ON restarts (change_id) WHERE state = 'open';
CREATE INDEX restarts_group ON restarts (project_id, group_name, id) WHERE state = 'open';

-- How many entries of a project are open; kept in the transaction of each move.
CREATE TABLE restart_counts (
  project_id INTEGER NOT NULL DEFAULT 0 PRIMARY KEY,
  n INTEGER NOT NULL DEFAULT 0 CHECK (n >= 0)
) STRICT;
