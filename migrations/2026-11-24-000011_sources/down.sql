DROP TABLE environments_sources, hostgroups_sources, hosts_sources, services_sources, event_handlers_sources, teams_sources, grants_sources;
