"""The Toggl API: what to ask and how to read the answers (dialects, pure), and the thin client that does the asking."""
