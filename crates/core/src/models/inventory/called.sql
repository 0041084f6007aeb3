-- Hosts that one of $1, all in lower case, would find by name, address or alias, and by which.
SELECT name_key AS form, id FROM hosts WHERE name_key = ANY($1)
UNION ALL
SELECT lower(address), id FROM hosts WHERE lower(address) = ANY($1)
UNION ALL
SELECT lower(alias), hosts_id FROM host_aliases WHERE lower(alias) = ANY($1)
