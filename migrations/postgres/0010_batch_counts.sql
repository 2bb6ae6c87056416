-- How the batches of a change stand is kept in counters, so that its page reads as
-- many rows for 100,000 servers as for 10,000.

-- +goose Up
-- box: the box of the strip that a batch is counted in; its parent's if it has one. A
-- change has at most 60 boxes, each of as many batches in a row.
ALTER TABLE batches ADD COLUMN box bigint NOT NULL DEFAULT 0 CHECK (box >= 0);
UPDATE batches SET box = r.box FROM (
  WITH RECURSIVE per AS (SELECT change_id, (COUNT(*) + 59) / 60 AS per FROM batches WHERE parent = 0 GROUP BY change_id),
  tree AS (
    SELECT b.id, (b.no - 1) / p.per + 1 AS box FROM batches b JOIN per p ON p.change_id = b.change_id WHERE b.parent = 0
    UNION ALL
    SELECT b.id, t.box FROM batches b JOIN tree t ON b.parent = t.id WHERE b.parent > 0)
  SELECT id, box FROM tree) r
WHERE r.id = batches.id;

-- How many batches of a box are in each state; kept in the transaction of each move.
CREATE TABLE batch_counts (
  change_id bigint NOT NULL DEFAULT 0 REFERENCES changes (id),
  box bigint NOT NULL DEFAULT 0 CHECK (box BETWEEN 1 AND 60),
  waiting bigint NOT NULL DEFAULT 0 CHECK (waiting >= 0),
  sending bigint NOT NULL DEFAULT 0 CHECK (sending >= 0),
  unclear bigint NOT NULL DEFAULT 0 CHECK (unclear >= 0),
  accepted bigint NOT NULL DEFAULT 0 CHECK (accepted >= 0),
  refused bigint NOT NULL DEFAULT 0 CHECK (refused >= 0),
  split bigint NOT NULL DEFAULT 0 CHECK (split >= 0),
  unknown bigint NOT NULL DEFAULT 0 CHECK (unknown >= 0),
  mixed bigint NOT NULL DEFAULT 0 CHECK (mixed >= 0),
  stopped bigint NOT NULL DEFAULT 0 CHECK (stopped >= 0),
  PRIMARY KEY (change_id, box)
);
INSERT INTO batch_counts (change_id, box, waiting, sending, unclear, accepted, refused, split, unknown, mixed, stopped)
  SELECT change_id, box, SUM(CASE state WHEN 'waiting' THEN 1 ELSE 0 END), SUM(CASE state WHEN 'sending' THEN 1 ELSE 0 END), SUM(CASE state WHEN 'unclear' THEN 1 ELSE 0 END), SUM(CASE state WHEN 'accepted' THEN 1 ELSE 0 END), SUM(CASE state WHEN 'refused' THEN 1 ELSE 0 END), SUM(CASE state WHEN 'split' THEN 1 ELSE 0 END), SUM(CASE state WHEN 'unknown' THEN 1 ELSE 0 END), SUM(CASE state WHEN 'mixed' THEN 1 ELSE 0 END), SUM(CASE state WHEN 'stopped' THEN 1 ELSE 0 END)
  FROM batches GROUP BY change_id, box;
