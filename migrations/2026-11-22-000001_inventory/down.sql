DROP TABLE events_handlers_members, services_members_hostgroups, services_members, services_event_handlers,
    hostgroups_services, hostgroups_members, environments_members, event_handler_revisions, event_handlers, services,
    host_aliases, hosts, hostgroups, environments;
