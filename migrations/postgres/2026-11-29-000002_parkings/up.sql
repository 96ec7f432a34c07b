-- When a run was parked: it holds no card then, and that time has its own price. No end: it is parked still, or until its run ended.
CREATE TABLE parkings (
  run_id BIGINT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
  from_us BIGINT NOT NULL,
  to_us BIGINT,
  PRIMARY KEY (run_id, from_us)
);
ALTER TABLE price_plans ADD COLUMN parked_per_hour BIGINT;
