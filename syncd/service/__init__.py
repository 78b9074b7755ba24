"""The running program: puts the rooms together, decides when a token's turn is, reports, starts and stops in order."""
