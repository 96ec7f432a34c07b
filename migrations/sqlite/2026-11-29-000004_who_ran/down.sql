ALTER TABLE runs DROP COLUMN ended_by;
ALTER TABLE runs DROP COLUMN started_by;
