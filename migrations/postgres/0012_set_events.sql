-- What was done to a named set is found by the name that the set had.

-- +goose Up
CREATE INDEX events_sets ON events (project_id, subject, seq) WHERE verb IN ('set.created', 'set.renamed', 'set.replaced', 'set.deleted');
