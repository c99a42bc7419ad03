"""What SECURITY.md promises, as tests."""
