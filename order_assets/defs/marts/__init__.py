"""Facts and summaries, as assets over the tables of schema marts."""
