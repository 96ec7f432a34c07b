-- Which of several managers leads: one row, number 1. An empty holder has given it back.
CREATE TABLE shared_lease (
    id BIGINT PRIMARY KEY,
    token BIGINT NOT NULL,
    renewals BIGINT NOT NULL,
    holder TEXT NOT NULL,
    address TEXT NOT NULL,
    replicas TEXT NOT NULL
);
INSERT INTO shared_lease (id, token, renewals, holder, address, replicas) VALUES (1, 0, 0, '', '', '[]');

-- Managers that are there, and what each of them wants of the one that leads.
CREATE TABLE shared_managers (
    name TEXT PRIMARY KEY,
    address TEXT NOT NULL,
    beats BIGINT NOT NULL,
    wishes TEXT NOT NULL
);
