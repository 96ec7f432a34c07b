-- Which of several managers leads: one row, number 1. An empty holder has given it back.
CREATE TABLE shared_lease (
    id INTEGER NOT NULL PRIMARY KEY,
    token INTEGER NOT NULL,
    renewals INTEGER NOT NULL,
    holder TEXT NOT NULL,
    address TEXT NOT NULL,
    replicas TEXT NOT NULL
) STRICT;
INSERT INTO shared_lease (id, token, renewals, holder, address, replicas) VALUES (1, 0, 0, '', '', '[]');

-- Managers that are there, and what each of them wants of the one that leads.
CREATE TABLE shared_managers (
    name TEXT NOT NULL PRIMARY KEY,
    address TEXT NOT NULL,
    beats INTEGER NOT NULL,
    wishes TEXT NOT NULL
) STRICT;
