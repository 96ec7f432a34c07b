-- Why a run ended and for whom, and since when it was wanted: until its start it waited for memory.
ALTER TABLE runs ADD COLUMN queued_us BIGINT;
ALTER TABLE runs ADD COLUMN cause TEXT;
ALTER TABLE runs ADD COLUMN evicted_for TEXT;
