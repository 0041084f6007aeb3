DROP TABLE signin_failures, api_tokens, signin_links, sessions, grants, teams_members, teams, users;
