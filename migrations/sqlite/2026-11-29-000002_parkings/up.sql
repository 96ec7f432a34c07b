-- When a run was parked: it holds no card then, and that time has its own price. No end: it is parked still, or until its run ended.
CREATE TABLE parkings (
  run_id INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
  from_us INTEGER NOT NULL,
  to_us INTEGER,
  PRIMARY KEY (run_id, from_us)
) STRICT, WITHOUT ROWID;
ALTER TABLE price_plans ADD COLUMN parked_per_hour INTEGER;
