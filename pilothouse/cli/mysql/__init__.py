"""`ph mysql`: MySQL and MariaDB instances."""
