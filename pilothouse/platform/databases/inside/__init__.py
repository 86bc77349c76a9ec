"""Programs that run in pods beside or for a server: Python's standard library, pymysql and Debian's python3-cryptography alone.

They are carried by one zip archive and import nothing of the platform but themselves.
"""
