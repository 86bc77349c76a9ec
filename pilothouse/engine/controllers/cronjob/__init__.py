"""Cron jobs: Jobs that are made at the times of a schedule."""
