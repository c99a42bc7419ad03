"""Fuzzing of everything that reads what others wrote: replies, verdicts, logs, run directories, stores, SPECs and YAML."""
