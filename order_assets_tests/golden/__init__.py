"""The worked example of the model: inputs, expected numbers, reference DDL; and its comparison cell by cell."""
