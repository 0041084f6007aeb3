DROP TABLE confirmations, logs, tasks, workers;
DROP FUNCTION notify_task_queued();
DROP SEQUENCE workers_epoch;
