-- Who sends requests, and how: each combination once, so that a row pays two or three bytes for it. Unknown texts are
-- empty. No request that ended at until_us or later refers to it: retention takes it away with the last of its rows.
-- Two may be equal (after models were merged).
CREATE TABLE senders (
  id INTEGER NOT NULL PRIMARY KEY,
  model_id INTEGER NOT NULL REFERENCES models (id),
  address TEXT NOT NULL,
  user_agent TEXT NOT NULL,
  asked_model TEXT NOT NULL,
  stream INTEGER NOT NULL,
  until_us INTEGER NOT NULL
) STRICT;
CREATE INDEX senders_known ON senders (model_id, address, user_agent);

-- No reference that is checked: that would need an index of all rows. Rows of older versions have none.
ALTER TABLE requests ADD COLUMN sender_id INTEGER;
