"""Proof that the guards are alive: each is removed in a copy of the tree, and some test must turn red."""
