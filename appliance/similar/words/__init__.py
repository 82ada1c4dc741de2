"""What the guards know of each language: one file of word lists per language, written for this purpose."""
