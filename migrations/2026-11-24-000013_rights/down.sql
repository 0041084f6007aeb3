DROP TRIGGER grants_given ON grants;
DROP FUNCTION grants_given;
DROP TABLE grants_taken, audit_refusals;
