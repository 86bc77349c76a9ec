"""MySQL and MariaDB as a service."""
