DROP TABLE model_rollups;
