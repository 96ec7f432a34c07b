ALTER TABLE requests DROP COLUMN sender_id;
DROP TABLE senders;
