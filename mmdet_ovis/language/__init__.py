"""Words: parsing captions, vocabularies, prompts, text embedding banks."""
