-- At which address a server copies to the backup server that it uses.

-- +goose Up
-- A row is of a server that uses backup_host_id. addr: as HSS showed it at seen_at; with
-- seen_at 0 the one that the backup server had when it got another, and the server used
-- it. No row: not known.
CREATE TABLE remote_addrs (
  project_id bigint NOT NULL DEFAULT 0,
  host_id text COLLATE "C" NOT NULL DEFAULT '' CHECK (length(host_id) BETWEEN 1 AND 256),
  backup_host_id text COLLATE "C" NOT NULL DEFAULT '' CHECK (backup_host_id <> ''),
  addr text COLLATE "C" NOT NULL DEFAULT '' CHECK (addr <> ''),
  seen_at bigint NOT NULL DEFAULT 0,
  PRIMARY KEY (project_id, host_id)
);
CREATE INDEX remote_addrs_use ON remote_addrs (project_id, backup_host_id, addr, seen_at);

-- How many rows there are of each; kept in the transaction that writes them.
CREATE TABLE remote_addr_counts (
  project_id bigint NOT NULL DEFAULT 0,
  backup_host_id text COLLATE "C" NOT NULL DEFAULT '',
  addr text COLLATE "C" NOT NULL DEFAULT '',
  n bigint NOT NULL DEFAULT 0 CHECK (n >= 0),
  PRIMARY KEY (project_id, backup_host_id, addr)
);
