DROP TABLE shared_managers;
DROP TABLE shared_lease;
