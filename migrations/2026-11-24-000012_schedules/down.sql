ALTER TABLE schedule_runs DROP task_ids, DROP requested_by;
DROP TABLE schedules;
