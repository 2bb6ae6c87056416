-- More kinds of change, and changes in steps.

-- +goose Up
-- ramp: 1 if the change begins with 1 server, then 10, then whole batches.
ALTER TABLE changes ADD COLUMN ramp bigint NOT NULL DEFAULT 0 CHECK (ramp IN (0, 1));
ALTER TABLE changes DROP CONSTRAINT changes_kind_check;
ALTER TABLE changes DROP CONSTRAINT changes_check;
ALTER TABLE changes ADD CONSTRAINT changes_kind CHECK (kind IN ('dynamic_wtp', 'backup_server', 'remote_backup', 'backup_removal', 'tomcat_dir'));
ALTER TABLE changes ADD CONSTRAINT changes_direction CHECK ((direction IN ('enable', 'disable')) = (kind IN ('dynamic_wtp', 'remote_backup')) AND direction IN ('', 'enable', 'disable'));

-- kind: what is sent for the target; a removal has targets of two kinds.
ALTER TABLE targets DROP CONSTRAINT targets_kind_check;
ALTER TABLE targets ADD CONSTRAINT targets_kind CHECK (kind IN ('dynamic_wtp', 'backup_server', 'remote_backup', 'tomcat_dir'));

-- confirmed: 0 not read back yet, 1 seen as wanted, 2 seen otherwise.
ALTER TABLE change_counts DROP CONSTRAINT change_counts_confirmed_check;
ALTER TABLE change_counts ADD CONSTRAINT change_counts_confirmed CHECK (confirmed IN (0, 1, 2));
INSERT INTO change_counts (change_id, bucket, why, outcome, confirmed, n)
  SELECT change_id, bucket, why, outcome, 2, COUNT(*) FROM targets WHERE seen <> '' AND seen <> wanted GROUP BY 1, 2, 3, 4;
UPDATE change_counts AS c SET n = c.n - o.n FROM change_counts o
  WHERE c.confirmed = 0 AND o.confirmed = 2 AND o.change_id = c.change_id AND o.bucket = c.bucket AND o.why = c.why AND o.outcome = c.outcome;

-- step: a batch begins only when every server of the steps before it was read back as
-- wanted; 0: it waits for none.
ALTER TABLE batches ADD COLUMN step bigint NOT NULL DEFAULT 0 CHECK (step >= 0);
