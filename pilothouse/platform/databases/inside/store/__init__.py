"""Where backups and logs lie: a volume or S3, sealed."""
