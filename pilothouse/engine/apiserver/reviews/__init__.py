"""Reviews: questions to authentication and authorization that are asked as API objects and never stored."""
