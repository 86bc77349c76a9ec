"""Pods that run to their end: Jobs, and CronJobs that make them."""
