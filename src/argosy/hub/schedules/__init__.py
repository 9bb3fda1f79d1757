"""Schedules: workflows that run by the clock."""
