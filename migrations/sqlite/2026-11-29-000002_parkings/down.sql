ALTER TABLE price_plans DROP COLUMN parked_per_hour;
DROP TABLE parkings;
