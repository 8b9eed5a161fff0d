"""The SQLite file, and nothing but it. Other rooms speak to it in nouns; no SQL leaves this folder."""
