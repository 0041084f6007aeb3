DROP TABLE schedule_runs, audit;
DROP FUNCTION refuse_audit_change();
