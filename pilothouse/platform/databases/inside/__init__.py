"""Programs that run in an instance's pods, on the standard library, PyMySQL and Debian's packages for Python alone.

They travel as a zip archive (`bundle`), so that the server's image does not change with the platform's version.
"""
