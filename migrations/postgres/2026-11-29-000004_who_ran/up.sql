-- Who began and who ended a run, kind and name: local:alice, key:key-1a2b3c4d, rule:idle timer. Unknown before.
ALTER TABLE runs ADD COLUMN started_by TEXT;
ALTER TABLE runs ADD COLUMN ended_by TEXT;
