-- +goose Up
-- A change may undo another one of its project, or try some of its servers
-- again; the columns hold that change's number, 0 for none.
ALTER TABLE changes ADD COLUMN undo_of bigint NOT NULL DEFAULT 0 CHECK (undo_of >= 0);
ALTER TABLE changes ADD COLUMN retry_of bigint NOT NULL DEFAULT 0 CHECK (retry_of >= 0);
CREATE INDEX changes_undo_of ON changes (project_id, undo_of) WHERE undo_of > 0;
CREATE INDEX changes_retry_of ON changes (project_id, retry_of) WHERE retry_of > 0;
