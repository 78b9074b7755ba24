"""What syncd tells the outside about itself: log lines out of one catalogue of events, and metrics.

`fields` and `events` say what may be logged, `logs` carries it out as one line each, `redaction` is the last to
touch a line and takes every secret out of it, `console` draws lines for people, `crash` catches what nobody else
caught, `metrics` counts. Nothing here knows what a client or a project is.
"""
