"""Fed garbage: fuzzing with a kept corpus, and hostile text through the whole product. See docs/fuzzing.md."""
