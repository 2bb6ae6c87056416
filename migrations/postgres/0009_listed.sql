-- A large project is read by exports, and its list beside them.

-- +goose Up
-- unlisted: servers that no list has shown yet; their asset_value is 'unlisted'.
-- listed_at: what only the list shows of the others is at least as new as this.
ALTER TABLE projects ADD COLUMN unlisted bigint NOT NULL DEFAULT 0 CHECK (unlisted >= 0);
ALTER TABLE projects ADD COLUMN listed_at bigint NOT NULL DEFAULT 0;
