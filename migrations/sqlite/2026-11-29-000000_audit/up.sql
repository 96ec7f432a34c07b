-- Who did what: orders of people, and what the manager did by a rule of its own.
-- kind: key, session, local, anyone or rule; who: the key's name, the user, or the rule.
CREATE TABLE audit (
  id INTEGER NOT NULL PRIMARY KEY,
  key BLOB NOT NULL,
  at_us INTEGER NOT NULL,
  kind TEXT NOT NULL,
  who TEXT NOT NULL,
  address TEXT,
  action TEXT NOT NULL,
  subject TEXT,
  detail TEXT
) STRICT;
CREATE UNIQUE INDEX audit_key ON audit (key);
CREATE INDEX audit_at ON audit (at_us);
