"""TLS connections: records and OpenSSL (`channel`), the bytes (`transport`), the end (`lingering`)."""
