UPDATE requests SET outcome = 'ok' WHERE outcome = 'rejected';
UPDATE requests SET outcome = 'client_left' WHERE outcome = 'cancelled';
UPDATE requests SET outcome = 'refused:internal_error' WHERE outcome = 'failed';
ALTER TABLE rollups DROP COLUMN rejected;
ALTER TABLE rollups DROP COLUMN cancelled;
